//! Sends numbered events at a constant rate and records the time of each.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pbx_simulator::Simulator;
use tokio::{task::JoinHandle, time};

use super::{Load, common};

/// Sends at least the requested number, until it is stopped.
pub(crate) struct Sender {
    task: JoinHandle<()>,
    enough: Arc<AtomicBool>,
    sent: Arc<Mutex<Vec<u64>>>,
}

impl Sender {
    pub(crate) fn start(pbx: Arc<Simulator>, load: Load) -> Self {
        let (enough, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (stop, times) = (Arc::clone(&enough), Arc::clone(&sent));
        let task = tokio::spawn(async move {
            let mut pace = time::interval(Duration::from_secs(1) / load.rate);
            for number in 0.. {
                if number >= load.events && stop.load(Ordering::Relaxed) {
                    return;
                }
                pace.tick().await;
                let now = common::micros();
                times.lock().unwrap().push(now);
                pbx.send_text(&common::frame(number, now));
            }
        });
        Self { task, enough, sent }
    }

    /// Stops after the last one. Returns the time of each, in Unix microseconds.
    pub(crate) async fn end(self) -> Vec<u64> {
        self.enough.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}
