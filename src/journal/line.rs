//! The line's state: numbers, the newest records in memory, cursors, and what each sink has lost.

mod room;
mod sinks;
mod standing;
mod trouble;

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

pub(super) use self::sinks::Sink;
pub(crate) use self::standing::{Hole, Missing, Standing};
use super::{
    config::WhenFull,
    cursor::Cursor,
    disk::store::Store,
    tally::{Announced, Lately, Recent, Tally},
};
use crate::{
    event::{Body, EndReason, GapReason, Notice, Origin, Position, Record, Seq, SourceId, Told},
    health::Component,
    socketio::Frame,
};

#[derive(Debug)]
pub(super) struct Line {
    /// The newest records; without a store all there are.
    tail: VecDeque<Record>,
    tail_bytes: usize,
    /// Bound of what only memory holds.
    memory: usize,
    when_full: WhenFull,
    /// The position the next record gets.
    end: Position,
    pub(super) standing: Vec<Standing>,
    /// As `standing` was at the last write.
    written: Vec<Standing>,
    pub(super) sources: Vec<Source>,
    pub(super) sinks: Vec<Sink>,
    pub(super) holes: BTreeMap<Position, Hole>,
    pub(super) store: Option<Store>,
    health: Option<Component>,
    pub(super) lately: Lately,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Source {
    pub(super) bad_frames: u64,
    /// Sessions so far.
    pub(super) sessions: u32,
    pub(super) tally: Tally,
    /// How it was left before this process.
    pub(super) before: Before,
    /// How its last session in this process ended.
    pub(super) ended: Option<EndReason>,
    /// Numbers that were skipped, and not announced yet.
    pub(super) skipped: Option<(Seq, Seq)>,
    /// Opening has found that records were lost, and that is not announced yet.
    pub(super) has_lost: bool,
}

/// How a source was left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Before {
    #[default]
    New,
    Stopped,
    Crashed,
}

/// Where records from a position on are found.
#[derive(Debug)]
pub(super) enum Place {
    Memory,
    Disk(super::reader::Stretch),
    Nowhere,
}

impl Line {
    pub(super) fn new(end: Position, standing: Vec<Standing>, memory: usize, when_full: WhenFull) -> Self {
        Self {
            tail: VecDeque::new(),
            tail_bytes: 0,
            memory,
            when_full,
            end,
            written: standing.clone(),
            sources: vec![Source::default(); standing.len()],
            standing,
            sinks: Vec::new(),
            holes: BTreeMap::new(),
            store: None,
            health: None,
            lately: Lately::default(),
        }
    }

    /// A line in memory of these records, at positions of its own.
    pub(super) fn of(records: Vec<Record>, sources: usize, sink: &str) -> Self {
        let standing = vec![Standing::default(); sources];
        let mut line = Self::new(Position(1), standing.clone(), usize::MAX / 2, WhenFull::DropOldest);
        line.sinks.push(Sink::new(sink, Cursor::new(Position(1), &standing)));
        for record in records {
            let record = Record { position: line.end, ..record };
            if let Some(standing) = line.standing.get_mut(record.source.index()) {
                standing.note(&record);
            }
            line.end = line.end.next();
            line.tail_bytes += record.size();
            line.tail.push_back(record);
        }
        line
    }

    pub(super) fn with_store(self, store: Store, health: Component) -> Self {
        Self { store: Some(store), health: Some(health), ..self }
    }

    /// The position the next record gets.
    pub(super) fn end(&self) -> Position {
        self.end
    }

    pub(super) fn event(&mut self, source: SourceId, session: u32, origin: Origin, frame: Frame) -> Seq {
        let (at, bytes) = (frame.at, frame.size());
        let tally = self.sources.get_mut(source.index()).map(|source| &mut source.tally);
        let event = tally.map(|tally| tally.count(&frame.name(), bytes, origin));
        let sequence = self.append(source, at, session, origin, Body::Event(frame));
        if let Some(event) = event {
            self.lately.event(Recent { at, source, sequence, event });
        }
        sequence
    }

    pub(super) fn notice(&mut self, source: SourceId, session: u32, notice: &Notice) -> Seq {
        if notice.is_loss()
            && let Some(standing) = self.standing.get_mut(source.index())
        {
            standing.gap = standing.next;
        }
        let (at, told) = (Timestamp::now(), Told::from(notice));
        self.lately.notice(Announced { at, source, told: told.clone() });
        self.append(source, at, session, Origin::Live, Body::Notice(told))
    }

    /// Counts an event that must not reach the line.
    pub(super) fn withhold(&mut self, source: SourceId) {
        for sink in &mut self.sinks {
            sink.cursor.lane(source).ledger.filtered += 1;
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

    /// Counts a session.
    pub(super) fn open_session(&mut self, source: SourceId) -> u32 {
        self.sources.get_mut(source.index()).map_or(0, |source| {
            source.sessions += 1;
            source.sessions
        })
    }

    /// Why events may be missing before a session that begins now, since when, which numbers were skipped, and whether
    /// something was lost for certain.
    pub(super) fn before_session(
        &mut self,
        source: SourceId,
    ) -> (GapReason, Option<Timestamp>, Option<(Seq, Seq)>, bool) {
        let seen = self.standing.get(source.index()).and_then(|standing| standing.seen);
        let Some(source) = self.sources.get_mut(source.index()) else {
            return (GapReason::Started, None, None, false);
        };
        let reason = match (source.sessions, seen, source.before) {
            (..=1, None, _) | (..=1, _, Before::New) => GapReason::Started,
            (..=1, _, Before::Stopped) => GapReason::Restarted,
            (..=1, _, Before::Crashed) => GapReason::Crashed,
            _ => source.ended.map_or(GapReason::Disconnected, GapReason::from),
        };
        (reason, seen, source.skipped.take(), std::mem::take(&mut source.has_lost))
    }

    /// A session has ended: what the next gap says.
    pub(super) fn close_session(&mut self, source: SourceId, reason: EndReason) {
        if let Some(source) = self.sources.get_mut(source.index()) {
            source.ended = Some(reason);
            *source.tally.ends.entry(reason).or_default() += 1;
        }
    }

    /// The session is whole up to here.
    pub(super) fn seen(&mut self, source: SourceId, at: Timestamp) {
        if let Some(standing) = self.standing.get_mut(source.index()) {
            standing.seen = standing.seen.max(Some(at));
        }
    }

    pub(super) fn newest(&self, source: SourceId) -> (Seq, Seq) {
        self.standing
            .get(source.index())
            .map_or((Seq(0), Seq(0)), |standing| (Seq(standing.next.0.saturating_sub(1)), standing.gap))
    }

    fn append(&mut self, source: SourceId, at: Timestamp, session: u32, origin: Origin, body: Body) -> Seq {
        let refused = if matches!(body, Body::Event(_)) { self.refuses(&body) } else { None };
        let position = self.end;
        let Some(standing) = self.standing.get_mut(source.index()) else { return Seq(0) };
        let seq = standing.next;
        if let Some(reason) = refused {
            standing.next = seq.next();
            let missing = Missing { source, count: 1, from: seq, to: seq };
            for sink in &mut self.sinks {
                sink.cursor.lane(source).ledger.lose(reason, 1);
                sink.announce(&missing, reason);
            }
            return seq;
        }
        let record = Record { position, source, seq, at, session, origin, gap: standing.gap, body };
        standing.note(&record);
        self.end = position.next();
        self.tail_bytes += record.size();
        if let Some(store) = self.store.as_mut().filter(|store| store.trouble.is_none()) {
            store.put(&record);
        }
        self.tail.push_back(record);
        self.trim();
        seq
    }

    /// When the record at a position was received, or the first after it. Of one that only the disk holds it is an estimate.
    pub(super) fn received(&self, position: Position) -> Option<Timestamp> {
        let first = self.tail_first();
        if position >= first {
            let index = usize::try_from(position.0 - first.0).unwrap_or(usize::MAX);
            return self.tail.get(index).map(|record| record.at);
        }
        let segment = self.store.as_ref().and_then(|store| store.segment(position));
        segment
            .map(|segment| segment.received(position))
            .or_else(|| self.tail.front().map(|record| record.at))
    }

    pub(super) fn bytes_in_memory(&self) -> usize {
        self.tail_bytes
    }

    pub(super) fn oldest_in_memory(&self) -> Position {
        self.tail_first()
    }

    fn tail_first(&self) -> Position {
        self.tail.front().map_or(self.end, |record| record.position)
    }

    /// Where a reader finds what follows; `from` moves up to what is still there.
    pub(super) fn locate(&self, from: &mut Position) -> Place {
        if *from >= self.end {
            return Place::Nowhere;
        }
        if *from >= self.tail_first() {
            return Place::Memory;
        }
        let stretch = self.store.as_ref().and_then(|store| store.stretch(*from));
        if let Some(stretch) = stretch {
            return Place::Disk(stretch);
        }
        *from = self.tail_first();
        if *from < self.end { Place::Memory } else { Place::Nowhere }
    }

    /// Copies at most `most` records from `from` on, which memory holds.
    pub(super) fn copy(&self, from: Position, most: usize, into: &mut Vec<Record>) {
        let skip = usize::try_from(from.0.saturating_sub(self.tail_first().0)).unwrap_or(usize::MAX);
        into.extend(self.tail.iter().skip(skip).take(most).cloned());
    }

    /// The record of a source's number, if memory holds it.
    pub(super) fn in_memory(&self, source: SourceId, seq: Seq) -> Option<Record> {
        self.tail.iter().rev().find(|record| record.source == source && record.seq == seq).cloned()
    }
}
