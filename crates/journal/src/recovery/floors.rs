//! Determines the next numbers: above all numbers that may have been assigned.

use std::collections::HashMap;

use event::{Position, Seq};
use jiff::Timestamp;

use crate::{
    cursor::Cursor,
    disk::identity::{Identity, RESERVE},
    progress::SourceProgress,
};

/// Lower bounds of the next numbers.
pub(super) struct Floors<'a> {
    pub(super) cursors: &'a HashMap<String, Option<Cursor>>,
    /// Time of opening.
    pub(super) now: Timestamp,
}

/// Result of raising a source's next number.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Raised {
    /// Numbers that will not be assigned, first and last.
    pub(super) skipped: Option<(Seq, Seq)>,
    /// Whether a cursor is beyond the end, which means that records were lost.
    pub(super) is_beyond: bool,
}

impl Floors<'_> {
    /// Sets the next number of each source and the next position, and reserves numbers.
    ///
    /// Every process starts above the clock. A process whose records were lost and one with a copy of the
    /// journal therefore never assign the same numbers, unless a source has more than one event per
    /// microsecond.
    pub(super) fn raise(
        self,
        identity: &mut Identity,
        progress: &mut [SourceProgress],
        end: &mut Position,
        notes: &mut Vec<String>,
    ) -> Vec<Raised> {
        let cursors = || self.cursors.values().flatten();
        let is_behind = cursors().any(|cursor| cursor.next > *end);
        *end = cursors().map(|cursor| cursor.next).fold(*end, Position::max);
        let now = Seq(u64::try_from(self.now.as_microsecond()).unwrap_or_default());
        let mut raised = Vec::new();
        for (index, (progress, source)) in progress.iter_mut().zip(&mut identity.sources).enumerate() {
            let cursors = cursors().filter_map(|cursor| cursor.sources.get(index));
            let floor = cursors.map(|cursor| cursor.last.next()).fold(Seq(1), Seq::max);
            let is_new = progress.next == Seq(0) && source.reserved == Seq(0);
            let is_beyond = floor > progress.next.max(Seq(1));
            let first = progress.next.max(floor);
            let next = first.max(source.reserved).max(now);
            let skipped = (!is_new && next > first).then(|| (first, Seq(next.0 - 1)));
            raised.push(Raised { skipped, is_beyond: is_beyond || is_behind });
            progress.next = next;
            progress.seen = progress.seen.max(source.seen);
            source.reserved = Seq(next.0.saturating_add(RESERVE));
        }
        if raised.iter().any(|raised| raised.is_beyond) {
            notes.push(
                "a cursor lies beyond the end of the journal: its newest records are lost, and numbers continue above them"
                    .to_owned(),
            );
        }
        identity.clean = false;
        raised
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use event::JournalId;

    use crate::disk::identity::Source;

    /// Raises a source with the given reservation, next number in the segments and last settled number.
    /// Returns its next number and what was skipped.
    fn raise(reserved: u64, next: u64, last: Option<u64>) -> (u64, Raised) {
        let source = Source { name: "a".to_owned(), reserved: Seq(reserved), seen: None };
        let mut identity =
            Identity { journal: JournalId::draw(), clean: true, sources: vec![source], sinks: vec![] };
        let mut progress = [SourceProgress { next: Seq(next), ..SourceProgress::default() }];
        let cursor = last.map(|last| {
            let mut cursor = Cursor::new(Position(1), &progress);
            cursor.sources[0].last = Seq(last);
            cursor
        });
        let cursors = [("x".to_owned(), cursor)].into();
        let now = Timestamp::from_microsecond(1_000).unwrap();
        let floors = Floors { cursors: &cursors, now };
        let raised = floors.raise(&mut identity, &mut progress, &mut Position(1), &mut vec![]).remove(0);
        assert_eq!(identity.sources[0].reserved, Seq(progress[0].next.0 + RESERVE));
        (progress[0].next.0, raised)
    }

    fn skipped(from: u64, to: u64) -> Raised {
        Raised { skipped: Some((Seq(from), Seq(to))), is_beyond: false }
    }

    #[test]
    fn every_process_starts_above_the_clock_and_all_reservations() {
        assert_eq!(raise(0, 0, None), (1_000, Raised::default()), "a new source skips nothing");
        assert_eq!(raise(90, 50, Some(49)), (1_000, skipped(50, 999)));
        assert_eq!(raise(2_000, 50, None), (2_000, skipped(50, 1_999)), "the clock was set back");
        assert_eq!(raise(0, 50, None), (1_000, skipped(50, 999)), "the reservation is lost");
        assert_eq!(raise(2_000, 0, None), (2_000, skipped(1, 1_999)), "the segments are lost");
        let beyond = Raised { is_beyond: true, ..skipped(61, 999) };
        assert_eq!(raise(90, 50, Some(60)), (1_000, beyond), "the disk has lost what was delivered");
    }
}
