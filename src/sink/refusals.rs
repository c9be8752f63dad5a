//! Events that the broker refuses permanently: one warning for a run of them, and one `deadlettered` notice each.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use crate::{
    event::{Position, Seq},
    health::Component,
};

/// The interval at which a continuing run is reported, and the time after its last refusal at which it is over.
const PERIOD: Duration = Duration::from_secs(30);
/// The most remembered events, so that a failed link or a rewind does not report them again.
const ANNOUNCED: usize = 8192;

/// The refusals of one sink.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    run: Option<Run>,
    announced: BTreeSet<Position>,
}

/// Refusals without a long pause between them.
#[derive(Debug)]
struct Run {
    count: u64,
    /// The count in the last report.
    reported: u64,
    /// Refused dead letters.
    letters: u64,
    first: Seq,
    last: Seq,
    reason: String,
    refused: Instant,
    report: Instant,
}

impl Refusals {
    /// Counts a refused event. Returns true if it is new and must be reported.
    pub(super) fn add(&mut self, position: Position, seq: Seq, reason: &str, health: &Component) -> bool {
        if !self.announced.insert(position) {
            return false;
        }
        if self.announced.len() > ANNOUNCED {
            self.announced.pop_first();
        }
        let now = Instant::now();
        let reason = reason.to_owned();
        if let Some(run) = &mut self.run {
            (run.count, run.last, run.reason, run.refused) = (run.count + 1, seq, reason, now);
        } else {
            let report = now + PERIOD;
            let run = Run {
                count: 1,
                reported: 1,
                letters: 0,
                first: seq,
                last: seq,
                reason,
                refused: now,
                report,
            };
            health.warning("refused", Some(run.sentence()));
            self.run = Some(run);
        }
        true
    }

    /// Counts a refused dead letter.
    pub(super) fn lost_letter(&mut self) {
        if let Some(run) = &mut self.run {
            run.letters += 1;
        }
    }

    /// Reports a run that continues, or ends it. Called about every second.
    pub(super) fn tick(&mut self, health: &Component) {
        let now = Instant::now();
        let Some(run) = &mut self.run else { return };
        let is_over = now >= run.refused + PERIOD;
        if run.reported < run.count && (is_over || now >= run.report) {
            (run.reported, run.report) = (run.count, now + PERIOD);
            health.warning("refused", Some(run.sentence()));
        } else if is_over {
            self.run = None;
            health.warning("refused", None);
        }
    }
}

impl Run {
    fn sentence(&self) -> String {
        let Self { count, letters, first, last, reason, .. } = self;
        let events = if *count == 1 {
            format!("1 event was refused permanently (sequence {})", first.0)
        } else {
            format!("{count} events were refused permanently (sequences {} to {})", first.0, last.0)
        };
        let letters = match letters {
            0 => String::new(),
            letters => format!("; {letters} of their dead letters were refused too"),
        };
        format!("{events} and dead-lettered{letters}: {reason}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Board;

    #[tokio::test(start_paused = true)]
    async fn a_run_of_refusals_is_reported_periodically_with_its_count() {
        let board = Board::default();
        let health = board.component("sink/bus".to_owned());
        let warning = || board.snapshot()["sink/bus"].warnings.get("refused").cloned();
        let mut refusals = Refusals::default();
        let mut sentences = vec![warning()];
        for number in 0..70 {
            assert!(refusals.add(Position(number), Seq(number + 10), "too large", &health));
            assert!(
                !refusals.add(Position(number), Seq(number + 10), "too large", &health),
                "announced twice"
            );
            refusals.tick(&health);
            if sentences.last() != Some(&warning()) {
                sentences.push(warning());
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        refusals.lost_letter();
        for _ in 0..40 {
            refusals.tick(&health);
            if sentences.last() != Some(&warning()) {
                sentences.push(warning());
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let of = |count: &str, of: &str| {
            Some(format!("{count} refused permanently ({of}) and dead-lettered: too large"))
        };
        let all = "70 events were refused permanently (sequences 10 to 79) and dead-lettered; 1 of their dead \
                   letters were refused too: too large";
        let expected = [
            None,
            of("1 event was", "sequence 10"),
            of("31 events were", "sequences 10 to 40"),
            of("61 events were", "sequences 10 to 70"),
            Some(all.to_owned()),
            None,
        ];
        assert_eq!(sentences, expected);
    }
}
