//! Which number comes next: above all that may have been given.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{
    event::{Position, Seq},
    journal::{
        cursor::Cursor,
        disk::identity::{Identity, RESERVE},
        line::Standing,
    },
};

/// Numbers that are skipped when nothing tells how many were reserved: more than the clock can lag behind them.
const LOST_IDENTITY: u64 = 64 * RESERVE;

/// What numbers have to stay above.
pub(super) struct Floors<'a> {
    pub(super) cursors: &'a HashMap<String, Option<Cursor>>,
    pub(super) torn: bool,
    pub(super) boot: String,
}

impl Floors<'_> {
    /// Sets the next number of each source and the next position, and reserves numbers. Yields those skipped.
    pub(super) fn raise(
        self,
        identity: &mut Identity,
        standing: &mut [Standing],
        end: &mut Position,
        notes: &mut Vec<String>,
    ) -> Vec<Option<(Seq, Seq)>> {
        let cursors = || self.cursors.values().flatten();
        let beyond = cursors().any(|cursor| {
            let numbers = cursor.lanes.iter().zip(standing.iter());
            cursor.next > *end
                || numbers.into_iter().any(|(lane, standing)| lane.last >= standing.next && lane.last.0 > 0)
        });
        if beyond {
            notes.push(
                "a cursor lies beyond the end of the journal: its newest records are lost, and numbers go on above them"
                    .to_owned(),
            );
        }
        let other_boot = identity.boot != self.boot || self.boot.is_empty();
        let uncertain = self.torn || beyond || identity.uncertain || (!identity.clean && other_boot);
        *end = cursors().map(|cursor| cursor.next).fold(*end, Position::max);
        let now = Seq(u64::try_from(Timestamp::now().as_microsecond()).unwrap_or_default());
        let mut skipped = Vec::new();
        for (index, (standing, source)) in standing.iter_mut().zip(&mut identity.sources).enumerate() {
            let lanes = cursors().filter_map(|cursor| cursor.lanes.get(index));
            let floor = lanes.map(|lane| lane.last.next()).fold(standing.next, Seq::max);
            // A new source; or one whose reservation is lost, and no clock ran slower than one event a microsecond.
            let unreserved = source.reserved == Seq(0);
            let is_new = standing.next == Seq(0) && unreserved;
            // Without a segment to tell, what is reserved may have been given.
            let next = match uncertain || standing.next == Seq(0) {
                true if is_new && !self.torn => floor.max(now),
                true if unreserved => Seq(floor.max(now).0 + LOST_IDENTITY),
                true => floor.max(source.reserved),
                false => floor,
            };
            skipped.push((!is_new && next > standing.next).then(|| (standing.next, Seq(next.0 - 1))));
            standing.next = next;
            standing.seen = standing.seen.max(source.seen);
            source.reserved = Seq(next.0 + RESERVE);
        }
        (identity.boot, identity.clean, identity.uncertain) = (self.boot, false, false);
        skipped
    }
}
