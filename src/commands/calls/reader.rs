//! Reads the journal for `calls`.

use std::{
    cell::Cell,
    io::{self, Write},
    path::Path,
};

use jiff::Timestamp;

use super::list::Calls;
use crate::{
    commands::{journal, progress::Progress},
    config::nearest,
    event::{Position, SourceId},
    exit::Exit,
    journal::{Archive, Bookmark, Entry, SavedStates},
};

/// Number of attempts to read before a removed segment is an error.
const ATTEMPTS: u32 = 5;
/// The position of a journal's first record.
const FIRST: Position = Position(1);

/// Reads the journal, each time from where it stopped.
pub(super) struct Reader<'a> {
    dir: &'a Path,
    bookmark: Cell<Option<Bookmark>>,
    /// Time of the oldest record.
    oldest: Option<Timestamp>,
    pub(super) calls: Calls,
}

impl<'a> Reader<'a> {
    pub(super) fn new(dir: &'a Path, calls: Calls) -> Self {
        Self { dir, bookmark: Cell::new(None), oldest: None, calls }
    }

    /// Reads what is new. The error is the exit code; its reason is written to `err`.
    ///
    /// The bridge may remove a segment before it is read: then all is read again, as [`Calls`] takes each record once.
    pub(super) fn read(
        &mut self,
        only: Option<&str>,
        err: &mut impl Write,
    ) -> io::Result<Result<Archive, Exit>> {
        let mut attempts = ATTEMPTS;
        loop {
            let archive = match self.open(only, err)? {
                Ok(archive) => archive,
                Err(exit) => return Ok(Err(exit)),
            };
            attempts -= 1;
            match self.take_new(&archive, only) {
                Ok(()) => return Ok(Ok(archive)),
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempts > 0 => {
                    self.bookmark.set(None);
                }
                Err(error) => return journal::unreadable(&error, err).map(Err),
            }
        }
    }

    /// Opens the journal, and checks that it has the source. The error is the exit code; its reason is written to `err`.
    fn open(&self, only: Option<&str>, err: &mut impl Write) -> io::Result<Result<Archive, Exit>> {
        let Some(archive) = journal::open(self.dir, err)? else { return Ok(Err(Exit::Journal)) };
        if let Some(name) = only.filter(|name| archive.sources.iter().all(|known| known != name)) {
            let hint = match nearest(name, archive.sources.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("it has {}", archive.sources.join(", ")),
            };
            writeln!(err, "the journal has no source {name:?}: {hint}")?;
            return Ok(Err(Exit::Usage));
        }
        Ok(Ok(archive))
    }

    fn take_new(&mut self, archive: &Archive, only: Option<&str>) -> io::Result<()> {
        if self.oldest.is_none() {
            self.take_states(archive, only);
        }
        let mut progress = Progress::new("records read", false);
        for entry in archive.entries_behind(&self.bookmark) {
            let Entry::Record(record) = entry? else { continue };
            progress.step();
            self.oldest.get_or_insert(record.at);
            let source = source(archive, record.source);
            if only.is_none_or(|only| only == source) {
                self.calls.take(source, record);
            }
        }
        Ok(())
    }

    /// Takes the calls that the journal has saved: the steps of a long call may have been removed. Records replace them.
    fn take_states(&mut self, archive: &Archive, only: Option<&str>) {
        let Some(SavedStates { at, by_source }) = archive.saved_states() else { return };
        for (id, state) in by_source {
            let source = source(archive, id);
            if only.is_none_or(|only| only == source) {
                self.calls.restore(source, id, &state, at);
            }
        }
    }

    /// Returns the time of the oldest record if older ones that are asked for have been removed; `None` if nothing is missing.
    pub(super) fn reach(&self, archive: &Archive, since: Timestamp) -> Option<Timestamp> {
        let first = archive.segments.first().map_or(FIRST, |segment| segment.first);
        missing_before(first, self.oldest, since)
    }
}

/// Returns the time of the oldest record if there were older ones, and they are asked for.
fn missing_before(first: Position, oldest: Option<Timestamp>, since: Timestamp) -> Option<Timestamp> {
    oldest.filter(|oldest| first > FIRST && *oldest > since)
}

/// Returns the name of a source; empty if the journal does not name it.
pub(super) fn source(archive: &Archive, id: SourceId) -> &str {
    archive.sources.get(id.index()).map(String::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_has_removed_records_says_how_far_it_reaches() {
        let at = |second| Timestamp::constant(second, 0);
        let missing = |first, since| missing_before(Position(first), Some(at(100)), at(since));
        assert_eq!(missing(7, 50), Some(at(100)));
        assert_eq!(missing(7, 150), None, "it reaches far enough");
        assert_eq!(missing(1, 50), None, "it has all there ever was");
        assert_eq!(missing_before(Position(7), None, at(50)), None, "it has no record");
    }
}
