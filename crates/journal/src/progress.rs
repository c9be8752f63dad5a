//! The numbers and records of a source so far.

use event::{Origin, Record, Seq};
use jiff::Timestamp;

use crate::entry::{Kind, Missing};

/// A source's numbers and records so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SourceProgress {
    /// The number its next record gets.
    pub(crate) next: Seq,
    /// Its newest notice of loss.
    pub(crate) gap: Seq,
    /// Its records so far, since the journal was created; refused events and skipped numbers are none.
    pub(crate) count: u64,
    /// When its last session was surely still whole.
    pub(crate) seen: Option<Timestamp>,
}

impl SourceProgress {
    pub(crate) fn note(&mut self, record: &Record) {
        self.next = record.seq.next();
        self.gap = record.gap;
        self.count += 1;
        // A snapshot proves nothing about the session.
        if record.session > 0 && record.origin == Origin::Live {
            // Not the latest: the time of day may have been set back.
            self.seen = Some(record.at);
        }
    }

    /// Moves past numbers without records.
    pub(crate) fn pass(&mut self, missing: &Missing, kind: Kind) {
        self.next = self.next.max(missing.to.next());
        if let Kind::Lost(_) = kind {
            self.count += missing.count;
        }
    }
}

/// How a source was left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum PreviousRun {
    #[default]
    New,
    Stopped,
    Crashed,
}
