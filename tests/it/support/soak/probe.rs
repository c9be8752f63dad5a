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

/// The event's name, which the simulated office does not use.
pub(crate) const NAME: &str = "soakProbe";
const INTERVAL: Duration = Duration::from_millis(20);

pub(crate) struct Probe {
    task: JoinHandle<()>,
    is_stopping: Arc<AtomicBool>,
    sent: Arc<Mutex<Vec<u64>>>,
}

impl Probe {
    pub(crate) fn start(pbx: Arc<Simulator>) -> Self {
        let (is_stopping, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (stop, times) = (Arc::clone(&is_stopping), Arc::clone(&sent));
        let task = tokio::spawn(async move {
            let mut pace = time::interval(INTERVAL);
            pace.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
            for number in 0_u64.. {
                pace.tick().await;
                times.lock().unwrap().push(super::micros());
                pbx.emit(NAME, &format!("{{\"n\":{number}}}"));
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        Self { task, is_stopping, sent }
    }

    /// Sends a last one. Returns the time of each, in Unix microseconds.
    pub(crate) async fn end(self) -> Vec<u64> {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}
