//! The records in memory, their numbers, and what each sink has lost.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;

use super::cursor::{Cursor, Ledger, Settled};
use crate::{
    event::{Body, LossReason, Notice, Origin, Position, Record, Seq, SourceId},
    socketio::Frame,
};

/// Records kept for losses to be told apart from a lost line: notices of loss may use this much more.
const ROOM_FOR_NOTICES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Line {
    records: VecDeque<Record>,
    bytes: usize,
    capacity: usize,
    /// Position of `records[0]`.
    first: Position,
    sources: Vec<Source>,
    sinks: Vec<Sink>,
}

#[derive(Debug)]
struct Source {
    next: Seq,
    gap: Seq,
    received: u64,
    withheld: u64,
    bad_frames: u64,
    /// Sessions so far.
    sessions: u64,
    /// When the last session was surely still whole; none before the first.
    seen: Option<Timestamp>,
}

#[derive(Debug)]
struct Sink {
    name: String,
    cursor: Cursor,
    /// Dropped, and not announced yet.
    unannounced: BTreeMap<SourceId, Loss>,
}

#[derive(Debug)]
struct Loss {
    count: u64,
    from: Seq,
    to: Seq,
}

impl Line {
    pub(super) fn new(capacity: usize, first: Seq, sources: &[String], sinks: &[String]) -> Self {
        let position = Position(1);
        let source = || Source {
            next: first,
            gap: Seq(0),
            received: 0,
            withheld: 0,
            bad_frames: 0,
            sessions: 0,
            seen: None,
        };
        Self {
            records: VecDeque::new(),
            bytes: 0,
            capacity,
            first: position,
            sources: sources.iter().map(|_| source()).collect(),
            sinks: sinks
                .iter()
                .map(|name| Sink {
                    name: name.clone(),
                    cursor: Cursor::new(position, sources.len()),
                    unannounced: BTreeMap::new(),
                })
                .collect(),
        }
    }

    /// The position the next record gets.
    pub(super) fn end(&self) -> Position {
        Position(self.first.0 + self.records.len() as u64)
    }

    pub(super) fn event(&mut self, source: SourceId, frame: Frame) -> Seq {
        self.append(source, frame.at, Origin::Live, Body::Event(frame))
    }

    pub(super) fn notice(&mut self, source: SourceId, notice: Notice) -> Seq {
        self.append(source, Timestamp::now(), Origin::Live, Body::Notice(Arc::new(notice)))
    }

    pub(super) fn withhold(&mut self, source: SourceId) {
        if let Some(source) = self.sources.get_mut(source.index()) {
            source.withheld += 1;
        }
    }

    /// Counts a frame that is no event; how many there were.
    pub(super) fn bad_frame(&mut self, source: SourceId) -> u64 {
        self.sources.get_mut(source.index()).map_or(0, |source| {
            source.bad_frames += 1;
            source.bad_frames
        })
    }

    pub(super) fn bad_frames(&self, source: SourceId) -> u64 {
        self.sources.get(source.index()).map_or(0, |source| source.bad_frames)
    }

    /// Counts a session: its number, and when the one before it was surely still whole.
    pub(super) fn open_session(&mut self, source: SourceId) -> (u64, Option<Timestamp>) {
        self.sources.get_mut(source.index()).map_or((0, None), |source| {
            source.sessions += 1;
            (source.sessions, source.seen)
        })
    }

    /// The session is whole up to here.
    pub(super) fn seen(&mut self, source: SourceId, at: Timestamp) {
        if let Some(source) = self.sources.get_mut(source.index()) {
            source.seen = source.seen.max(Some(at));
        }
    }

    pub(super) fn newest(&self, source: SourceId) -> (Seq, Seq) {
        self.sources
            .get(source.index())
            .map_or((Seq(0), Seq(0)), |source| (Seq(source.next.0.saturating_sub(1)), source.gap))
    }

    fn append(&mut self, source: SourceId, at: Timestamp, origin: Origin, body: Body) -> Seq {
        let position = self.end();
        let Some(state) = self.sources.get_mut(source.index()) else { return Seq(0) };
        let seq = state.next;
        state.next = seq.next();
        state.received += 1;
        if matches!(&body, Body::Notice(notice) if notice.is_loss()) {
            state.gap = seq;
        }
        let record = Record { position, source, seq, at, origin, gap: state.gap, body };
        self.bytes += record.size();
        self.records.push_back(record);
        if self.bytes > self.capacity {
            self.trim();
        }
        seq
    }

    /// Drops what every sink has passed, then, while the line is too long, the oldest.
    fn trim(&mut self) {
        let passed = self.sinks.iter().map(|sink| sink.cursor.next).min().unwrap_or_else(|| self.end());
        while let Some(oldest) = self.records.front() {
            let is_passed = oldest.position < passed;
            if !is_passed && self.bytes <= self.capacity {
                return;
            }
            self.bytes -= oldest.size();
            let Some(oldest) = self.records.pop_front() else { return };
            self.first = self.first.next();
            if !is_passed {
                self.lose(&oldest);
            }
        }
    }

    fn lose(&mut self, record: &Record) {
        for sink in self.sinks.iter_mut().filter(|sink| sink.cursor.next <= record.position) {
            sink.cursor.next = record.position.next();
            if let Some(ledger) = sink.cursor.ledgers.get_mut(record.source.index()) {
                *ledger.lost.entry(LossReason::JournalFull).or_default() += 1;
            }
            let seq = record.seq;
            let loss = sink.unannounced.entry(record.source).or_insert(Loss { count: 0, from: seq, to: seq });
            loss.count += 1;
            loss.to = seq;
        }
    }

    /// Appends one `lost` per sink and source that lost something since the last call; whether it did.
    pub(super) fn announce_losses(&mut self) -> bool {
        let mut lost = Vec::new();
        for sink in &mut self.sinks {
            for (source, loss) in std::mem::take(&mut sink.unannounced) {
                lost.push((source, sink.name.clone(), loss));
            }
        }
        // Their own weight must not push out more than they announce.
        self.capacity += ROOM_FOR_NOTICES;
        for (source, sink, Loss { count, from, to }) in &lost {
            let reason = LossReason::JournalFull;
            self.notice(
                *source,
                Notice::Lost { sink: sink.clone(), count: *count, reason, from: *from, to: *to },
            );
        }
        self.capacity -= ROOM_FOR_NOTICES;
        !lost.is_empty()
    }

    /// Copies at most `most` records from `from` on; a lower bound moves up to what is still there.
    pub(super) fn copy(&self, from: Position, most: usize, into: &mut Vec<Record>) {
        let skip = usize::try_from(from.0.saturating_sub(self.first.0)).unwrap_or(usize::MAX);
        into.extend(self.records.iter().skip(skip).take(most).cloned());
    }

    pub(super) fn cursor(&self, sink: usize) -> Option<&Cursor> {
        self.sinks.get(sink).map(|sink| &sink.cursor)
    }

    /// Moves a sink's cursor past these records. Those that were dropped meanwhile are already counted as
    /// lost and stay so: the broker has them, but the ledger counts each record once.
    pub(super) fn settle(
        &mut self,
        sink: usize,
        settled: impl Iterator<Item = (Position, SourceId, Seq, Settled)>,
    ) {
        let Some(state) = self.sinks.get_mut(sink) else { return };
        for (position, source, seq, how) in settled {
            if position == state.cursor.next {
                state.cursor.settle(source, seq, how);
            }
        }
        let passed = self.sinks.iter().map(|sink| sink.cursor.next).min().unwrap_or_else(|| self.end());
        while self.records.front().is_some_and(|record| record.position < passed) {
            if let Some(record) = self.records.pop_front() {
                self.bytes -= record.size();
                self.first = self.first.next();
            }
        }
    }

    pub(super) fn ledger(&self, sink: usize, source: SourceId) -> (Ledger, u64) {
        let (Some(sink), Some(state)) = (self.sinks.get(sink), self.sources.get(source.index())) else {
            return (Ledger::default(), 0);
        };
        let mut ledger = sink.cursor.ledgers.get(source.index()).cloned().unwrap_or_default();
        ledger.received = state.received + state.withheld;
        ledger.filtered += state.withheld;
        let skip = usize::try_from(sink.cursor.next.0.saturating_sub(self.first.0)).unwrap_or(usize::MAX);
        let pending = self.records.iter().skip(skip).filter(|record| record.source == source).count();
        (ledger, pending as u64)
    }
}
