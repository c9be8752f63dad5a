//! The segment store: appends to the newest segment and keeps the others while they are needed.

use std::{
    collections::{HashMap, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use event::{Body, JournalId, Position};
use jiff::Timestamp;

use super::{
    bell::Bell,
    codec::{self, Format},
    names::{NO_NAME, NameIds},
    repair::Repaired,
    segment::{Header, file_name},
    segment_state::Segment,
    stretch::Stretch,
};

use crate::{
    entry::Entry,
    fs::{self, File, Fs, OnDemand},
    progress::SourceProgress,
};

/// Bounds of the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_bytes: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) max_age: Option<Duration>,
    pub(crate) retain: Duration,
    /// Maximum bytes of undelivered records per event name.
    pub(crate) per_name: u64,
    /// Whether superseded events, and the oldest of names over their quota, are removed to make room.
    pub(crate) compacts: bool,
}

/// Number of segments below which reusing the newest one is not worthwhile.
const FEW: usize = 16;
/// Size in bytes from which a frame is written without being copied.
const LARGE: usize = 256 << 10;
/// Number of buffered bytes that triggers a write.
const BATCH: u64 = 1 << 20;

/// Appends a buffer with large pieces in between, each given by its offset in the buffer and its bytes.
fn append(file: &dyn File, buffer: &[u8], large: &[(usize, Bytes)]) -> io::Result<()> {
    let mut from = 0;
    for (at, bytes) in large {
        fs::append_all(file, buffer.get(from..*at).unwrap_or_default())?;
        fs::append_all(file, bytes)?;
        from = *at;
    }
    fs::append_all(file, buffer.get(from..).unwrap_or_default())
}

/// Returns a segment's file, which is opened on demand.
pub(super) fn on_demand(fs: &Arc<dyn Fs>, dir: &Path, generation: u64) -> Arc<dyn File> {
    Arc::new(OnDemand { fs: Arc::clone(fs), path: dir.join(file_name(generation)) })
}

/// The segments of a journal.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) fs: Arc<dyn Fs>,
    /// Directory of the segments.
    pub(crate) dir: PathBuf,
    pub(crate) journal: JournalId,
    pub(crate) sources: Arc<[String]>,
    pub(crate) limits: Limits,
    /// Segments, oldest first. The last one is appended to, unless it is sealed.
    pub(crate) segments: VecDeque<Segment>,
    pub(crate) sealed: bool,
    pub(crate) next_generation: u64,
    pub(crate) names: NameIds,
    /// Undelivered bytes by event name.
    pub(crate) held: HashMap<u32, u64>,
    /// Signals that compaction may be worthwhile.
    pub(crate) bell: Arc<Bell>,
    /// Generations whose files are being replaced. The compactor also removes them.
    pub(crate) pinned: Vec<u64>,
    /// Encoding of the next segment.
    next_format: Format,
    /// Whether the next write creates a segment.
    rolls: bool,
    /// Entries for the next write.
    buffer: Vec<u8>,
    /// Frame pieces too large to copy, with their offset in the buffer.
    large: Vec<(usize, Bytes)>,
    /// Total bytes for the next write.
    waiting: u64,
    buffered: Vec<(u32, u64)>,
    buffered_newest: Option<Timestamp>,
    /// Total bytes of all segments.
    pub(super) total: u64,
    /// Position before which everything is written.
    pub(crate) written: Position,
    /// Position before which everything is on stable storage.
    pub(crate) synced: Position,
    /// Sealed segments that are not synced, with their ends.
    pub(crate) unsynced: VecDeque<(Arc<dyn File>, Position)>,
    /// Why the disk currently rejects writes.
    pub(crate) trouble: Option<String>,
    /// Whether no sync has succeeded since the last failure.
    pub(crate) unproven: bool,
}

impl Store {
    /// Returns the total bytes of all segments.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn new(
        fs: Arc<dyn Fs>,
        dir: PathBuf,
        journal: JournalId,
        sources: Arc<[String]>,
        limits: Limits,
    ) -> io::Result<Self> {
        // Copies left unfinished by a crash.
        for path in fs.list(&dir)?.iter().map(|name| dir.join(name)) {
            if path.extension().is_some_and(|extension| extension == "new") {
                let _ = fs.remove(&path);
            }
        }
        Ok(Self {
            fs,
            dir,
            journal,
            sources,
            limits,
            segments: VecDeque::new(),
            sealed: true,
            next_generation: 1,
            names: NameIds::default(),
            held: HashMap::new(),
            bell: Arc::default(),
            pinned: Vec::new(),
            next_format: Format::draw()?,
            rolls: false,
            buffer: Vec::new(),
            large: Vec::new(),
            waiting: 0,
            buffered: Vec::new(),
            buffered_newest: None,
            total: 0,
            written: Position(1),
            synced: Position(1),
            unsynced: VecDeque::new(),
            trouble: None,
            unproven: false,
        })
    }

    /// Returns the total bytes, written and buffered.
    pub(crate) fn bytes(&self) -> u64 {
        self.total + self.waiting
    }

    /// Returns the segment with the first record at or after a position.
    pub(crate) fn stretch(&self, from: Position) -> Option<Stretch> {
        self.segment(from).map(Segment::stretch)
    }

    pub(crate) fn segment(&self, from: Position) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.end > from)
    }

    /// Returns whether this event's name is over its quota.
    pub(crate) fn over_quota(&mut self, body: &Body) -> bool {
        let name = self.names.of(body);
        name != NO_NAME && self.held.get(&name).is_some_and(|bytes| *bytes > self.limits.per_name)
    }

    /// Buffers an entry for the next [`Store::write`].
    pub(crate) fn put(&mut self, entry: &Entry) {
        if self.buffer.is_empty() {
            let is_full = |active: &Segment| active.length >= self.limits.segment_bytes;
            self.rolls = self.sealed || self.segments.back().is_none_or(is_full);
        }
        let active = self.segments.back().filter(|_| !self.rolls);
        let format = active.map_or(self.next_format, |active| active.format);
        let name = entry.record().map_or(NO_NAME, |record| self.names.of(&record.body));
        let size = self.encode(format, entry) as u64;
        self.waiting += size;
        *self.held.entry(name).or_default() += size;
        self.buffered.push((name, size));
        self.buffered_newest = self.buffered_newest.max(entry.record().map(|record| record.at));
    }

    fn encode(&mut self, format: Format, entry: &Entry) -> usize {
        if let Entry::Record(record) = entry
            && let Body::Event(frame) = &record.body
            && frame.size() >= LARGE
        {
            let head = codec::encode_head(format, record, &mut self.buffer);
            let at = self.buffer.len();
            self.large.extend(codec::pieces(frame).map(|bytes| (at, bytes.clone())));
            return head + frame.size();
        }
        codec::encode(format, entry, &mut self.buffer)
    }

    /// Returns whether the buffer is large enough to be written.
    pub(crate) fn is_due(&self) -> bool {
        self.waiting >= BATCH
    }

    /// Returns whether the buffer is large enough for a segment.
    pub(crate) fn is_segment(&self) -> bool {
        self.waiting >= self.limits.segment_bytes
    }

    /// Returns whether entries are buffered.
    pub(crate) fn is_buffering(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Writes the buffered entries, up to the position `end`. `progress` is the state before the first of
    /// them.
    pub(crate) fn write(&mut self, end: Position, progress: &[SourceProgress]) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.rolls {
            self.begin(self.written, progress)?;
            self.rolls = false;
        }
        let Some(active) = self.segments.back_mut() else { return Err(io::ErrorKind::NotFound.into()) };
        if let Err(error) = append(&*active.file, &self.buffer, &self.large) {
            // A partial write must not precede the next entries.
            self.sealed = active.file.truncate(active.length).is_err();
            return Err(error);
        }
        active.length += self.waiting;
        self.total += self.waiting;
        active.end = end;
        active.newest = active.newest.max(self.buffered_newest);
        for (name, size) in self.buffered.drain(..) {
            *active.bytes_by_name.entry(name).or_default() += size;
        }
        self.empty();
        self.written = end;
        Ok(())
    }

    /// Discards the buffered entries.
    pub(crate) fn discard(&mut self) {
        for (name, size) in self.buffered.drain(..) {
            if let Some(held) = self.held.get_mut(&name) {
                *held = held.saturating_sub(size);
            }
        }
        self.empty();
    }

    fn empty(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(1 << 20);
        self.large.clear();
        self.waiting = 0;
        self.buffered_newest = None;
    }

    /// Seals the newest segment and creates another one at `first`. Buffered entries must have been written,
    /// or they start the new segment.
    pub(crate) fn begin(&mut self, first: Position, progress: &[SourceProgress]) -> io::Result<()> {
        let generation = self.next_generation;
        let names = self.sources.iter().cloned();
        let progresses = progress.iter().cloned().chain(std::iter::repeat(SourceProgress::default()));
        let header = Header {
            journal: self.journal,
            generation,
            created: Timestamp::now(),
            first,
            format: self.next_format,
            sources: names.zip(progresses).collect(),
        };
        let next_format = Format::draw()?;
        let bytes = header.encode();
        let path = self.dir.join(file_name(generation));
        let file = self.fs.create(&path)?;
        // A name is used once, even if writing its file failed.
        self.next_generation += 1;
        if let Err(error) = fs::append_all(&*file, &bytes).and_then(|()| self.fs.sync_dir(&self.dir)) {
            let _ = self.fs.remove(&path);
            return Err(error);
        }
        self.next_format = next_format;
        // Compaction works on sealed segments, and there is a new one.
        if self.is_crowded() {
            self.bell.ring();
        }
        if let Some(active) = self.segments.back_mut() {
            let closed = on_demand(&self.fs, &self.dir, active.generation);
            let file = std::mem::replace(&mut active.file, closed);
            if active.end > self.synced {
                self.unsynced.push_back((file, active.end));
            }
        }
        self.add(Segment {
            generation,
            revision: 0,
            file,
            format: header.format,
            start: bytes.len() as u64,
            length: bytes.len() as u64,
            first,
            end: first,
            created: header.created,
            known: Vec::new(),
            progress: progress.to_vec(),
            newest: None,
            passed: None,
            bytes_by_name: HashMap::new(),
        });
        self.sealed = false;
        self.written = first;
        Ok(())
    }

    /// Continues the newest segment, if there are many small segments, as after a series of failed starts.
    /// Its header must equal that of a new one. Returns whether it does.
    ///
    /// Otherwise a new segment is better: its header identifies skipped numbers even if entries are damaged.
    pub(crate) fn go_on(&mut self) -> io::Result<bool> {
        let (room, sources) = (self.limits.segment_bytes, self.sources.len());
        let needed = usize::try_from(self.total / room.max(1)).unwrap_or(usize::MAX);
        if self.segments.len() < FEW.saturating_add(needed.saturating_mul(2)) {
            return Ok(false);
        }
        let is_fit = |newest: &Segment| {
            newest.length < room && newest.progress.len() == sources && newest.format != Format::Unkeyed
        };
        let Some(newest) = self.segments.back_mut().filter(|newest| is_fit(newest)) else { return Ok(false) };
        newest.file = self.fs.open(&self.dir.join(file_name(newest.generation)), true)?;
        self.sealed = false;
        self.written = newest.end;
        Ok(true)
    }

    /// Adds the newest segment.
    pub(crate) fn add(&mut self, segment: Segment) {
        self.total += segment.length;
        for (name, size) in &segment.bytes_by_name {
            *self.held.entry(*name).or_default() += size;
        }
        self.segments.push_back(segment);
    }

    /// Updates a segment after its file was replaced.
    pub(crate) fn replace(&mut self, generation: u64, new: &Repaired) {
        let Some(segment) = self.segments.iter_mut().find(|segment| segment.generation == generation) else {
            return;
        };
        self.total = (self.total + new.length).saturating_sub(segment.length);
        segment.revision += 1;
        segment.file = on_demand(&self.fs, &self.dir, generation);
        segment.format = new.format;
        (segment.start, segment.length) = (new.start as u64, new.length);
    }

    /// Removes the newest segment if it is empty.
    pub(crate) fn remove_empty(&mut self) {
        if let Some(empty) = self.segments.pop_back_if(|newest| newest.end == newest.first) {
            self.total = self.total.saturating_sub(empty.length);
            self.sealed = true;
            let _ = self.fs.remove(&self.dir.join(file_name(empty.generation)));
        }
    }

    /// Discards everything beyond `synced` after a failed sync: in memory at once, on disk as far as it
    /// permits. The system may have dropped the pages and marked them clean.
    pub(crate) fn distrust(&mut self) {
        self.discard();
        self.unsynced.clear();
        self.sealed = true;
        while self
            .segments
            .back()
            .is_some_and(|segment| segment.first >= self.synced && self.segments.len() > 1)
        {
            if let Some(segment) = self.segments.pop_back() {
                self.release(&segment);
                let _ = self.fs.remove(&self.dir.join(file_name(segment.generation)));
            }
        }
        if let Some(segment) = self.segments.back_mut() {
            segment.end = segment.end.min(self.synced).max(segment.first);
        }
        self.written = self.synced;
    }

    /// Returns the files to sync, in order, and the end of what they cover.
    pub(crate) fn to_sync(&self) -> (Vec<Arc<dyn File>>, Position) {
        let mut files: Vec<_> = self.unsynced.iter().map(|(file, _)| Arc::clone(file)).collect();
        let active = self.segments.back().filter(|active| active.end > self.synced);
        files.extend(active.map(|active| Arc::clone(&active.file)));
        (files, self.written)
    }

    /// Notes that everything before `end` is on stable storage.
    pub(crate) fn note_synced(&mut self, end: Position) {
        self.synced = self.synced.max(end.min(self.written));
        let synced = self.synced;
        self.unsynced.retain(|(_, end)| *end > synced);
    }
}
