//! Which records a command is about.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use crate::{
    event::{Record, Seq},
    journal::Missing,
};

/// Which records.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Range {
    /// The first: a time (2026-11-24T10:00:00Z), how long ago (15m), or a sequence
    #[arg(long)]
    pub(super) from: Option<Bound>,
    /// The last: a time, how long ago, or a sequence
    #[arg(long)]
    pub(super) to: Option<Bound>,
    /// Of this source only
    #[arg(long)]
    pub(super) source: Option<String>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Bound {
    Time(Timestamp),
    Seq(Seq),
}

/// A text that is not a bound.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("not a time, a duration or a sequence: write 2026-11-24T10:00:00Z, 15m, or the number")]
pub(super) struct InvalidBound;

impl FromStr for Bound {
    type Err = InvalidBound;

    fn from_str(text: &str) -> Result<Self, InvalidBound> {
        if let Ok(seq) = text.parse() {
            return Ok(Self::Seq(Seq(seq)));
        }
        if let Ok(time) = text.parse() {
            return Ok(Self::Time(time));
        }
        let ago = humantime::parse_duration(text).ok().and_then(|ago| SignedDuration::try_from(ago).ok());
        let at = ago.and_then(|ago| Timestamp::now().checked_sub(ago).ok());
        at.map(Self::Time).ok_or(InvalidBound)
    }
}

impl Range {
    pub(super) fn holds(&self, sources: &[String], record: &Record) -> bool {
        let source = sources.get(record.source.index());
        let after = |bound: &Bound| match bound {
            Bound::Time(time) => record.at >= *time,
            Bound::Seq(seq) => record.seq >= *seq,
        };
        let until = |bound: &Bound| match bound {
            Bound::Time(time) => record.at <= *time,
            Bound::Seq(seq) => record.seq <= *seq,
        };
        self.source.as_ref().is_none_or(|name| Some(name) == source)
            && self.from.as_ref().is_none_or(after)
            && self.to.as_ref().is_none_or(until)
    }
}

impl Range {
    /// Whether numbers without records are among those asked for. `at`: when the record before them was received.
    pub(super) fn overlaps(&self, sources: &[String], missing: &Missing, at: Timestamp) -> bool {
        let source = sources.get(missing.source.index());
        let after = |bound: &Bound| match bound {
            Bound::Time(time) => at >= *time,
            Bound::Seq(seq) => missing.to >= *seq,
        };
        let until = |bound: &Bound| match bound {
            Bound::Time(time) => at <= *time,
            Bound::Seq(seq) => missing.from <= *seq,
        };
        self.source.as_ref().is_none_or(|name| Some(name) == source)
            && self.from.as_ref().is_none_or(after)
            && self.to.as_ref().is_none_or(until)
    }
}
