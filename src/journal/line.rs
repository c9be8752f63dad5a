//! The line's state: numbers, the newest records in memory, cursors, and what each sink has lost.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    time::Instant,
};

use jiff::Timestamp;

use super::{
    config::WhenFull,
    cursor::{Cursor, Ledger, Settled},
    disk::store::Store,
    fs::Room,
    look::shortage,
};
use crate::{
    event::{
        Body, EndReason, GapReason, LossReason, Notice, Origin, Position, Record, STATE_EVENTS, Seq, SourceId,
    },
    health::Component,
    socketio::Frame,
};

/// Notices of loss may use this much more than the bound, so that they don't push out what they announce.
const ROOM_FOR_NOTICES: usize = 64 * 1024;
/// What is served from memory when the disk holds it too.
const TAIL: usize = 8 << 20;

/// Where a source stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The number its next record gets.
    pub(crate) next: Seq,
    /// Its newest notice of loss.
    pub(crate) gap: Seq,
    /// Its records so far, since the journal was created.
    pub(crate) count: u64,
    /// When its last session was surely still whole.
    pub(crate) seen: Option<Timestamp>,
}

impl Standing {
    pub(crate) fn note(&mut self, record: &Record) {
        self.next = record.seq.next();
        self.gap = record.gap;
        self.count += 1;
        // A snapshot proves nothing about the session.
        if record.session > 0 && record.origin == Origin::Live {
            self.seen = self.seen.max(Some(record.at));
        }
    }
}

/// Positions whose records are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) from: Position,
    /// The first that is there again.
    pub(crate) to: Position,
    pub(crate) missing: Vec<Missing>,
}

/// One source's records in a hole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) source: SourceId,
    pub(crate) count: u64,
    pub(crate) from: Seq,
    pub(crate) to: Seq,
}

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
}

#[derive(Debug, Default, Clone)]
pub(super) struct Source {
    bad_frames: u64,
    /// Sessions so far.
    sessions: u32,
    /// How it was left before this process.
    pub(super) before: Before,
    /// How its last session in this process ended.
    pub(super) ended: Option<EndReason>,
    /// Numbers that were skipped, and not announced yet.
    pub(super) skipped: Option<(Seq, Seq)>,
}

/// How a source was left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Before {
    #[default]
    New,
    Stopped,
    Crashed,
}

#[derive(Debug)]
pub(super) struct Sink {
    pub(super) name: String,
    pub(super) cursor: Cursor,
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
    pub(super) fn new(name: &str, cursor: Cursor) -> Self {
        Self { name: name.to_owned(), cursor, unannounced: BTreeMap::new() }
    }

    pub(super) fn miss(&mut self, missing: &Missing, reason: LossReason) {
        if missing.count > 0 {
            self.cursor.miss(missing, reason);
            self.announce(missing, reason);
        }
    }

    pub(super) fn announce(&mut self, missing: &Missing, reason: LossReason) {
        let Missing { source, count, from, to } = *missing;
        let loss = self.unannounced.entry((source, reason)).or_insert(Loss { count: 0, from, to });
        loss.count += count;
        loss.from = loss.from.min(from);
        loss.to = loss.to.max(to);
    }
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
        self.append(source, frame.at, session, origin, Body::Event(frame))
    }

    pub(super) fn notice(&mut self, source: SourceId, session: u32, notice: &Notice) -> Seq {
        if notice.is_loss()
            && let Some(standing) = self.standing.get_mut(source.index())
        {
            standing.gap = standing.next;
        }
        self.append(source, Timestamp::now(), session, Origin::Live, Body::Notice(notice.into()))
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

    /// Why events may be missing before a session that begins now, since when, and which numbers were skipped.
    pub(super) fn before_session(
        &mut self,
        source: SourceId,
    ) -> (GapReason, Option<Timestamp>, Option<(Seq, Seq)>) {
        let seen = self.standing.get(source.index()).and_then(|standing| standing.seen);
        let Some(source) = self.sources.get_mut(source.index()) else {
            return (GapReason::Started, None, None);
        };
        let reason = match (source.sessions, seen, source.before) {
            (..=1, None, _) | (..=1, _, Before::New) => GapReason::Started,
            (..=1, _, Before::Stopped) => GapReason::Restarted,
            (..=1, _, Before::Crashed) => GapReason::Crashed,
            _ => source.ended.map_or(GapReason::Disconnected, GapReason::from),
        };
        (reason, seen, source.skipped.take())
    }

    /// A session has ended: what the next gap says.
    pub(super) fn close_session(&mut self, source: SourceId, reason: EndReason) {
        if let Some(source) = self.sources.get_mut(source.index()) {
            source.ended = Some(reason);
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

    /// Why an event can't be taken, if so. Makes room by dropping the oldest, if that is the rule.
    fn refuses(&mut self, body: &Body) -> Option<LossReason> {
        let passed = self.passed();
        let (memory, used) = (self.memory, self.tail_bytes);
        let newest_goes = self.when_full == WhenFull::DropNewest;
        let Some(store) = &mut self.store else {
            return (newest_goes && used > memory && !self.tail.is_empty() && self.tail_first() >= passed)
                .then_some(LossReason::JournalFull);
        };
        if store.trouble.is_some() {
            return (newest_goes && used > memory).then_some(LossReason::Disk);
        }
        if store.over_quota(body) {
            store.tidy(passed, Instant::now());
            if store.over_quota(body) {
                return Some(LossReason::Quota);
            }
        }
        if store.bytes() <= store.limits.max_bytes {
            return None;
        }
        store.tidy(passed, Instant::now());
        while let Some(store) = self.store.as_ref().filter(|store| store.bytes() > store.limits.max_bytes) {
            if newest_goes {
                return Some(LossReason::JournalFull);
            }
            if store.segments.len() < 2 {
                return None;
            }
            self.drop_oldest(LossReason::JournalFull);
        }
        None
    }

    /// Drops what is older than anything may be; whether there was something.
    pub(super) fn expire(&mut self, now: Timestamp) {
        if let Some(store) =
            self.store.as_mut().filter(|store| store.trouble.is_none() && store.is_stale(now))
        {
            // A disk that refuses is noticed by the next write.
            let _ = store.begin(self.end, &self.written);
        }
        while self.store.as_ref().is_some_and(|store| store.segments.len() > 1 && store.has_expired(now)) {
            self.drop_oldest(LossReason::Expired);
        }
    }

    /// Drops the oldest segment, and counts it for those who have not read it.
    fn drop_oldest(&mut self, reason: LossReason) {
        let Some(store) = &mut self.store else { return };
        store.remove_oldest();
        let Some((first, standing)) =
            store.segments.front().map(|oldest| (oldest.first, oldest.standing.clone()))
        else {
            return;
        };
        self.skip_to(first, &standing, reason);
        while self.tail.front().is_some_and(|record| record.position < first) {
            self.pop();
        }
    }

    /// Nothing before `first` is there any longer: moves the cursors that stand before it, and counts.
    pub(super) fn skip_to(&mut self, first: Position, standing: &[Standing], reason: LossReason) {
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

    /// What every sink has settled.
    pub(super) fn passed(&self) -> Position {
        self.sinks.iter().map(|sink| sink.cursor.next).min().unwrap_or(self.end)
    }

    pub(super) fn oldest_in_memory(&self) -> Position {
        self.tail_first()
    }

    fn tail_first(&self) -> Position {
        self.tail.front().map_or(self.end, |record| record.position)
    }

    fn pop(&mut self) -> Option<Record> {
        let record = self.tail.pop_front()?;
        self.tail_bytes -= record.size();
        Some(record)
    }

    /// Lets go of what the disk holds, or what every sink has passed; then, while there is too much, of the oldest.
    fn trim(&mut self) {
        if self.tail_bytes <= self.memory.min(TAIL) {
            return;
        }
        let passed = self.passed();
        let (kept, reason) = match &self.store {
            None => (passed, LossReason::JournalFull),
            Some(store) if store.trouble.is_none() => (store.synced, LossReason::Disk),
            Some(store) => (store.written, LossReason::Disk),
        };
        let limit = if self.store.is_some() { TAIL.min(self.memory) } else { self.memory };
        while self.tail_bytes > limit && self.tail.front().is_some_and(|oldest| oldest.position < kept) {
            self.pop();
        }
        // Written and not synced yet is good enough when memory runs out.
        let written = self.store.as_ref().map_or(Position(0), |store| store.written);
        while self.tail_bytes > self.memory {
            let Some(oldest) = self.pop() else { return };
            if oldest.position >= written.max(if self.store.is_none() { passed } else { Position(0) }) {
                self.lose(&oldest, reason);
            }
        }
    }

    fn lose(&mut self, record: &Record, reason: LossReason) {
        let missing = Missing { source: record.source, count: 1, from: record.seq, to: record.seq };
        for sink in self.sinks.iter_mut().filter(|sink| sink.cursor.next <= record.position) {
            sink.miss(&missing, reason);
            sink.cursor.next = record.position.next();
        }
    }

    /// Writes what was appended. A disk that refuses does not stop the line.
    pub(super) fn flush(&mut self) {
        let Some(store) = self.store.as_mut().filter(|store| store.trouble.is_none()) else { return };
        match store.write(self.end, &self.written) {
            Ok(()) => self.written.clone_from(&self.standing),
            Err(error) => {
                store.discard();
                let trouble = format!("can't write to {}: {error}", store.dir.display());
                self.trouble(trouble);
            }
        }
    }

    fn trouble(&mut self, reason: String) {
        if let Some(health) = &self.health {
            health.failing(&format!(
                "{reason}: events are kept in memory meanwhile, and are lost if the process ends; free space or mend the disk"
            ));
        }
        if let Some(store) = &mut self.store {
            store.trouble = Some(reason);
            store.unproven = true;
            store.note_unsure();
        }
    }

    /// A sync failed: what was not synced is written anew, elsewhere.
    pub(super) fn distrust(&mut self, error: &std::io::Error) {
        let first = self.tail_first();
        let Some(store) = &mut self.store else { return };
        // What memory no longer holds can't be written again.
        store.synced = store.synced.max(first.min(store.written));
        store.distrust();
        let reason = format!("can't sync {}: {error}", store.dir.display());
        self.trouble(reason);
        self.retry();
    }

    pub(super) fn is_in_trouble(&self) -> bool {
        self.store.as_ref().is_some_and(|store| store.trouble.is_some())
    }

    /// A small file can't be written. The line itself may still be.
    pub(super) fn trouble_aside(&self, error: &std::io::Error) {
        if let (Some(health), Some(store)) = (&self.health, &self.store)
            && store.trouble.is_none()
        {
            health.failing(&format!(
                "can't write the cursors beside {}: {error}: after a crash events are sent twice; free space or mend the disk",
                store.dir.display()
            ));
        }
    }

    /// All small files are as they should be; and all segments, if a sync has succeeded since they were not.
    pub(super) fn untroubled(&self) {
        let proven = self.store.as_ref().is_some_and(|store| store.trouble.is_none() && !store.unproven);
        if let (Some(health), true) = (&self.health, proven) {
            health.active();
        }
    }

    /// Warns, while the volume can't take all that the journal may grow to.
    pub(super) fn note_room(&self, dir: &Path, room: Room) {
        if let (Some(health), Some(store)) = (&self.health, &self.store) {
            health.warning("room", shortage(dir, room, store.total(), store.limits.max_bytes));
        }
    }

    /// Goes on above a number, if it is not above it already, and says so.
    pub(super) fn skip_above(&mut self, source: SourceId, seq: Seq) {
        let Some(standing) = self.standing.get_mut(source.index()).filter(|standing| standing.next <= seq)
        else {
            return;
        };
        let skipped = (standing.next, seq);
        let (from, last) = (standing.seen, Seq(standing.next.0.saturating_sub(1)));
        standing.next = seq.next();
        self.notice(
            source,
            0,
            &Notice::Gap {
                reason: GapReason::Skipped,
                from,
                to: Timestamp::now(),
                last_sequence: Some(last),
                skipped: Some(skipped),
                certain: true,
                may_have_missed: STATE_EVENTS.to_vec(),
            },
        );
    }

    /// Back to the disk, if it lets us: a new segment with everything that only memory holds.
    pub(super) fn retry(&mut self) {
        let first = self.tail_first();
        let Some(store) = self.store.as_mut().filter(|store| store.trouble.is_some()) else { return };
        store.note_unsure();
        let first = first.max(store.written);
        let mut standing = self.standing.clone();
        for record in self.tail.iter().rev().take_while(|record| record.position >= first) {
            if let Some(standing) = standing.get_mut(record.source.index()) {
                standing.next = record.seq;
                standing.count -= 1;
                let before = self.written.get(record.source.index()).map_or(Seq(0), |written| written.gap);
                standing.gap = if record.gap == record.seq { before } else { record.gap };
            }
        }
        let skip = usize::try_from(first.0.saturating_sub(self.tail_first().0)).unwrap_or(usize::MAX);
        let Some(store) = &mut self.store else { return };
        let written = store.begin(first, &standing).and_then(|()| {
            for record in self.tail.iter().skip(skip) {
                store.put(record);
            }
            store.write(self.end, &standing)
        });
        match written {
            Ok(()) => {
                store.trouble = None;
                self.written.clone_from(&self.standing);
            }
            Err(error) => {
                store.discard();
                store.remove_empty();
                store.written = first;
                tracing::debug!(%error, "the journal's disk still refuses");
            }
        }
    }

    /// Appends one `lost` per sink, source and reason since the last call; whether there was one.
    pub(super) fn announce_losses(&mut self) -> bool {
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

    /// The position of a source's number, if memory holds it.
    pub(super) fn position_in_memory(&self, source: SourceId, seq: Seq) -> Option<Position> {
        let newest_first = self.tail.iter().rev();
        newest_first.into_iter().find(|r| r.source == source && r.seq == seq).map(|r| r.position)
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

    pub(super) fn ledger(&self, sink: usize, source: SourceId) -> (Ledger, u64) {
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
    pub(super) fn pending(&self, sink: usize) -> u64 {
        let Some(sink) = self.sinks.get(sink) else { return 0 };
        let counts = sink.cursor.lanes.iter().map(|lane| lane.count).chain(std::iter::repeat(0));
        self.standing.iter().zip(counts).map(|(standing, count)| standing.count.saturating_sub(count)).sum()
    }
}
