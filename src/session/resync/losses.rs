//! Follows the sinks' losses of a source's state.

use tokio::{sync::watch, time::Instant};

use super::schedule::ResyncSchedule;
use crate::{event::ResyncReason, health::Board, session::supervisor::Source};

/// The losses of a source.
pub(super) struct Losses {
    schedule: ResyncSchedule,
    counts: watch::Receiver<Vec<u64>>,
    board: Board,
    /// As the board names them.
    sinks: Vec<String>,
}

impl Losses {
    pub(super) fn new(source: &Source) -> Self {
        let mut counts = source.journal.state_losses(source.id);
        // Losses before this start count too.
        counts.mark_changed();
        let sinks = source.sinks.iter().map(|name| format!("sink/{name}")).collect();
        Self { schedule: ResyncSchedule::default(), counts, board: source.board.clone(), sinks }
    }

    /// Waits until a resync is due because of them. Cancel safe.
    pub(super) async fn due(&mut self) {
        loop {
            let due = self.schedule.due();
            tokio::select! {
                changed = self.counts.changed() => {
                    if changed.is_err() {
                        // The journal is gone, and the bridge with it.
                        std::future::pending::<()>().await;
                    }
                    self.read();
                }
                () = super::until(due) => {
                    let Self { schedule, board, sinks, .. } = self;
                    if schedule.is_due(Instant::now(), |sink| accepts(board, sinks, sink)) {
                        return;
                    }
                }
            }
        }
    }

    /// Notes that a full resync starts.
    pub(super) fn resync(&mut self, reason: ResyncReason) {
        self.read();
        let Self { schedule, board, sinks, .. } = self;
        schedule.resync(reason == ResyncReason::Lost, Instant::now(), |sink| accepts(board, sinks, sink));
    }

    fn read(&mut self) {
        let counts = self.counts.borrow_and_update();
        self.schedule.lost(&counts, Instant::now());
    }
}

fn accepts(board: &Board, sinks: &[String], sink: usize) -> bool {
    sinks.get(sink).is_some_and(|name| board.is_active(name))
}
