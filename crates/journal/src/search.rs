//! Searches the log for a source's number, to compare it with the tail of a broker.

use std::io;

use event::{Position, Record, Seq, SourceId};
use jiff::Timestamp;

use crate::{
    cursor::SourceCursor,
    disk::segment_range::SegmentRange,
    entry::{Absence, Entry, Kind},
    journal::Journal,
    progress::SourceProgress,
};

/// Result of a search for a source's number.
#[derive(Debug, Clone)]
pub enum Search {
    /// The record with this number.
    Found(Box<Record>),
    /// The record was lost or erased; the following one starts at this position.
    Lost(Position),
    /// The number was skipped or refused, so no process with this journal has published it. The following
    /// record starts at this position.
    Skipped(Position),
    /// The number is older than all retained records, which start at this position.
    Older(Position),
    /// The number has not been assigned yet.
    Beyond,
}

impl Search {
    fn of(entry: Entry) -> Self {
        match entry {
            Entry::Record(record) => Self::Found(Box::new(record)),
            Entry::Absence(Absence { to, kind: Kind::Lost(_) | Kind::Erased, .. }) => Self::Lost(to),
            Entry::Absence(Absence { to, .. }) => Self::Skipped(to),
        }
    }

    /// Returns the position after the number, if it is retained.
    pub fn next(&self) -> Option<Position> {
        match self {
            Self::Found(record) => Some(record.position.next()),
            Self::Lost(next) | Self::Skipped(next) => Some(*next),
            Self::Older(_) | Self::Beyond => None,
        }
    }
}

/// Reason why a search failed.
enum Failure {
    Io(io::Error),
    /// A segment is damaged, given by its generation and revision.
    Damaged((u64, u32)),
}

/// Maximum number of repairs during a search.
const TRIES: usize = 4;

/// Segments and tail to search, oldest first.
struct Map {
    /// Segments, each with the source's next number at its start.
    segments: Vec<(SegmentRange, Seq)>,
    next: Seq,
    end: Position,
    first: Position,
}

impl Journal {
    /// Searches for a source's number. An I/O error is returned as such: it does not mean that the number is
    /// absent.
    ///
    /// A number that is neither found nor known to be absent was damaged at an unknown place. The result is
    /// then the position after the last record below it, because duplicates are better than losses.
    pub async fn search(&self, source: SourceId, seq: Seq) -> io::Result<Search> {
        if let Some(entry) = self.log().in_memory(source, seq) {
            return Ok(Search::of(entry));
        }
        self.read_through(move |journal| {
            let map = journal.map(source);
            if seq >= map.next {
                return Ok(Search::Beyond);
            }
            let Some((range, _)) = map.segments.into_iter().rfind(|(_, next)| *next <= seq) else {
                return Ok(Search::Older(map.first));
            };
            let mut below = range.start.position;
            let found = walk(&range, |entry| {
                let newest = entry.newest(source);
                if newest.is_some_and(|newest| newest < seq) {
                    below = entry.end();
                }
                newest.is_some_and(|newest| newest >= seq)
            })?;
            let found = found.filter(|entry| entry.holds(source, seq));
            Ok(found.map_or(Search::Lost(below), Search::of))
        })
        .await
    }

    /// Returns the first retained record at or after a time.
    pub async fn since(&self, moment: Timestamp) -> io::Result<Position> {
        self.read_through(move |journal| {
            let map = journal.map(SourceId(0));
            for (range, _) in map.segments {
                let found = walk(&range, |entry| entry.record().is_some_and(|record| record.at >= moment))?;
                if let Some(entry) = found {
                    return Ok(entry.position());
                }
            }
            Ok(map.end)
        })
        .await
    }

    /// Returns each source's cursor as if everything before `position` were settled: the number of records
    /// and the last number. `None` if the disk holds nothing that old.
    pub async fn source_cursors_at(&self, position: Position) -> io::Result<Option<Vec<SourceCursor>>> {
        self.read_through(move |journal| {
            let found = {
                let log = journal.log();
                let segments = log.store.as_ref().map(|store| &store.segments);
                let segment = segments.and_then(|all| all.iter().rev().find(|it| it.first <= position));
                segment.map(|segment| (segment.range(), segment.progress.clone()))
            };
            let Some((range, mut progress)) = found else { return Ok(None) };
            let last = |progress: &SourceProgress| Seq(progress.next.0.saturating_sub(1));
            let of = |progress: &SourceProgress| if progress.count == 0 { Seq(0) } else { last(progress) };
            let mut published: Vec<Seq> = progress.iter().map(of).collect();
            walk(&range, |entry| {
                if entry.position() < position {
                    pass(entry, &mut progress, &mut published);
                }
                entry.position() >= position
            })?;
            let cursor = |(progress, published): (&SourceProgress, Seq)| SourceCursor {
                count: progress.count,
                last: last(progress),
                published,
                ..SourceCursor::default()
            };
            Ok(Some(progress.iter().zip(published).map(cursor).collect()))
        })
        .await
    }

    /// Runs a search over the current segments, and again after each repair.
    async fn read_through<T: Send + 'static>(
        &self,
        work: impl Fn(&Self) -> Result<T, Failure> + Send + 'static,
    ) -> io::Result<T> {
        let journal = self.clone();
        let all = move || {
            for _ in 0..TRIES {
                match work(&journal) {
                    Ok(answer) => return Ok(answer),
                    Err(Failure::Io(error)) => return Err(error),
                    Err(Failure::Damaged(file)) => journal.repair(file)?,
                };
            }
            Err(io::Error::other("a segment could not be read, but it is intact"))
        };
        tokio::task::spawn_blocking(all).await.map_err(io::Error::other)?
    }

    fn map(&self, source: SourceId) -> Map {
        let log = self.log();
        let next = log.progress.get(source.index()).map_or(Seq(0), |progress| progress.next);
        let mut segments = Vec::new();
        let mut first = log.oldest_in_memory();
        if let Some(store) = &log.store {
            for segment in &store.segments {
                let progress = segment.progress.get(source.index()).map_or(Seq(0), |progress| progress.next);
                segments.push((segment.range(), progress));
            }
            first = store.segments.front().map_or(first, |oldest| oldest.first);
        }
        Map { segments, next, end: log.end(), first }
    }
}

/// Advances the sources past an entry.
fn pass(entry: &Entry, progress: &mut [SourceProgress], published: &mut [Seq]) {
    match entry {
        Entry::Record(record) => {
            let index = record.source.index();
            if let (Some(progress), Some(published)) = (progress.get_mut(index), published.get_mut(index)) {
                progress.note(record);
                *published = record.seq;
            }
        }
        Entry::Absence(absence) => {
            for missing in &absence.ranges {
                if let Some(progress) = progress.get_mut(missing.source.index()) {
                    progress.pass(missing, absence.kind);
                }
            }
        }
    }
}

/// Returns the first entry of a segment that satisfies the predicate.
fn walk(range: &SegmentRange, mut holds: impl FnMut(&Entry) -> bool) -> Result<Option<Entry>, Failure> {
    let mut place = range.start;
    loop {
        let chunk = range.read(place, range.start.position).map_err(Failure::Io)?;
        for entry in chunk.entries {
            if holds(&entry) {
                return Ok(Some(entry));
            }
        }
        if chunk.damaged {
            return Err(Failure::Damaged((range.generation, range.revision)));
        }
        if chunk.next.offset == place.offset || chunk.next.position >= range.end {
            return Ok(None);
        }
        place = chunk.next;
    }
}
