//! The segment store: appends to the newest segment and keeps the others while they are needed.

use std::{
    collections::{HashMap, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use event::{Body, JournalId, Position};

use super::{
    codec::Format,
    head::Head,
    names::{NO_NAME, NameIds},
    segment::file_name,
    segment_range::SegmentRange,
    segment_state::Segment,
    wakeup::Wakeup,
    write_buffer::WriteBuffer,
};

use crate::{
    entry::Entry,
    fs::{File, Fs, OnDemand},
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
    pub(crate) wakeup: Arc<Wakeup>,
    /// Generations whose files are being replaced. The compactor also removes them.
    pub(crate) pinned: Vec<u64>,
    /// Encoding of the next segment.
    pub(super) next_format: Format,
    /// Whether the next write creates a segment.
    rolls: bool,
    /// Head of that segment.
    pub(super) head: Option<Head>,
    /// Entries for the next write.
    buffer: WriteBuffer,
    /// Total bytes of all segments.
    pub(super) total: u64,
    /// Position before which everything is written.
    pub(crate) written: Position,
    /// Position before which everything is on stable storage.
    pub(crate) synced: Position,
    /// Sealed segments that are not synced, with their ends.
    pub(crate) unsynced: VecDeque<(Arc<dyn File>, Position)>,
    /// Why the disk currently rejects writes.
    pub(crate) failure: Option<String>,
    /// Whether no sync has succeeded since the last failure.
    pub(crate) unconfirmed: bool,
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
            wakeup: Arc::default(),
            pinned: Vec::new(),
            next_format: Format::draw()?,
            rolls: false,
            head: None,
            buffer: WriteBuffer::default(),
            total: 0,
            written: Position(1),
            synced: Position(1),
            unsynced: VecDeque::new(),
            failure: None,
            unconfirmed: false,
        })
    }

    /// Returns the total bytes, written and buffered.
    pub(crate) fn bytes(&self) -> u64 {
        self.total + self.buffer.bytes()
    }

    /// Returns the segment with the first record at or after a position.
    pub(crate) fn range(&self, from: Position) -> Option<SegmentRange> {
        self.segment(from).map(Segment::range)
    }

    pub(crate) fn segment(&self, from: Position) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.end > from)
    }

    /// Returns whether this event's name is over its quota.
    pub(crate) fn over_quota(&mut self, body: &Body) -> bool {
        let name = self.names.of(body);
        name != NO_NAME && self.held.get(&name).is_some_and(|bytes| *bytes > self.limits.per_name)
    }

    /// Takes the head of the next segment, if the next entry begins one. `head` returns the state before that entry.
    pub(crate) fn prepare(&mut self, head: impl FnOnce() -> Option<Head>) {
        if self.buffer.is_empty() && self.head.is_none() && self.is_roll_due() {
            self.head = head();
        }
    }

    fn is_roll_due(&self) -> bool {
        // Heads use half of the space at most.
        let is_full = |active: &Segment| {
            active.length.saturating_sub(active.start) >= self.limits.segment_bytes.max(active.start)
        };
        self.sealed || self.segments.back().is_none_or(is_full)
    }

    /// Buffers an entry for the next [`Store::write`].
    pub(crate) fn put(&mut self, entry: &Entry) {
        if self.buffer.is_empty() {
            self.rolls = self.is_roll_due();
        }
        let active = self.segments.back().filter(|_| !self.rolls);
        let format = active.map_or(self.next_format, |active| active.format);
        let name = entry.record().map_or(NO_NAME, |record| self.names.of(&record.body));
        let size = self.buffer.put(format, entry, name);
        *self.held.entry(name).or_default() += size;
    }

    /// Returns whether the buffer is large enough to be written.
    pub(crate) fn is_due(&self) -> bool {
        self.buffer.is_full()
    }

    /// Returns whether the buffer is large enough for a segment.
    pub(crate) fn is_segment(&self) -> bool {
        self.buffer.bytes() >= self.limits.segment_bytes
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
            let head = self.head.take();
            self.begin(self.written, progress, head.as_ref())?;
            self.rolls = false;
        }
        let Some(active) = self.segments.back_mut() else { return Err(io::ErrorKind::NotFound.into()) };
        if let Err(error) = self.buffer.append_to(&*active.file) {
            // A partial write must not precede the next entries.
            self.sealed = active.file.truncate(active.length).is_err();
            return Err(error);
        }
        active.length += self.buffer.bytes();
        self.total += self.buffer.bytes();
        active.end = end;
        active.newest = active.newest.max(self.buffer.newest());
        for (name, size) in self.buffer.take() {
            *active.bytes_by_name.entry(name).or_default() += size;
        }
        self.written = end;
        Ok(())
    }

    /// Discards the buffered entries.
    pub(crate) fn discard(&mut self) {
        self.head = None;
        for (name, size) in self.buffer.take() {
            if let Some(held) = self.held.get_mut(&name) {
                *held = held.saturating_sub(size);
            }
        }
    }

    /// Discards everything beyond `synced` after a failed sync: in memory at once, on disk as far as it
    /// permits. The system may have dropped the pages and marked them clean.
    pub(crate) fn discard_unsynced(&mut self) {
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
