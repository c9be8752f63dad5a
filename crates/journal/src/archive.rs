//! Reads a journal's files without changing them, even while a bridge writes to them.

use std::{
    cell::Cell,
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use event::{JournalId, Position, Record, Seq, SourceId};
use jiff::Timestamp;

use crate::{
    cursor::Cursor,
    disk::{
        identity::Identity,
        repair,
        scan::summarize,
        sealed,
        segment::{self, Next},
        segment_range::{Place, SegmentRange},
    },
    entry::Entry,
    fs::{Disk, Fs},
    recovery::{OpenError, cursor_path, read_only},
};

/// The files of a journal.
#[derive(Debug)]
pub struct Archive {
    /// The journal's name.
    pub journal: JournalId,
    /// Names of all sources, indexed by id.
    pub sources: Arc<[String]>,
    /// Segments, oldest first.
    pub segments: Vec<Segment>,
    /// Each sink's cursor; `None` if it is unreadable.
    pub cursors: Vec<(String, Option<Cursor>)>,
    /// Number of entries that reading has found damaged or missing.
    gone: AtomicU64,
}

/// The file of one segment.
#[derive(Debug)]
pub struct Segment {
    /// Path of the file.
    pub path: PathBuf,
    /// File size in bytes.
    pub bytes: u64,
    /// Creation time.
    pub created: Timestamp,
    /// Position of its first record.
    pub first: Position,
    found: segment::Opened,
    /// Start of the next segment; `None` for the newest.
    next: Option<Next>,
}

/// A place between two entries.
#[derive(Debug, Clone, Copy)]
pub struct Bookmark {
    /// Start of the segment.
    segment: Position,
    place: Place,
}

/// Result of verifying a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Number of intact records.
    pub records: u64,
    /// Number of damaged bytes before the end.
    pub damaged: usize,
    /// Bytes of an incomplete entry at the end. In the newest segment of a running bridge, the entry may
    /// still be being written.
    pub torn: usize,
    /// Number of missing entries.
    pub lost: u64,
}

impl Archive {
    /// Opens the journal in `dir` for reading.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let io = |source: io::Error| OpenError::Io { path: dir.to_owned(), source };
        let fs: Arc<dyn Fs> = Arc::new(Disk);
        let found = read_only(&fs, dir)?;
        let nexts: Vec<Option<Next>> = (0..found.len()).map(|index| segment::next(&found, index)).collect();
        let mut segments = Vec::new();
        let newest = found.last().map(|found| found.header.clone());
        for (found, next) in found.into_iter().zip(nexts) {
            segments.push(Segment {
                path: dir.join("segments").join(&found.name),
                bytes: found.file.length().map_err(io)?,
                created: found.header.created,
                first: found.header.first,
                found,
                next,
            });
        }
        let identity = Identity::read(&Disk, dir).ok();
        let named = identity.as_ref().map(|identity| {
            (identity.journal, identity.sources.iter().map(|source| source.name.clone()).collect::<Vec<_>>())
        });
        let named = named.or_else(|| {
            newest.map(|header| (header.journal, header.sources.into_iter().map(|(name, _)| name).collect()))
        });
        let Some((journal, sources)) = named else {
            return Err(io(io::Error::new(io::ErrorKind::NotFound, "there is no journal here")));
        };
        let sinks = identity.map(|identity| identity.sinks).unwrap_or_default();
        let cursor = |sink: String| {
            let cursor = sealed::read(&Disk, &cursor_path(dir, &sink), "cursor").ok();
            (sink, cursor)
        };
        let cursors = sinks.into_iter().map(cursor).collect();
        Ok(Self { journal, sources: sources.into(), segments, cursors, gone: AtomicU64::new(0) })
    }

    /// Iterates over all intact entries in order.
    pub fn entries(&self) -> impl Iterator<Item = io::Result<Entry>> {
        self.segments.iter().flat_map(|segment| segment.entries(&self.gone))
    }

    /// Iterates over the intact entries behind a bookmark, which follows; `None` stands for the start. Read to the end,
    /// so that the next archive of the same journal gives what was written since.
    pub fn entries_behind<'a>(
        &'a self,
        bookmark: &'a Cell<Option<Bookmark>>,
    ) -> impl Iterator<Item = io::Result<Entry>> + 'a {
        let read = bookmark.get();
        let is_unread = move |segment: &&Segment| read.is_none_or(|read| segment.first >= read.segment);
        let is_new = move |entry: &io::Result<Entry>| {
            entry
                .as_ref()
                .map_or(true, |entry| read.is_none_or(|read| entry.position() >= read.place.position))
        };
        let walk = move |segment: &'a Segment| {
            let walk = segment.entries(&self.gone);
            let place =
                read.filter(|read| read.segment == segment.first).map_or(walk.place, |read| read.place);
            Walk { place, bookmark: Some(bookmark), ..walk }
        };
        self.segments.iter().filter(is_unread).flat_map(walk).filter(is_new)
    }

    /// Returns the number of damaged entries that [`Archive::entries`] and [`Archive::records`] have passed
    /// so far.
    pub fn damaged(&self) -> u64 {
        self.gone.load(Ordering::Relaxed)
    }

    /// Finds the entry that holds a source's number; `None` if no retained, intact entry does.
    pub fn find(&self, source: SourceId, seq: Seq) -> io::Result<Option<Entry>> {
        let begins = |segment: &&Segment| {
            let progress = segment.found.header.sources.get(source.index());
            progress.is_none_or(|(_, progress)| progress.next <= seq)
        };
        let Some(segment) = self.segments.iter().rev().find(begins) else { return Ok(None) };
        for entry in segment.entries(&AtomicU64::new(0)) {
            let entry = entry?;
            if entry.newest(source).is_some_and(|newest| newest >= seq) {
                return Ok(Some(entry).filter(|entry| entry.holds(source, seq)));
            }
        }
        Ok(None)
    }

    /// Iterates over all intact records in order.
    pub fn records(&self) -> impl Iterator<Item = io::Result<Record>> {
        self.entries().filter_map(|entry| match entry {
            Ok(Entry::Record(record)) => Some(Ok(record)),
            Ok(Entry::Absence(_)) => None,
            Err(error) => Some(Err(error)),
        })
    }
}

impl Segment {
    /// Iterates over all intact entries and counts damaged ones in `gone`.
    fn entries<'a>(&'a self, gone: &'a AtomicU64) -> Walk<'a> {
        let start = Place { offset: self.found.start as u64, position: self.first };
        let range = SegmentRange {
            generation: 0,
            revision: 0,
            file: Arc::clone(&self.found.file),
            format: self.found.header.format,
            start,
            length: self.bytes,
            end: self.next.as_ref().map_or(Position(u64::MAX), |next| next.first),
        };
        Walk { segment: self, place: start, range: Some(range), ahead: VecDeque::new(), gone, bookmark: None }
    }

    /// Reads the segment and counts what is intact, damaged and missing.
    pub fn verify(&self) -> io::Result<Verified> {
        let content = repair::content(&*self.found.file)?;
        let found = &self.found;
        let summary = summarize(&content, &found.header, found.start, self.next.as_ref());
        let records = summary.entries.iter().filter_map(|(entry, _)| entry.record()).count() as u64;
        Ok(Verified { records, damaged: summary.damaged, torn: summary.torn, lost: summary.lost })
    }
}

struct Walk<'a> {
    segment: &'a Segment,
    gone: &'a AtomicU64,
    range: Option<SegmentRange>,
    place: Place,
    ahead: VecDeque<Entry>,
    bookmark: Option<&'a Cell<Option<Bookmark>>>,
}

impl Walk<'_> {
    /// Returns the segment's intact entries from `from` on, read as a repair reads them.
    fn past_damage(&self, from: Position) -> io::Result<Vec<Entry>> {
        let found = &self.segment.found;
        let content = repair::content(&*found.file)?;
        let summary = summarize(&content, &found.header, found.start, self.segment.next.as_ref());
        self.gone.fetch_add(summary.lost, Ordering::Relaxed);
        let entries = summary.entries.into_iter().map(|(entry, _)| entry);
        Ok(entries.filter(|entry| entry.position() >= from).collect())
    }
}

impl Iterator for Walk<'_> {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ahead.is_empty() {
            let range = self.range.as_ref()?;
            match range.read(self.place, self.place.position) {
                Ok(chunk) => {
                    let is_stuck = chunk.next.offset == self.place.offset;
                    self.place = chunk.next;
                    if let Some(bookmark) = self.bookmark {
                        bookmark.set(Some(Bookmark { segment: self.segment.first, place: self.place }));
                    }
                    if is_stuck || chunk.damaged {
                        self.range = None;
                    }
                    self.ahead = chunk.entries;
                    if chunk.damaged {
                        match self.past_damage(chunk.next.position) {
                            Ok(rest) => self.ahead.extend(rest),
                            Err(error) => return Some(Err(error)),
                        }
                    }
                }
                Err(error) => {
                    self.range = None;
                    return Some(Err(error));
                }
            }
        }
        self.ahead.pop_front().map(Ok)
    }
}
