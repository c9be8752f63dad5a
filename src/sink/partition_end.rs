//! Compares the last event of a partition with the records known to have been delivered to it. Pure.

use std::collections::BTreeMap;

use super::proof::Proof;
use crate::{
    event::{Position, Seq, SourceId},
    journal::{Cursor, Note},
};

/// The events that a partition has forgotten: how far back to resume, and from which number.
pub(super) type Back = (Position, Option<(SourceId, Seq)>);

/// The last event of a partition.
#[derive(Debug, Default)]
pub(super) struct PartitionEnd {
    /// The newest record of each source.
    newest: BTreeMap<SourceId, (Note, Proof)>,
    /// Another journal's, after which we go on.
    pub(super) is_adopted: bool,
}

impl PartitionEnd {
    pub(super) fn take(&mut self, source: SourceId, note: Note, proof: Proof) {
        if self.newest.get(&source).is_none_or(|(newest, _)| newest.seq < note.seq) {
            self.newest.insert(source, (note, proof));
        }
    }

    pub(super) fn of(&self, source: SourceId) -> Option<&Note> {
        self.newest.get(&source).map(|(note, _)| note)
    }

    /// Those after which the partition had more.
    pub(super) fn shorter_than(&self, known: &[Note]) -> impl Iterator<Item = (SourceId, Seq)> {
        let all = self.newest.iter().map(|(source, (note, _))| (*source, note.seq));
        all.filter(move |(source, seq)| had_more(known, *source, *seq))
    }

    /// The one of the newest records that is last in the journal, and where that is.
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

/// Where a partition's newest record is, the later the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// Delivered before the journal's oldest, and nothing since.
    LongAgo,
    /// Before the journal's oldest, which is here, though newer ones were delivered.
    Forgotten(Position, (SourceId, Seq)),
    /// Right before this position.
    At(Position, (SourceId, Seq)),
    /// Another journal's.
    Adopted,
}

/// Up to where a partition has everything, and from where on it has forgotten what it had.
pub(super) fn end(end: End, delivered: Option<Position>, cursor: &Cursor) -> (Position, Option<Back>) {
    match end {
        End::At(next, newest) if delivered.is_some_and(|delivered| next < delivered) => {
            (next, Some((next, Some(newest))))
        }
        End::At(next, _) => (next, None),
        End::Forgotten(first, newest) => (first, Some((first, Some(newest)))),
        End::LongAgo | End::Adopted => (cursor.next, None),
    }
}
