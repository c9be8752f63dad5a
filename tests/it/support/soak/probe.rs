//! Numbered events at an even pace, and when each was sent.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pbx_simulator::Simulator;
use tokio::{task::JoinHandle, time};

/// The event's name; the simulated office has none of it.
pub(crate) const NAME: &str = "soakProbe";
const PACE: Duration = Duration::from_millis(20);

pub(crate) struct Probe {
    task: JoinHandle<()>,
    enough: Arc<AtomicBool>,
    sent: Arc<Mutex<Vec<u64>>>,
}

impl Probe {
    pub(crate) fn start(pbx: Arc<Simulator>) -> Self {
        let (enough, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (stop, times) = (Arc::clone(&enough), Arc::clone(&sent));
        let task = tokio::spawn(async move {
            let mut pace = time::interval(PACE);
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
        Self { task, enough, sent }
    }

    /// Sends a last one; when each was sent, in microseconds.
    pub(crate) async fn end(self) -> Vec<u64> {
        self.enough.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}
