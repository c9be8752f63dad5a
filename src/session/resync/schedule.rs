//! Decides when to read the PBX's state again because a sink has lost some of it. Pure.
//!
//! Not before the sink accepts events and has stopped losing them, or the snapshot would be lost as well; and rarely, as
//! each resync is work for the PBX.

use std::time::Duration;

use tokio::time::Instant;

/// The minimum time between two resyncs for losses.
pub(super) const MIN_INTERVAL: Duration = Duration::from_mins(5);
/// The time without a loss after which a sink has stopped losing events.
pub(super) const QUIET: Duration = Duration::from_secs(15);
/// The interval of checks whether a sink accepts events again.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Schedules the resyncs that a source needs for its sinks' losses.
#[derive(Debug, Default)]
pub(super) struct ResyncSchedule {
    sinks: Vec<SinkLosses>,
    /// The time of the last resync for a loss.
    last: Option<Instant>,
    /// The time of the next check.
    not_before: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct SinkLosses {
    /// Losses so far.
    lost: u64,
    /// The losses before the last resync that the sink could receive.
    settled: u64,
    /// The time at which the last loss became known.
    at: Instant,
}

impl ResyncSchedule {
    /// Updates the number of losses of each sink.
    pub(super) fn lost(&mut self, counts: &[u64], now: Instant) {
        self.sinks.resize(self.sinks.len().max(counts.len()), SinkLosses { lost: 0, settled: 0, at: now });
        for (losses, count) in self.sinks.iter_mut().zip(counts) {
            if losses.lost < *count {
                (losses.lost, losses.at) = (*count, now);
            }
        }
    }

    /// The time to call [`ResyncSchedule::is_due`]; `None` if no resync is needed.
    pub(super) fn due(&self) -> Option<Instant> {
        let quiet =
            self.sinks.iter().filter(|losses| losses.is_open()).map(|losses| losses.at + QUIET).min()?;
        let allowed = self.last.map_or(quiet, |last| last + MIN_INTERVAL);
        Some(quiet.max(allowed).max(self.not_before.unwrap_or(quiet)))
    }

    /// Returns true if a resync is due. `accepts` returns true for a sink that accepts events.
    pub(super) fn is_due(&mut self, now: Instant, accepts: impl Fn(usize) -> bool) -> bool {
        let allowed = self.last.is_none_or(|last| now >= last + MIN_INTERVAL);
        let ready =
            |(sink, losses): (usize, &SinkLosses)| losses.is_open() && losses.is_quiet(now) && accepts(sink);
        let due = allowed && self.sinks.iter().enumerate().any(ready);
        if !due {
            self.not_before = Some(now + CHECK_INTERVAL);
        }
        due
    }

    /// Records the start of a full resync; `for_loss` is true if a loss was the reason.
    pub(super) fn resync(&mut self, for_loss: bool, now: Instant, accepts: impl Fn(usize) -> bool) {
        if for_loss {
            self.last = Some(now);
        }
        for (sink, losses) in self.sinks.iter_mut().enumerate() {
            if losses.is_quiet(now) && accepts(sink) {
                losses.settled = losses.lost;
            }
        }
    }
}

impl SinkLosses {
    fn is_open(&self) -> bool {
        self.lost > self.settled
    }

    fn is_quiet(&self, now: Instant) -> bool {
        now >= self.at + QUIET
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Calls `is_due` whenever it is due, up to a time. Returns the times of resyncs.
    fn run(
        schedule: &mut ResyncSchedule,
        from: Instant,
        to: Instant,
        accepts: impl Fn(usize, Instant) -> bool,
    ) -> Vec<Instant> {
        let (mut now, mut resyncs) = (from, vec![]);
        while let Some(due) = schedule.due().filter(|due| *due <= to) {
            assert!(due > now || resyncs.is_empty(), "a busy loop");
            now = now.max(due);
            if schedule.is_due(now, |sink| accepts(sink, now)) {
                schedule.resync(true, now, |sink| accepts(sink, now));
                resyncs.push(now);
            }
        }
        resyncs
    }

    #[test]
    fn losses_are_followed_by_one_resync_in_five_minutes() {
        let (mut schedule, start) = (ResyncSchedule::default(), Instant::now());
        assert_eq!(schedule.due(), None);
        let mut resyncs = vec![];
        // A sink that loses something each minute, for an hour.
        for minute in 0..60 {
            let now = start + 60 * minute * SECOND;
            schedule.lost(&[u64::from(minute) + 1], now);
            resyncs.extend(run(&mut schedule, now, now + 59 * SECOND, |_, _| true));
        }
        assert_eq!(resyncs.first(), Some(&(start + QUIET)));
        assert!(resyncs.windows(2).all(|two| two[1] - two[0] >= MIN_INTERVAL), "{resyncs:?}");
        assert!((11..=12).contains(&resyncs.len()), "{}", resyncs.len());
        assert_eq!(run(&mut schedule, start + 3_600 * SECOND, start + 9_000 * SECOND, |_, _| true).len(), 1);
        assert_eq!(schedule.due(), None, "what was lost is settled");
    }

    #[test]
    fn a_resync_waits_for_a_sink_that_drops_or_is_down() {
        let (mut schedule, start) = (ResyncSchedule::default(), Instant::now());
        // It drops for two minutes, then is down for two more.
        for second in 0..120 {
            let now = start + second * SECOND;
            schedule.lost(&[0, u64::from(second) + 1], now);
            assert!(run(&mut schedule, now, now + SECOND / 2, |_, _| true).is_empty());
        }
        let back = start + 240 * SECOND;
        let resyncs = run(&mut schedule, start + 120 * SECOND, start + 400 * SECOND, |_, now| now >= back);
        assert_eq!(resyncs.len(), 1);
        assert!(resyncs[0] >= back && resyncs[0] <= back + CHECK_INTERVAL, "{:?}", resyncs[0] - back);
    }

    #[test]
    fn another_resync_settles_only_what_a_sink_received() {
        let (mut schedule, start) = (ResyncSchedule::default(), Instant::now());
        schedule.lost(&[1, 1, 1], start);
        let now = start + QUIET;
        schedule.lost(&[1, 1, 2], now);
        // A new session's own resync: the second sink is down, the third still drops.
        schedule.resync(false, now, |sink| sink != 1);
        let open: Vec<bool> = schedule.sinks.iter().map(SinkLosses::is_open).collect();
        assert_eq!(open, [false, true, true]);
        assert!(schedule.is_due(now, |_| true), "that resync was not for a loss");
    }
}
