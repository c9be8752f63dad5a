//! Log entries: a record, or an absence that explains missing records.

use event::{LossReason, Position, Record, Seq, SourceId};

/// One entry of the log.
#[derive(Debug, Clone)]
pub enum Entry {
    /// An event or a notice.
    Record(Record),
    /// A range of numbers without records.
    Absence(Absence),
}

/// A range of numbers without records.
///
/// Every number given to a source occupies a position in the log. Numbers are therefore dense: neither damage
/// nor a crash nor a full journal can make one disappear without a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// Its first position.
    pub from: Position,
    /// Position after the last.
    pub to: Position,
    /// Reason for the absence.
    pub kind: Kind,
    /// Affected numbers, at most one range per source. Empty if the owners are unknown.
    pub ranges: Vec<Missing>,
}

/// Reason why numbers have no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Never assigned: each process starts above all numbers that an earlier one may have assigned. Occupies
    /// one position.
    Skipped,
    /// Events that the journal refused. They are charged to every sink at once. Occupies one position.
    Refused(LossReason),
    /// Records that were lost. They are charged to a sink when its cursor passes them. Occupies one position
    /// per record.
    Lost(LossReason),
    /// Events that [`Journal::erase`](crate::Journal::erase) removed. A sink counts them as filtered when its cursor
    /// passes them. Occupies one position per event.
    Erased,
}

/// A range of one source's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// Owner of the numbers.
    pub source: SourceId,
    /// Number of events and notices; 0 for skipped numbers.
    pub count: u64,
    /// The first number.
    pub from: Seq,
    /// The last number.
    pub to: Seq,
}

impl Entry {
    /// Returns the first position.
    pub fn position(&self) -> Position {
        match self {
            Self::Record(record) => record.position,
            Self::Absence(absence) => absence.from,
        }
    }

    /// Returns the position after the last.
    pub fn end(&self) -> Position {
        match self {
            Self::Record(record) => record.position.next(),
            Self::Absence(absence) => absence.to,
        }
    }

    /// Returns the memory use in bytes, for the journal's bound.
    pub fn size(&self) -> usize {
        match self {
            Self::Record(record) => record.size(),
            Self::Absence(absence) => size_of::<Self>() + absence.ranges.len() * size_of::<Missing>(),
        }
    }

    /// Returns a source's newest number in this entry.
    pub(super) fn newest(&self, source: SourceId) -> Option<Seq> {
        match self {
            Self::Record(record) => (record.source == source).then_some(record.seq),
            Self::Absence(absence) => {
                absence.ranges.iter().find(|missing| missing.source == source).map(|missing| missing.to)
            }
        }
    }

    /// Returns whether this entry holds a source's number.
    pub(super) fn holds(&self, source: SourceId, seq: Seq) -> bool {
        match self {
            Self::Record(record) => record.source == source && record.seq == seq,
            Self::Absence(absence) => {
                let mut ranges = absence.ranges.iter();
                ranges.any(|it| it.source == source && it.from <= seq && seq <= it.to)
            }
        }
    }

    /// Returns the record, if this entry is one.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Record(record) => Some(record),
            Self::Absence(_) => None,
        }
    }
}

impl Absence {
    /// Creates the absence of one record.
    pub(super) fn of(record: &Record, kind: Kind) -> Self {
        let Record { position, source, seq, .. } = *record;
        let ranges = vec![Missing { source, count: 1, from: seq, to: seq }];
        Self { from: position, to: position.next(), kind, ranges }
    }

    /// Returns the number of lost records, refused or erased events.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|missing| missing.count).sum()
    }

    /// Returns the reason of a loss or refusal; `None` for skipped numbers and erased events.
    pub fn loss(&self) -> Option<LossReason> {
        match self.kind {
            Kind::Skipped | Kind::Erased => None,
            Kind::Refused(reason) | Kind::Lost(reason) => Some(reason),
        }
    }

    /// Merges the following absence into this one, if both have the same reason. Returns whether it did.
    pub(super) fn extend(&mut self, next: &Self) -> bool {
        let is_same = self.kind.held_records() && self.kind == next.kind;
        // An absence with unknown owners cannot be merged into one with known owners.
        if !is_same || self.to != next.from || self.ranges.is_empty() || next.ranges.is_empty() {
            return false;
        }
        let mut sum = Self { to: next.to, ..self.clone() };
        let is_added = next.ranges.iter().all(|missing| sum.add(*missing));
        if is_added {
            *self = sum;
        }
        is_added
    }

    /// Adds the following range. Returns `false` if that would leave a hole in a source's range.
    pub(super) fn add(&mut self, missing: Missing) -> bool {
        match self.ranges.iter_mut().find(|known| known.source == missing.source) {
            Some(known) if known.to.next() == missing.from => {
                known.to = missing.to;
                known.count += missing.count;
                true
            }
            Some(_) => false,
            None => {
                self.ranges.push(missing);
                true
            }
        }
    }
}

impl Kind {
    /// Returns whether records had these numbers, each of which every sink settles.
    pub(super) fn held_records(self) -> bool {
        matches!(self, Self::Lost(_) | Self::Erased)
    }
}

impl Missing {
    /// Returns the part of the range after `last`.
    pub(super) fn after(self, last: Seq) -> Option<Self> {
        if last < self.from {
            return Some(self);
        }
        let rest = self.to.0.checked_sub(last.0).filter(|rest| *rest > 0)?;
        Some(Self { from: last.next(), count: self.count.min(rest), ..self })
    }
}
