//! The line's sinks: how far each has come, and what each has lost.

use std::collections::BTreeMap;

use super::{Line, Missing, Standing};
use crate::{
    event::{LossReason, Notice, Position, Record, Seq, SourceId},
    journal::cursor::{Cursor, Ledger, Settled},
};

/// Notices of loss may use this much more than the bound, so that they don't push out what they announce.
const ROOM_FOR_NOTICES: usize = 64 * 1024;

#[derive(Debug)]
pub(in crate::journal) struct Sink {
    pub(in crate::journal) name: String,
    pub(in crate::journal) cursor: Cursor,
    /// Dropped, and not announced yet.
    unannounced: BTreeMap<(SourceId, LossReason), Loss>,
}

#[derive(Debug)]
struct Loss {
    count: u64,
    from: Seq,
    to: Seq,
}

impl Sink {
    pub(in crate::journal) fn new(name: &str, cursor: Cursor) -> Self {
        Self { name: name.to_owned(), cursor, unannounced: BTreeMap::new() }
    }

    pub(in crate::journal) fn miss(&mut self, missing: &Missing, reason: LossReason) {
        if missing.count > 0 {
            self.cursor.miss(missing, reason);
            self.announce(missing, reason);
        }
    }

    pub(in crate::journal) fn announce(&mut self, missing: &Missing, reason: LossReason) {
        let Missing { source, count, from, to } = *missing;
        let loss = self.unannounced.entry((source, reason)).or_insert(Loss { count: 0, from, to });
        loss.count += count;
        loss.from = loss.from.min(from);
        loss.to = loss.to.max(to);
    }
}

impl Line {
    pub(in crate::journal) fn cursor(&self, sink: usize) -> Option<&Cursor> {
        self.sinks.get(sink).map(|sink| &sink.cursor)
    }

    /// Moves a sink's cursor past these records. Those that were dropped meanwhile are already counted as
    /// lost and stay so: the broker has them, but the ledger counts each record once.
    pub(in crate::journal) fn settle(
        &mut self,
        sink: usize,
        settled: impl Iterator<Item = (Position, SourceId, Seq, Settled)>,
    ) {
        let Some(state) = self.sinks.get_mut(sink) else { return };
        for (position, source, seq, how) in settled {
            if position > state.cursor.next {
                // Positions without records: damage on the disk, or skipped at a start.
                for (_, hole) in self.holes.range(state.cursor.next..position) {
                    for missing in &hole.missing {
                        state.miss(missing, LossReason::Damaged);
                    }
                }
                state.cursor.next = position;
            }
            if position == state.cursor.next {
                state.cursor.settle(source, seq, how);
            }
        }
        if self.store.is_none() {
            let passed = self.passed();
            while self.tail.front().is_some_and(|record| record.position < passed) {
                self.pop();
            }
        }
    }

    /// What every sink has settled.
    pub(in crate::journal) fn passed(&self) -> Position {
        self.sinks.iter().map(|sink| sink.cursor.next).min().unwrap_or(self.end)
    }

    /// Nothing before `first` is there any longer: moves the cursors that stand before it, and counts.
    pub(in crate::journal) fn skip_to(&mut self, first: Position, standing: &[Standing], reason: LossReason) {
        for sink in self.sinks.iter_mut().filter(|sink| sink.cursor.next < first) {
            for (source, standing) in (0..).map(SourceId).zip(standing) {
                let lane = sink.cursor.lane(source);
                let count = standing.count.saturating_sub(lane.count);
                let to = Seq(standing.next.0.saturating_sub(1));
                let missing = Missing { source, count, from: lane.last.next().min(to), to };
                sink.miss(&missing, reason);
            }
            sink.cursor.next = first;
        }
    }

    pub(super) fn lose(&mut self, record: &Record, reason: LossReason) {
        let missing = Missing { source: record.source, count: 1, from: record.seq, to: record.seq };
        for sink in self.sinks.iter_mut().filter(|sink| sink.cursor.next <= record.position) {
            sink.miss(&missing, reason);
            sink.cursor.next = record.position.next();
        }
    }

    pub(in crate::journal) fn ledger(&self, sink: usize, source: SourceId) -> (Ledger, u64) {
        let (Some(sink), Some(standing)) = (self.sinks.get(sink), self.standing.get(source.index())) else {
            return (Ledger::default(), 0);
        };
        let lane = sink.cursor.lanes.get(source.index()).cloned().unwrap_or_default();
        let pending = standing.count.saturating_sub(lane.count);
        let mut ledger = lane.ledger;
        ledger.received = ledger.settled() + pending;
        (ledger, pending)
    }

    /// A sink's records that are not settled.
    pub(in crate::journal) fn pending(&self, sink: usize) -> u64 {
        let Some(sink) = self.sinks.get(sink) else { return 0 };
        let counts = sink.cursor.lanes.iter().map(|lane| lane.count).chain(std::iter::repeat(0));
        self.standing.iter().zip(counts).map(|(standing, count)| standing.count.saturating_sub(count)).sum()
    }

    /// Appends one `lost` per sink, source and reason since the last call; whether there was one.
    pub(in crate::journal) fn announce_losses(&mut self) -> bool {
        let mut lost = Vec::new();
        for sink in &mut self.sinks {
            for ((source, reason), loss) in std::mem::take(&mut sink.unannounced) {
                lost.push((source, reason, sink.name.clone(), loss));
            }
        }
        self.memory += ROOM_FOR_NOTICES;
        for (source, reason, sink, Loss { count, from, to }) in &lost {
            let (count, reason, from, to) = (*count, *reason, *from, *to);
            self.notice(*source, 0, &Notice::Lost { sink: sink.clone(), count, reason, from, to });
        }
        self.memory -= ROOM_FOR_NOTICES;
        !lost.is_empty()
    }
}
