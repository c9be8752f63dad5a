//! Reads a journal's files without changing them, even while a bridge writes to them.

mod walk;

use std::{
    cell::Cell,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use event::{JournalId, Position, Record, Seq, SourceId};
use jiff::Timestamp;

use self::walk::Walk;
use crate::{
    cursor::Cursor,
    disk::{
        head::Head,
        identity::Identity,
        repair,
        scan::summarize,
        sealed,
        segment::{self, Next},
        segment_range::Place,
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

/// State before a segment from which records are derived, together with the segment's own records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedStates {
    /// Creation time of the segment.
    pub at: Timestamp,
    /// Each source's state, as [`Derive::save`](crate::Derive::save) returned it.
    pub by_source: Vec<(SourceId, Vec<u8>)>,
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
        self.segments.iter().flat_map(|segment| Walk::of(segment, &self.gone))
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
        let walk = move |segment: &'a Segment| Walk::of(segment, &self.gone).behind(read, bookmark);
        self.segments.iter().filter(is_unread).flat_map(walk).filter(is_new)
    }

    /// Returns the newest saved states; `None` if nothing is derived, or none is intact.
    pub fn saved_states(&self) -> Option<SavedStates> {
        self.segments.iter().rev().find_map(|Segment { found, created, .. }| {
            let head = Head::read(&*found.file, &found.header, found.start).ok()??;
            Some(SavedStates { at: *created, by_source: head.0 })
        })
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
        for entry in Walk::of(segment, &AtomicU64::new(0)) {
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
    /// Reads the segment and counts what is intact, damaged and missing.
    pub fn verify(&self) -> io::Result<Verified> {
        let content = repair::content(&*self.found.file)?;
        let found = &self.found;
        let summary = summarize(&content, &found.header, found.start, self.next.as_ref());
        let records = summary.entries.iter().filter_map(|(entry, _)| entry.record()).count() as u64;
        Ok(Verified { records, damaged: summary.damaged, torn: summary.torn, lost: summary.lost })
    }
}
