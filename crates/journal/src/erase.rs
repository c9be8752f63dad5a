//! Erasure: removes the events of a person from the journal.

use std::io;

use event::Record;

use crate::journal::Journal;

/// Selects records; called without any lock of the journal.
pub(crate) type Matches<'a> = &'a (dyn Fn(&Record) -> bool + Send + Sync);

/// Result of [`Journal::erase`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erased {
    /// Number of erased events by [`SourceId`](event::SourceId); sources without any may be missing at the end.
    pub records: Vec<u64>,
    /// Number of rewritten segments.
    pub segments: u64,
    /// Total size of the erased events in bytes.
    pub bytes: u64,
    /// Number of files in `quarantine/`, which are not searched: an operator must remove them.
    pub quarantined: u64,
    /// Number of segments in `renamed/`, which are not searched: an operator must remove them.
    pub renamed: u64,
}

impl Erased {
    pub(crate) fn add(&mut self, other: &Self) {
        if self.records.len() < other.records.len() {
            self.records.resize(other.records.len(), 0);
        }
        for (sum, count) in self.records.iter_mut().zip(&other.records) {
            *sum += count;
        }
        self.segments += other.segments;
        self.bytes += other.bytes;
    }

    pub(crate) fn count(&mut self, record: &Record) {
        let source = record.source.index();
        if self.records.len() <= source {
            self.records.resize(source + 1, 0);
        }
        if let Some(count) = self.records.get_mut(source) {
            *count += 1;
        }
        self.bytes += record.size() as u64;
    }
}

impl Journal {
    /// Removes the matching events from memory and from every segment, whether or not they were delivered. Sinks that
    /// have not passed them count them as filtered. Events of calls are covered too; notices stay.
    ///
    /// The heads of segments, which may hold anything, are removed too; but for that of the newest one, which has the calls
    /// that are going on.
    ///
    /// Covers all events that were appended before the call. Appends and readers continue. What a sink has already read
    /// can't be recalled: it may still be published. What was published stays at the broker.
    ///
    /// Replaced files are removed, but not overwritten: the file system, or the drive, may keep their blocks. Needs free
    /// space for a copy of one segment. After an error, or if the process is killed, some events may be left: call it
    /// again. Fails at once while the journal's disk is failing.
    ///
    /// Blocks: it reads the complete journal, and `matches` gets each event at least once.
    pub fn erase(&self, matches: &(dyn Fn(&Record) -> bool + Send + Sync)) -> io::Result<Erased> {
        self.shared().erase(matches)
    }

    /// Removes the files in `dead/` whose content matches. Returns their number; 0 if the journal is in memory. Blocks.
    pub fn erase_dead_letters(&self, matches: &dyn Fn(&[u8]) -> bool) -> io::Result<u64> {
        self.shared().erase_dead_letters(matches)
    }
}
