//! Events that the broker refuses for good: one warning for a run of them, and each announced once.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use crate::{
    event::{Position, Seq},
    health::Component,
};

/// How often a run that goes on is reported, and how long after its last refusal it is over.
const PERIOD: Duration = Duration::from_secs(30);
/// Events whose `deadlettered` is remembered: those of a link that breaks, and of a rewind.
const ANNOUNCED: usize = 8192;

/// One sink's.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    run: Option<Run>,
    announced: BTreeSet<Position>,
}

/// Refusals with no long pause between them.
#[derive(Debug)]
struct Run {
    count: u64,
    /// How many of them the last report told of.
    reported: u64,
    /// How many dead letters the broker refused as well.
    letters: u64,
    first: Seq,
    last: Seq,
    reason: String,
    refused: Instant,
    report: Instant,
}

impl Refusals {
    /// Counts an event that was refused. Returns whether that is to be announced, which it is once.
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

    /// The broker refused the dead letter too.
    pub(super) fn lost_letter(&mut self) {
        if let Some(run) = &mut self.run {
            run.letters += 1;
        }
    }

    /// Reports a run that goes on or is over. Called every second or so.
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
            format!("1 event was refused for good (sequence {})", first.0)
        } else {
            format!("{count} events were refused for good (sequences {} to {})", first.0, last.0)
        };
        let letters = match letters {
            0 => String::new(),
            letters => format!("; {letters} of their dead letters were refused too"),
        };
        format!("{events} and set aside as dead letters{letters}: {reason}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Board;

    #[tokio::test(start_paused = true)]
    async fn a_run_of_refusals_is_reported_once_in_a_while_with_its_count() {
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
            Some(format!("{count} refused for good ({of}) and set aside as dead letters: too large"))
        };
        let all = "70 events were refused for good (sequences 10 to 79) and set aside as dead letters; 1 of their dead \
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
