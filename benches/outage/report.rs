//! Compares sent and stored events.

use std::{collections::HashSet, time::Duration};

use super::stored::{Gap, Stored};

/// The conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Everything is stored.
    All,
    /// Everything missing is announced.
    Announced,
    /// No guarantee.
    Nothing,
}

/// The maximum transit time: events in transit when a connection broke were sent up to this long before the gap.
const TRANSIT: u64 = 50_000;
/// The maximum excess of a gap over the time without a session.
const EXCESS: f64 = 2.0;

/// A time without a session, as the PBX saw it, in microseconds.
pub(crate) type Away = (u64, u64);

#[derive(Debug)]
pub(crate) struct Report {
    sent: usize,
    stored: usize,
    again: (usize, usize),
    back: (usize, usize),
    faults: u32,
    gaps: usize,
    missing: usize,
    outside: usize,
    /// The longest time without a session, in seconds.
    longest: f64,
    /// The largest excess of a gap over the time without a session that it covers, in seconds.
    excess: Option<f64>,
    late: Duration,
}

impl Report {
    pub(crate) const HEAD: &str = "\
| row | faults | sent | stored | twice (n, id) | order breaks (n, sequence) | missing | gaps | missing outside gaps | longest away | worst gap - away | caught up after |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|";

    pub(crate) fn new(faults: u32, sent: &[u64], stored: &Stored, away: &[Away], late: Duration) -> Self {
        let distinct: HashSet<usize> = stored.numbers.iter().copied().collect();
        let mut highest = None;
        let mut numbers_back = 0;
        for number in &stored.numbers {
            numbers_back += usize::from(highest.is_some_and(|highest| *number < highest));
            highest = highest.max(Some(*number));
        }
        // The first gap is that before the start.
        let gaps = stored.gaps.get(1..).unwrap_or_default();
        let covered = |number: usize| {
            let in_gap = gaps.iter().any(|gap| covers(gap, number, sent[number], &stored.numbers));
            in_gap || stored.is_lost(number)
        };
        let missing: Vec<usize> = (0..sent.len()).filter(|number| !distinct.contains(number)).collect();
        Self {
            sent: sent.len(),
            stored: distinct.len(),
            again: (stored.numbers.len() - distinct.len(), stored.ids_again),
            back: (numbers_back, stored.sequences_back),
            faults,
            gaps: gaps.len(),
            missing: missing.len(),
            outside: missing.into_iter().filter(|number| !covered(*number)).count(),
            longest: away.iter().map(|(from, to)| seconds(*to) - seconds(*from)).fold(0.0, f64::max),
            excess: gaps.iter().filter_map(|gap| excess(gap, away)).max_by(f64::total_cmp),
            late,
        }
    }

    pub(crate) fn line(&self, row: &str) -> String {
        format!(
            "| {row} | {} | {} | {} | {}, {} | {}, {} | {} | {} | {} | {:.2} s | {} | {:.1} s |",
            self.faults,
            self.sent,
            self.stored,
            self.again.0,
            self.again.1,
            self.back.0,
            self.back.1,
            self.missing,
            self.gaps,
            self.outside,
            self.longest,
            self.excess.map_or_else(|| "-".to_owned(), |excess| format!("{excess:.2} s")),
            self.late.as_secs_f64()
        )
    }

    /// The violated guarantees.
    pub(crate) fn broken(&self, promise: Promise) -> Vec<&'static str> {
        let (all, gaps) = (promise == Promise::All, promise == Promise::Announced);
        [
            (all && self.missing > 0, "events are missing"),
            (gaps && self.outside > 0, "events are missing, and no notice covers them"),
            (gaps && self.excess.is_some_and(|excess| excess > EXCESS), "a gap is too long"),
            (self.again != (0, 0), "events are stored twice"),
            (self.back != (0, 0), "the order is broken"),
            (self.faults == 0, "nothing failed"),
        ]
        .into_iter()
        .filter_map(|(broken, what)| (broken && promise != Promise::Nothing).then_some(what))
        .collect()
    }
}

/// Whether a gap covers this event, by its place among the stored ones and by its time.
fn covers(gap: &Gap, number: usize, sent: u64, stored: &[usize]) -> bool {
    let after = gap.place.checked_sub(1).is_none_or(|before| stored[before] < number);
    let before = stored.get(gap.place).is_none_or(|next| number < *next);
    after && before && gap.from.is_some_and(|from| from <= sent + TRANSIT) && sent <= gap.to
}

fn excess(gap: &Gap, away: &[Away]) -> Option<f64> {
    let from = gap.from?;
    let causes = away.iter().filter(|(start, end)| *start <= gap.to && from <= *end);
    let lasted: f64 = causes.map(|(start, end)| seconds(*end) - seconds(*start)).sum();
    Some(seconds(gap.to) - seconds(from) - lasted)
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
