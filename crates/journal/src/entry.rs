//! What takes a place in the log: a record, or a range of numbers without records, with the reason.

use event::{LossReason, Position, Record, Seq, SourceId};

/// One entry of the log.
#[derive(Debug, Clone)]
pub enum Entry {
    /// An event or a notice.
    Record(Record),
    /// Numbers that have no record.
    Absence(Absence),
}

/// Numbers that have no record.
///
/// Every number that a source is given takes a place in the log, so that numbers are dense: a damaged spot, a crash
/// or a full journal can't make one disappear without a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// Its first position.
    pub from: Position,
    /// The position of what follows.
    pub to: Position,
    /// Why there are no records.
    pub kind: Kind,
    /// Whose numbers, at most one range for each source. Empty if nobody can know.
    pub ranges: Vec<Missing>,
}

/// Why numbers have no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// They were never given to anything: each process starts above everything that an earlier one may have given. Takes
    /// one position.
    Skipped,
    /// Events that the journal did not accept. They are charged to every sink at once. Takes one position.
    Refused(LossReason),
    /// Records that were here. They are charged to a sink when it passes the place. Takes as many positions as there were
    /// records.
    Lost(LossReason),
}

/// A range of one source's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// Whose.
    pub source: SourceId,
    /// How many events and notices; 0 for numbers that were skipped.
    pub count: u64,
    /// The first number.
    pub from: Seq,
    /// The last number.
    pub to: Seq,
}

impl Entry {
    /// Its first position.
    pub fn position(&self) -> Position {
        match self {
            Self::Record(record) => record.position,
            Self::Absence(absence) => absence.from,
        }
    }

    /// The position of what follows.
    pub fn end(&self) -> Position {
        match self {
            Self::Record(record) => record.position.next(),
            Self::Absence(absence) => absence.to,
        }
    }

    /// Bytes it holds in memory, for the journal's bound.
    pub fn size(&self) -> usize {
        match self {
            Self::Record(record) => record.size(),
            Self::Absence(absence) => size_of::<Self>() + absence.ranges.len() * size_of::<Missing>(),
        }
    }

    /// The newest number of a source in it.
    pub(super) fn newest(&self, source: SourceId) -> Option<Seq> {
        match self {
            Self::Record(record) => (record.source == source).then_some(record.seq),
            Self::Absence(absence) => {
                absence.ranges.iter().find(|missing| missing.source == source).map(|missing| missing.to)
            }
        }
    }

    /// Whether a source's number is in it.
    pub(super) fn holds(&self, source: SourceId, seq: Seq) -> bool {
        match self {
            Self::Record(record) => record.source == source && record.seq == seq,
            Self::Absence(absence) => {
                let mut ranges = absence.ranges.iter();
                ranges.any(|it| it.source == source && it.from <= seq && seq <= it.to)
            }
        }
    }

    /// The record, if it is one.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Record(record) => Some(record),
            Self::Absence(_) => None,
        }
    }
}

impl Absence {
    /// How many records and events it stands for.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|missing| missing.count).sum()
    }

    /// The loss that it stands for; `None` for numbers that were skipped.
    pub fn loss(&self) -> Option<LossReason> {
        match self.kind {
            Kind::Skipped => None,
            Kind::Refused(reason) | Kind::Lost(reason) => Some(reason),
        }
    }

    /// Takes in what follows it, for the same reason; whether it could.
    pub(super) fn extend(&mut self, next: &Self) -> bool {
        let is_loss = matches!(self.kind, Kind::Lost(_)) && self.kind == next.kind;
        // Where nobody knows whose they were, that is not known of the sum.
        if !is_loss || self.to != next.from || self.ranges.is_empty() || next.ranges.is_empty() {
            return false;
        }
        let mut sum = Self { to: next.to, ..self.clone() };
        let is_added = next.ranges.iter().all(|missing| sum.add(*missing));
        if is_added {
            *self = sum;
        }
        is_added
    }

    /// Adds another range that follows; whether it could: there is one range for each source, without a hole.
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

impl Missing {
    /// What is left of it behind a number.
    pub(super) fn after(self, last: Seq) -> Option<Self> {
        if last < self.from {
            return Some(self);
        }
        let rest = self.to.0.checked_sub(last.0).filter(|rest| *rest > 0)?;
        Some(Self { from: last.next(), count: self.count.min(rest), ..self })
    }
}
