//! Where the sources stand, and what is gone.

use jiff::Timestamp;

use crate::event::{Origin, Position, Record, Seq, SourceId};

/// Where a source stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The number its next record gets.
    pub(crate) next: Seq,
    /// Its newest notice of loss.
    pub(crate) gap: Seq,
    /// Its records so far, since the journal was created.
    pub(crate) count: u64,
    /// When its last session was surely still whole.
    pub(crate) seen: Option<Timestamp>,
}

impl Standing {
    pub(crate) fn note(&mut self, record: &Record) {
        self.next = record.seq.next();
        self.gap = record.gap;
        self.count += 1;
        // A snapshot proves nothing about the session.
        if record.session > 0 && record.origin == Origin::Live {
            self.seen = self.seen.max(Some(record.at));
        }
    }
}

/// Positions whose records are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) from: Position,
    /// The first that is there again.
    pub(crate) to: Position,
    pub(crate) missing: Vec<Missing>,
}

/// One source's records in a hole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) source: SourceId,
    pub(crate) count: u64,
    pub(crate) from: Seq,
    pub(crate) to: Seq,
}
