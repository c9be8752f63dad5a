//! A journal as it lies on disk, for looking at: nothing is changed, and the bridge may be writing to it meanwhile.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    Cursor,
    disk::{
        identity::Identity,
        mend,
        open::{OpenError, cursor_path, read_only},
        sealed, segment,
    },
    fs::Disk,
    reader::Stretch,
};
use crate::event::{JournalId, Position, Record};

/// A journal's files.
#[derive(Debug)]
pub struct Archive {
    /// Its name.
    pub journal: JournalId,
    /// Every source's name, by its id.
    pub sources: Arc<[String]>,
    /// Oldest first.
    pub segments: Vec<Segment>,
    /// Each sink's cursor; none if it can't be read.
    pub cursors: Vec<(String, Option<Cursor>)>,
}

/// One segment's file.
#[derive(Debug)]
pub struct Segment {
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was begun.
    pub created: Timestamp,
    /// Position of its first record.
    pub first: Position,
    found: segment::Opened,
    limit: Position,
}

/// What looking through a segment came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whole records.
    pub records: u64,
    /// Damaged bytes in the middle.
    pub damaged: usize,
    /// Bytes at the end that are no whole record; in the newest segment of a running bridge, one that is being written.
    pub torn: usize,
    /// Records that are gone.
    pub lost: u64,
}

impl Archive {
    /// Opens the journal in a directory.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let io = |source: io::Error| OpenError::Io { path: dir.to_owned(), source };
        let found = read_only(&Disk, dir)?;
        let firsts: Vec<Position> = found.iter().map(|found| found.header.first).collect();
        let mut segments = Vec::new();
        let newest = found.last().map(|found| found.header.clone());
        for (index, found) in found.into_iter().enumerate() {
            segments.push(Segment {
                path: dir.join("segments").join(&found.name),
                bytes: found.file.length().map_err(io)?,
                created: found.header.created,
                first: found.header.first,
                limit: firsts.iter().skip(index + 1).min().copied().unwrap_or(Position(u64::MAX)),
                found,
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
        Ok(Self { journal, sources: sources.into(), segments, cursors })
    }

    /// Every record that is whole, in order.
    pub fn records(&self) -> impl Iterator<Item = io::Result<Record>> {
        self.segments.iter().flat_map(|segment| Walk {
            offset: segment.found.start as u64,
            next: segment.first,
            stretch: Some(Stretch {
                generation: 0,
                file: Arc::clone(&segment.found.file),
                start: segment.found.start as u64,
                length: segment.bytes,
                end: segment.limit,
            }),
            ahead: VecDeque::new(),
        })
    }
}

impl Segment {
    /// Looks through it.
    pub fn verify(&self) -> io::Result<Verified> {
        let content = mend::content(&*self.found.file)?;
        let mut records = 0;
        let found = &self.found;
        let summary =
            segment::summarize(&content, &found.header, found.start, self.limit, |_, _| records += 1);
        let lost = summary.holes.iter().flat_map(|hole| &hole.missing).map(|missing| missing.count).sum();
        Ok(Verified { records, damaged: summary.damaged, torn: summary.torn, lost })
    }
}

struct Walk {
    stretch: Option<Stretch>,
    offset: u64,
    next: Position,
    ahead: VecDeque<Record>,
}

impl Iterator for Walk {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ahead.is_empty() {
            let stretch = self.stretch.as_ref()?;
            match stretch.read(self.offset, self.next) {
                Ok(chunk) => {
                    let stuck = chunk.offset() == self.offset;
                    (self.offset, self.next) = (chunk.offset(), chunk.next());
                    if stuck || chunk.damaged {
                        self.stretch = None;
                    }
                    self.ahead = chunk.records;
                }
                Err(error) => {
                    self.stretch = None;
                    return Some(Err(error));
                }
            }
        }
        self.ahead.pop_front().map(Ok)
    }
}
