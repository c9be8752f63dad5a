//! Numbers and record counts of a source.

use event::{Origin, Record, Seq};
use jiff::Timestamp;

use crate::entry::{Kind, Missing};

/// Numbers and record count of a source, as of a position in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SourceProgress {
    /// Number of its next record.
    pub(crate) next: Seq,
    /// Number of its newest notice of loss.
    pub(crate) gap: Seq,
    /// Number of records since the journal was created, without refused events and skipped numbers.
    pub(crate) count: u64,
    /// Last moment at which a session was confirmed gap-free.
    pub(crate) seen: Option<Timestamp>,
}

impl SourceProgress {
    pub(crate) fn note(&mut self, record: &Record) {
        self.next = record.seq.next();
        self.gap = record.gap;
        self.count += 1;
        // A snapshot says nothing about the session.
        if record.session > 0 && record.origin == Origin::Live {
            // Not the maximum: the clock may have been set back.
            self.seen = Some(record.at);
        }
    }

    /// Moves past numbers without records.
    pub(crate) fn pass(&mut self, missing: &Missing, kind: Kind) {
        self.next = self.next.max(missing.to.next());
        if kind.held_records() {
            self.count += missing.count;
        }
    }
}

/// How the previous process left a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum PreviousRun {
    #[default]
    New,
    Stopped,
    Crashed,
}
