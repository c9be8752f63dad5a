//! Sinks of the log: the progress and the losses of each.

use event::{LossReason, Notice, Position, Seq, SourceId};

use super::Log;

use crate::{
    cursor::{Cursor, Ledger, Loss, Settled},
    entry::{Absence, Entry, Kind, Missing},
    progress::SourceProgress,
};

/// Extra bytes that notices of loss may use beyond the bound, so that they don't displace the records they
/// announce.
const ROOM_FOR_NOTICES: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) name: String,
    pub(crate) cursor: Cursor,
    /// Number of erased events that the cursor has passed since the start of the process.
    pub(crate) erased: u64,
}

impl Sink {
    pub(crate) fn new(name: &str, cursor: Cursor) -> Self {
        Self { name: name.to_owned(), cursor, erased: 0 }
    }
}

impl Log {
    pub(crate) fn cursor(&self, sink: usize) -> Option<&Cursor> {
        self.sinks.get(sink).map(|sink| &sink.cursor)
    }

    /// Moves a sink's cursor past these records. Records that were dropped meanwhile stay counted as lost:
    /// the broker has them, but the ledger counts each record once.
    pub(crate) fn settle(
        &mut self,
        sink: usize,
        settled: impl Iterator<Item = (Position, SourceId, Seq, Settled)>,
    ) {
        let Some(state) = self.sinks.get_mut(sink) else { return };
        for (position, source, seq, how) in settled {
            // The reader has passed any absences in between.
            state.cursor.next = state.cursor.next.max(position.min(self.end));
            if position == state.cursor.next {
                state.cursor.settle(source, seq, how);
            }
        }
        self.drop_settled();
    }

    /// Moves a sink's cursor past an absence. Charges the sink with lost records, and counts erased ones as filtered.
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
                    // Records read before they were lost are settled.
                    if let Some(rest) = missing.after(state.cursor.source_mut(missing.source).last) {
                        state.cursor.lose(&rest, *reason);
                        self.state_losses.lost(sink, &rest, *reason);
                    }
                }
            }
            Kind::Erased => {
                for missing in ranges {
                    // Records read before they were erased are settled.
                    if let Some(rest) = missing.after(state.cursor.source_mut(missing.source).last) {
                        state.cursor.filter(&rest);
                        state.erased += rest.count;
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
        self.drop_settled();
    }

    /// Drops what every sink has settled, in memory-only mode.
    fn drop_settled(&mut self) {
        if self.store.is_none() {
            let passed = self.passed();
            while self.tail.front().is_some_and(|entry| entry.end() <= passed) {
                self.pop();
            }
        }
    }

    /// Returns the position that every sink has reached.
    pub(crate) fn passed(&self) -> Position {
        self.sinks.iter().map(|sink| sink.cursor.next).min().unwrap_or(self.end)
    }

    /// Moves cursors that are before `first` to it and charges the sinks, because the records before it are
    /// gone.
    pub(crate) fn skip_to(&mut self, first: Position, progress: &[SourceProgress], reason: LossReason) {
        let behind = self.sinks.iter_mut().enumerate().filter(|(_, sink)| sink.cursor.next < first);
        for (index, sink) in behind {
            for (source, progress) in (0..).map(SourceId).zip(progress) {
                let cursor = sink.cursor.source_mut(source);
                let count = progress.count.saturating_sub(cursor.count);
                let to = Seq(progress.next.0.saturating_sub(1));
                let missing = Missing { source, count, from: cursor.last.next().min(to), to };
                if count > 0 {
                    sink.cursor.lose(&missing, reason);
                    self.state_losses.lost(index, &missing, reason);
                }
            }
            sink.cursor.next = first;
        }
    }

    /// Drops an entry that is in memory only, because there is no room for it.
    pub(super) fn lose(&mut self, entry: Entry, reason: LossReason) {
        let kind = Kind::Lost(reason);
        let lost = match entry {
            Entry::Record(record) => Absence::of(&record, kind),
            Entry::Absence(absence) if absence.kind == Kind::Erased => absence,
            // Refused events are already charged.
            Entry::Absence(absence) => {
                let ranges = absence.ranges.into_iter().map(|missing| Missing { count: 0, ..missing });
                Absence { kind, ranges: ranges.collect(), ..absence }
            }
        };
        let (from, to) = (lost.from, lost.to);
        for sink in 0..self.sinks.len() {
            // A sink further behind is charged when it reaches this position.
            if self.cursor(sink).is_some_and(|cursor| cursor.next >= from) {
                self.pass(sink, &lost);
            }
        }
        if self.store.is_some() {
            let dropped = self.dropped.get_or_insert_with(|| Absence { from, to, kind, ranges: Vec::new() });
            dropped.to = to;
            // Ranges join, because numbers are dense.
            for missing in lost.ranges {
                dropped.add(missing);
            }
        }
    }

    /// Restores unannounced losses of earlier processes.
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

    /// Returns whether a sink has settled everything.
    pub(crate) fn is_drained(&self, sink: usize) -> bool {
        self.sinks.get(sink).is_none_or(|sink| sink.cursor.next >= self.end)
    }

    /// Returns the number of a sink's pending records.
    pub(crate) fn pending(&self, sink: usize) -> u64 {
        let Some(sink) = self.sinks.get(sink) else { return 0 };
        let counts = sink.cursor.sources.iter().map(|cursor| cursor.count).chain(std::iter::repeat(0));
        self.progress.iter().zip(counts).map(|(progress, count)| progress.count.saturating_sub(count)).sum()
    }

    /// Collects the losses since the last call. Returns whether there is anything to announce.
    pub(crate) fn start_announcing(&mut self) -> bool {
        self.sinks.iter_mut().for_each(|sink| sink.cursor.start_announcing());
        self.sinks.iter().any(|sink| !sink.cursor.announcing.is_empty())
    }

    /// Appends a `lost` notice per sink, source and reason of the collected losses.
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
            // If the owners are unknown, every source may have lost records.
            let everyone = (0..).map(SourceId).take(self.progress.len());
            let concerned: Vec<_> = everyone.filter(|of| source.is_none_or(|source| source == *of)).collect();
            for source in concerned {
                self.notice(source, 0, &notice);
            }
        }
        self.memory -= ROOM_FOR_NOTICES;
    }
}
