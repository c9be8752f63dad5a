//! The log's sinks: how far each has come, and what each has lost.

use event::{LossReason, Notice, Position, Seq, SourceId};

use super::Log;

use crate::{
    cursor::{Cursor, Ledger, Loss, Settled},
    entry::{Absence, Entry, Kind, Missing},
    progress::SourceProgress,
};

/// Notices of loss may use this much more than the bound, so that they don't push out what they announce.
const ROOM_FOR_NOTICES: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) name: String,
    pub(crate) cursor: Cursor,
}

impl Sink {
    pub(crate) fn new(name: &str, cursor: Cursor) -> Self {
        Self { name: name.to_owned(), cursor }
    }
}

impl Log {
    pub(crate) fn cursor(&self, sink: usize) -> Option<&Cursor> {
        self.sinks.get(sink).map(|sink| &sink.cursor)
    }

    /// Moves a sink's cursor past these records. Those that were dropped meanwhile are already counted as
    /// lost and stay so: the broker has them, but the ledger counts each record once.
    pub(crate) fn settle(
        &mut self,
        sink: usize,
        settled: impl Iterator<Item = (Position, SourceId, Seq, Settled)>,
    ) {
        let Some(state) = self.sinks.get_mut(sink) else { return };
        for (position, source, seq, how) in settled {
            // The reader has passed what is between them.
            state.cursor.next = state.cursor.next.max(position.min(self.end));
            if position == state.cursor.next {
                state.cursor.settle(source, seq, how);
            }
        }
        self.let_go();
    }

    /// Moves a sink's cursor past numbers without records, and charges it with those that were lost.
    pub(crate) fn pass(&mut self, sink: usize, absence: &Absence) {
        let Some(state) = self.sinks.get_mut(sink) else { return };
        if absence.to <= state.cursor.next {
            return;
        }
        let Absence { from, to, kind, ranges } = absence;
        match kind {
            Kind::Lost(reason) if ranges.is_empty() => {
                let count = to.0 - state.cursor.next.max(*from).0;
                let loss = Loss { source: None, reason: *reason, count, from: Seq(0), to: Seq(0) };
                state.cursor.note_loss(loss);
                self.state_losses.lost_by_anyone(sink);
            }
            Kind::Lost(reason) => {
                for missing in ranges {
                    // What it read before the records went is settled.
                    if let Some(rest) = missing.after(state.cursor.source_mut(missing.source).last) {
                        state.cursor.miss(&rest, *reason);
                        self.state_losses.lost(sink, &rest, *reason);
                    }
                }
            }
            Kind::Skipped | Kind::Refused(_) => {
                for missing in ranges {
                    state.cursor.pass(missing);
                }
            }
        }
        state.cursor.next = *to;
        self.let_go();
    }

    /// In memory alone, what every sink has settled is not kept.
    fn let_go(&mut self) {
        if self.store.is_none() {
            let passed = self.passed();
            while self.tail.front().is_some_and(|entry| entry.position() < passed) {
                self.pop();
            }
        }
    }

    /// What every sink has settled.
    pub(crate) fn passed(&self) -> Position {
        self.sinks.iter().map(|sink| sink.cursor.next).min().unwrap_or(self.end)
    }

    /// Nothing before `first` is there any longer: moves the cursors that stand before it, and counts.
    pub(crate) fn skip_to(&mut self, first: Position, progress: &[SourceProgress], reason: LossReason) {
        let behind = self.sinks.iter_mut().enumerate().filter(|(_, sink)| sink.cursor.next < first);
        for (index, sink) in behind {
            for (source, progress) in (0..).map(SourceId).zip(progress) {
                let cursor = sink.cursor.source_mut(source);
                let count = progress.count.saturating_sub(cursor.count);
                let to = Seq(progress.next.0.saturating_sub(1));
                let missing = Missing { source, count, from: cursor.last.next().min(to), to };
                if count > 0 {
                    sink.cursor.miss(&missing, reason);
                    self.state_losses.lost(index, &missing, reason);
                }
            }
            sink.cursor.next = first;
        }
    }

    /// There is no room for an entry that only memory held.
    pub(super) fn lose(&mut self, entry: Entry, reason: LossReason) {
        let (from, to) = (entry.position(), entry.end());
        let ranges = match entry {
            Entry::Record(record) => {
                vec![Missing { source: record.source, count: 1, from: record.seq, to: record.seq }]
            }
            // What was refused is charged already.
            Entry::Absence(absence) => {
                absence.ranges.into_iter().map(|missing| Missing { count: 0, ..missing }).collect()
            }
        };
        let lost = Absence { from, to, kind: Kind::Lost(reason), ranges };
        for sink in 0..self.sinks.len() {
            // One that is further behind comes to it when it has read what the disk holds.
            if self.cursor(sink).is_some_and(|cursor| cursor.next >= from) {
                self.pass(sink, &lost);
            }
        }
        if self.store.is_some() {
            let dropped = self.dropped.get_or_insert_with(|| Absence { ranges: Vec::new(), ..lost.clone() });
            dropped.to = to;
            // Numbers are dense, so each follows the one before.
            for missing in lost.ranges {
                dropped.add(missing);
            }
        }
    }

    /// What was lost before this process, and is not announced yet.
    pub(crate) fn recall_losses(&mut self) {
        for (index, sink) in self.sinks.iter().enumerate() {
            for &Loss { source, reason, count, from, to } in &sink.cursor.unannounced {
                match source {
                    Some(source) => {
                        self.state_losses.lost(index, &Missing { source, count, from, to }, reason);
                    }
                    None => self.state_losses.lost_by_anyone(index),
                }
            }
        }
    }

    pub(crate) fn ledger(&self, sink: usize, source: SourceId) -> (Ledger, u64) {
        let (Some(sink), Some(progress)) = (self.sinks.get(sink), self.progress.get(source.index())) else {
            return (Ledger::default(), 0);
        };
        let cursor = sink.cursor.sources.get(source.index()).cloned().unwrap_or_default();
        let pending = progress.count.saturating_sub(cursor.count);
        let mut ledger = cursor.ledger;
        ledger.received = ledger.settled() + pending;
        (ledger, pending)
    }

    /// Whether a sink has settled everything.
    pub(crate) fn is_drained(&self, sink: usize) -> bool {
        self.sinks.get(sink).is_none_or(|sink| sink.cursor.next >= self.end)
    }

    /// A sink's records that are not settled.
    pub(crate) fn pending(&self, sink: usize) -> u64 {
        let Some(sink) = self.sinks.get(sink) else { return 0 };
        let counts = sink.cursor.sources.iter().map(|cursor| cursor.count).chain(std::iter::repeat(0));
        self.progress.iter().zip(counts).map(|(progress, count)| progress.count.saturating_sub(count)).sum()
    }

    /// Takes up what was lost since the last call; whether there is something to announce.
    pub(crate) fn start_announcing(&mut self) -> bool {
        self.sinks.iter_mut().for_each(|sink| sink.cursor.start_announcing());
        self.sinks.iter().any(|sink| !sink.cursor.announcing.is_empty())
    }

    /// Appends one `lost` per sink, source and reason of what was taken up.
    pub(crate) fn announce_losses(&mut self) {
        let mut lost = Vec::new();
        for sink in &mut self.sinks {
            for loss in std::mem::take(&mut sink.cursor.announcing) {
                lost.push((sink.name.clone(), loss));
            }
        }
        self.memory += ROOM_FOR_NOTICES;
        for (sink, Loss { source, reason, count, from, to }) in &lost {
            let (count, reason) = (*count, *reason);
            let range = source.is_some().then_some((*from, *to));
            let (from, to) = (range.map(|range| range.0), range.map(|range| range.1));
            let notice = Notice::Lost { sink: sink.clone(), count, reason, from, to };
            // Where nobody knows whose records they were, each source may miss something.
            let everyone = (0..).map(SourceId).take(self.progress.len());
            let concerned: Vec<_> = everyone.filter(|of| source.is_none_or(|source| source == *of)).collect();
            for source in concerned {
                self.notice(source, 0, &notice);
            }
        }
        self.memory -= ROOM_FOR_NOTICES;
    }
}
