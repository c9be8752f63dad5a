//! Compares the last event of a partition with the records known to have been delivered to it. Pure.

use std::collections::BTreeMap;

use super::proof::Proof;
use crate::{
    event::{Position, Seq, SourceId},
    journal::{Cursor, Note},
};

/// The position to rewind to for events that a partition has lost, and the newest event before them.
pub(super) type Rewind = (Position, Option<(SourceId, Seq)>);

/// The newest events of a partition.
#[derive(Debug, Default)]
pub(super) struct PartitionEnd {
    /// The newest record of each source.
    newest: BTreeMap<SourceId, (Note, Proof)>,
    /// The last event is of another journal, after which we may continue.
    pub(super) is_adopted: bool,
}

impl PartitionEnd {
    /// Adds a record.
    pub(super) fn add(&mut self, source: SourceId, note: Note, proof: Proof) {
        if self.newest.get(&source).is_none_or(|(newest, _)| newest.seq < note.seq) {
            self.newest.insert(source, (note, proof));
        }
    }

    /// Returns the newest record of a source. `None` without one.
    pub(super) fn of(&self, source: SourceId) -> Option<&Note> {
        self.newest.get(&source).map(|(note, _)| note)
    }

    /// Returns the newest records after which the partition had more.
    pub(super) fn shorter_than(&self, known: &[Note]) -> impl Iterator<Item = (SourceId, Seq)> {
        let all = self.newest.iter().map(|(source, (note, _))| (*source, note.seq));
        all.filter(move |(source, seq)| had_more(known, *source, *seq))
    }

    /// Returns the end of the partition in the journal. `None` for an empty partition.
    pub(super) fn last(&self, known: &[Note]) -> Option<End> {
        let ends = self.newest.iter().map(|(source, (note, proof))| match *proof {
            Proof::Older(first) if had_more(known, *source, note.seq) => {
                End::Forgotten(first, (*source, note.seq))
            }
            Proof::Older(_) => End::LongAgo,
            Proof::Ours(next) | Proof::Unknown(next) => End::At(next, (*source, note.seq)),
            Proof::Copy => End::Adopted,
        });
        ends.chain(self.is_adopted.then_some(End::Adopted)).max()
    }
}

fn had_more(known: &[Note], source: SourceId, seq: Seq) -> bool {
    known.get(source.index()).is_some_and(|known| known.seq > seq)
}

/// The place of a partition's newest record in the journal, ordered by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// Before the oldest kept record, with nothing delivered since.
    LongAgo,
    /// Before the oldest kept record, which has this position, though newer ones were delivered.
    Forgotten(Position, (SourceId, Seq)),
    /// Right before this position.
    At(Position, (SourceId, Seq)),
    /// In another journal.
    Adopted,
}

/// Returns the position up to which a partition is complete, and the rewind if it has lost events.
pub(super) fn end(end: End, delivered: Option<Position>, cursor: &Cursor) -> (Position, Option<Rewind>) {
    match end {
        End::At(next, newest) if delivered.is_some_and(|delivered| next < delivered) => {
            (next, Some((next, Some(newest))))
        }
        End::At(next, _) => (next, None),
        End::Forgotten(first, newest) => (first, Some((first, Some(newest)))),
        End::LongAgo | End::Adopted => (cursor.next, None),
    }
}
