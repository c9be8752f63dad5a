//! State of the log: numbers, the newest records in memory, cursors, and losses per sink.

mod derive;
mod disk_failure;
mod erase;
mod room;
mod session;
mod sinks;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use event::{
    Body, EncodedNotice, EndReason, LossReason, Notice, Origin, Position, RawEvent, Record, Seq, SourceId,
};
use jiff::Timestamp;

pub(super) use self::sinks::Sink;
use crate::{
    changes::Changes,
    counters::{Announced, Recent, RecentActivity, SourceCounters},
    cursor::Cursor,
    derive::Derive,
    disk::{segment::Next, segment_range::SegmentRange, store::Store},
    entry::{Absence, Entry, Kind, Missing},
    monitor::Monitor,
    options::WhenFull,
    progress::{PreviousRun, SourceProgress},
    state_losses::StateLosses,
};

#[derive(Debug)]
pub(super) struct Log {
    /// The newest entries; in memory-only mode, all entries.
    tail: VecDeque<Entry>,
    tail_bytes: usize,
    /// Events refused since the newest entry of the tail. Its position is assigned; it is appended at the
    /// next write.
    refusal: Option<Absence>,
    /// Entries that were in memory only and were dropped: the hole between the end of the disk and the tail.
    dropped: Option<Absence>,
    /// Bound in bytes of entries that are in memory only.
    memory: usize,
    when_full: WhenFull,
    /// Position of the next record.
    end: Position,
    pub(super) progress: Vec<SourceProgress>,
    /// Value of `progress` at the last write.
    written: Vec<SourceProgress>,
    pub(super) sources: Vec<Source>,
    pub(super) sinks: Vec<Sink>,
    pub(super) store: Option<Store>,
    monitor: Option<Arc<dyn Monitor>>,
    pub(super) recent: RecentActivity,
    pub(super) state_losses: StateLosses,
    pub(super) changes: Changes,
    /// What is derived, by source; `None` for sources without.
    pub(super) derives: Vec<Option<Box<dyn Derive>>>,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Source {
    pub(super) bad_frames: u64,
    /// Number of sessions so far.
    pub(super) sessions: u32,
    pub(super) counters: SourceCounters,
    /// How the previous process ended.
    pub(super) previous_run: PreviousRun,
    /// Monotonic time at which `seen` was set; `None` until this process sets it.
    pub(super) seen_at: Option<Duration>,
    /// Why the last session of this process ended.
    pub(super) ended: Option<EndReason>,
    /// Skipped numbers that are not announced yet.
    pub(super) skipped: Option<(Seq, Seq)>,
    /// Recovery found lost records that are not announced yet.
    pub(super) has_lost: bool,
}

/// Location of the records from a position on.
#[derive(Debug)]
pub(super) enum Place {
    Memory,
    Disk(SegmentRange),
    Nowhere,
}

impl Log {
    pub(super) fn new(
        end: Position,
        progress: Vec<SourceProgress>,
        memory: usize,
        when_full: WhenFull,
    ) -> Self {
        Self {
            tail: VecDeque::new(),
            tail_bytes: 0,
            refusal: None,
            dropped: None,
            memory,
            when_full,
            end,
            written: progress.clone(),
            sources: vec![Source::default(); progress.len()],
            state_losses: StateLosses::new(progress.len()),
            progress,
            sinks: Vec::new(),
            store: None,
            monitor: None,
            recent: RecentActivity::default(),
            changes: Changes::default(),
            derives: Vec::new(),
        }
    }

    /// Creates an in-memory log of these records, with new positions.
    pub(super) fn of(records: Vec<Record>, sources: usize, sink: &str) -> Self {
        let progress = vec![SourceProgress::default(); sources];
        let mut log = Self::new(Position(1), progress.clone(), usize::MAX / 2, WhenFull::DropOldest);
        log.sinks.push(Sink::new(sink, Cursor::new(Position(1), &progress)));
        for record in records {
            // The record that it equals may not be among them.
            let record = Record { position: log.end, unchanged: false, ..record };
            if let Some(progress) = log.progress.get_mut(record.source.index()) {
                progress.note(&record);
            }
            log.push(Entry::Record(record));
        }
        log
    }

    pub(super) fn with_store(self, store: Store, monitor: Arc<dyn Monitor>) -> Self {
        Self { store: Some(store), monitor: Some(monitor), ..self }
    }

    /// Returns the time of day.
    pub(super) fn now(&self) -> Timestamp {
        self.store.as_ref().map_or_else(Timestamp::now, |store| store.fs.now())
    }

    /// Returns the position of the next record.
    pub(super) fn end(&self) -> Position {
        self.end
    }

    pub(super) fn event(&mut self, source: SourceId, session: u32, origin: Origin, frame: RawEvent) -> Seq {
        let (at, bytes) = (frame.at, frame.size());
        let counters = self.sources.get_mut(source.index()).map(|source| &mut source.counters);
        let event = counters.map(|counters| counters.count(&frame.name(), bytes, origin));
        let sequence = self.append(source, at, session, origin, Body::Event(frame));
        if let Some(event) = event {
            self.recent.event(Recent { at, source, sequence, event });
        }
        sequence
    }

    pub(super) fn notice(&mut self, source: SourceId, session: u32, notice: &Notice) -> Seq {
        if notice.is_loss()
            && let Some(progress) = self.progress.get_mut(source.index())
        {
            progress.gap = progress.next;
        }
        let (at, content) = (self.now(), EncodedNotice::from(notice));
        self.recent.notice(Announced { at, source, content: content.clone() });
        self.append(source, at, session, Origin::Live, Body::Notice(content))
    }

    /// Appends a notice for every source, and what follows from it. Returns the position of the first.
    pub(super) fn notice_all(&mut self, notice: &Notice) -> Position {
        self.seal_refusal();
        let first = self.end;
        for source in (0..).map(SourceId).take(self.progress.len()) {
            self.notice(source, 0, notice);
        }
        first
    }

    /// Counts an event that a filter keeps out of the log.
    pub(super) fn withhold(&mut self, source: SourceId) {
        for sink in &mut self.sinks {
            sink.cursor.source_mut(source).ledger.filtered += 1;
        }
    }

    /// Counts a malformed frame and returns the total.
    pub(super) fn bad_frame(&mut self, source: SourceId) -> u64 {
        self.sources.get_mut(source.index()).map_or(0, |source| {
            source.bad_frames += 1;
            source.bad_frames
        })
    }

    pub(super) fn bad_frames(&self, source: SourceId) -> u64 {
        self.sources.get(source.index()).map_or(0, |source| source.bad_frames)
    }

    pub(super) fn newest(&self, source: SourceId) -> (Seq, Seq) {
        self.progress
            .get(source.index())
            .map_or((Seq(0), Seq(0)), |progress| (Seq(progress.next.0.saturating_sub(1)), progress.gap))
    }

    fn append(&mut self, source: SourceId, at: Timestamp, session: u32, origin: Origin, body: Body) -> Seq {
        let refused = if matches!(body, Body::Event(_)) { self.refuses(&body) } else { None };
        if refused.is_none() {
            self.seal_refusal();
        }
        let position = self.end;
        let Some(progress) = self.progress.get_mut(source.index()) else { return Seq(0) };
        let seq = progress.next;
        if let Some(reason) = refused {
            self.state_losses.refused((source, seq), origin, &body, self.sinks.len());
            self.refuse(Missing { source, count: 1, from: seq, to: seq }, reason);
            return seq;
        }
        let unchanged = self.changes.note(source, &body);
        let record =
            Record { position, source, seq, at, session, origin, gap: progress.gap, unchanged, body };
        progress.note(&record);
        self.state_losses.appended(&record);
        self.prepare_head();
        let derived = self.fold(&record);
        self.push(Entry::Record(record));
        self.push_derived(source, session, derived);
        if self.store.as_ref().is_some_and(Store::is_due) {
            self.flush();
        }
        self.trim();
        seq
    }

    /// Appends an entry at the end.
    fn push(&mut self, entry: Entry) {
        self.prepare_head();
        self.end = self.end.max(entry.end());
        self.tail_bytes += entry.size();
        if let Some(store) = self.store.as_mut().filter(|store| store.failure.is_none()) {
            store.put(&entry);
        }
        self.tail.push_back(entry);
    }

    /// Counts a refused event. Consecutive ones share an entry.
    fn refuse(&mut self, missing: Missing, reason: LossReason) {
        let kind = Kind::Refused(reason);
        if let Some(progress) = self.progress.get_mut(missing.source.index()) {
            progress.pass(&missing, kind);
        }
        for sink in &mut self.sinks {
            sink.cursor.refuse(&missing, reason);
        }
        if self.refusal.as_mut().is_some_and(|refusal| refusal.kind == kind && refusal.add(missing)) {
            return;
        }
        self.seal_refusal();
        let (from, to) = (self.end, self.end.next());
        self.end = to;
        self.refusal = Some(Absence { from, to, kind, ranges: vec![missing] });
    }

    /// Appends the entry of the refused events.
    pub(super) fn seal_refusal(&mut self) {
        if let Some(refusal) = self.refusal.take() {
            self.push(Entry::Absence(refusal));
        }
    }

    /// Marks the records up to a position as lost, with unknown owners.
    pub(super) fn mark_lost(&mut self, to: Position) {
        if to > self.end {
            let kind = Kind::Lost(LossReason::Damaged);
            self.push(Entry::Absence(Absence { from: self.end, to, kind, ranges: Vec::new() }));
        }
    }

    /// Skips numbers.
    pub(super) fn skip(&mut self, ranges: Vec<Missing>) {
        if ranges.is_empty() {
            return;
        }
        self.seal_refusal();
        for missing in &ranges {
            if let Some(progress) = self.progress.get_mut(missing.source.index()) {
                progress.pass(missing, Kind::Skipped);
            }
            self.state_losses.left_out(missing.source, missing.from, missing.to);
        }
        self.push(Entry::Absence(Absence {
            from: self.end,
            to: self.end.next(),
            kind: Kind::Skipped,
            ranges,
        }));
    }

    /// Returns when the first record at or after a position was received. An estimate if the record is on
    /// disk only.
    pub(super) fn received(&self, position: Position) -> Option<Timestamp> {
        let first_in_memory =
            || self.tail.iter().skip(self.index(position)).find_map(Entry::record).map(|record| record.at);
        if position >= self.tail_first() {
            return first_in_memory();
        }
        let segment = self.store.as_ref().and_then(|store| store.segment(position));
        segment.map(|segment| segment.received(position)).or_else(first_in_memory)
    }

    pub(super) fn bytes_in_memory(&self) -> usize {
        self.tail_bytes
    }

    pub(super) fn oldest_in_memory(&self) -> Position {
        self.tail_first()
    }

    fn tail_first(&self) -> Position {
        self.tail.front().map_or(self.end, Entry::position)
    }

    /// Returns the index in the tail of the first entry that ends after a position.
    fn index(&self, position: Position) -> usize {
        self.tail.partition_point(|entry| entry.end() <= position)
    }

    /// Locates the records from a position on. Moves `from` up to the first retained position.
    pub(super) fn locate(&self, from: &mut Position) -> Place {
        if *from >= self.end {
            return Place::Nowhere;
        }
        if *from >= self.tail_first() {
            return Place::Memory;
        }
        let range = self.store.as_ref().and_then(|store| store.range(*from));
        if let Some(range) = range {
            *from = (*from).max(range.start.position);
            return Place::Disk(range);
        }
        if self.dropped_at(*from).is_some() {
            return Place::Memory;
        }
        *from = self.tail_first();
        if *from < self.end { Place::Memory } else { Place::Nowhere }
    }

    /// Returns whether a segment still has this file, given as generation and revision.
    pub(super) fn has_file(&self, file: (u64, u32)) -> bool {
        let segments = self.store.as_ref().map(|store| &store.segments);
        segments.is_some_and(|all| all.iter().any(|segment| (segment.generation, segment.revision) == file))
    }

    /// Returns the hole at a position that is neither on disk nor in memory.
    fn dropped_at(&self, position: Position) -> Option<&Absence> {
        self.dropped.as_ref().filter(|dropped| dropped.from <= position && position < dropped.to)
    }

    /// Copies at most `most` records from memory, starting at `from` and ending before an absence, and at
    /// most `bytes` bytes unless the first record is larger. Returns the absence if it comes first.
    pub(super) fn copy(
        &self,
        from: Position,
        (most, bytes): (usize, usize),
        into: &mut Vec<Record>,
    ) -> Option<Absence> {
        if let Some(dropped) = self.dropped_at(from) {
            return Some(dropped.clone());
        }
        let (before, mut taken) = (into.len(), 0);
        for entry in self.tail.range(self.index(from)..).take(most) {
            match entry {
                Entry::Record(record) if taken > 0 && taken + record.size() > bytes => break,
                Entry::Record(record) => {
                    taken += record.size();
                    into.push(record.clone());
                }
                Entry::Absence(absence) if into.len() == before => return Some(absence.clone()),
                Entry::Absence(_) => break,
            }
        }
        None
    }

    /// Returns the in-memory entry that holds a source's number.
    pub(super) fn in_memory(&self, source: SourceId, seq: Seq) -> Option<Entry> {
        self.tail.iter().rev().find(|entry| entry.holds(source, seq)).cloned()
    }

    /// Returns the start of the segment that follows, or of the next one to be created.
    pub(super) fn next_of(&self, generation: u64) -> Option<Next> {
        let segments = &self.store.as_ref()?.segments;
        let index = segments.iter().position(|segment| segment.generation == generation)?;
        Some(match segments.get(index + 1) {
            Some(next) => Next { first: next.first, progress: next.progress.clone() },
            None => Next { first: segments.get(index)?.end, progress: self.written.clone() },
        })
    }
}
