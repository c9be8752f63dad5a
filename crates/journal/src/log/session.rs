//! Session tracking: when a source was last confirmed gap-free, and the content of the next gap notice.

use std::time::Duration;

use event::{EndReason, GapReason, Seq, SourceId};
use jiff::Timestamp;

use super::Log;

use crate::{clock, progress::PreviousRun};

/// Maximum difference between two clocks that still agree.
const AGREE: Duration = Duration::from_secs(1);

impl Log {
    /// Counts a session.
    pub(crate) fn open_session(&mut self, source: SourceId) -> u32 {
        self.sources.get_mut(source.index()).map_or(0, |source| {
            source.sessions += 1;
            source.sessions
        })
    }

    /// Returns why events may be missing before a session that starts at `now`, since when, which numbers
    /// were skipped, and whether records are known to be lost.
    pub(crate) fn before_session(
        &mut self,
        source: SourceId,
        now: Timestamp,
    ) -> (GapReason, Option<Timestamp>, Option<(Seq, Seq)>, bool) {
        let seen = self.progress.get(source.index()).and_then(|progress| progress.seen);
        let Some(source) = self.sources.get_mut(source.index()) else {
            return (GapReason::Started, None, None, false);
        };
        let reason = match (source.sessions, seen, source.previous_run) {
            (..=1, None, _) | (..=1, _, PreviousRun::New) => GapReason::Started,
            (..=1, _, PreviousRun::Stopped) => GapReason::Restarted,
            (..=1, _, PreviousRun::Crashed) => GapReason::Crashed,
            _ => source.ended.map_or(GapReason::Disconnected, GapReason::from),
        };
        let elapsed = source.seen_at.map(|at| clock::uptime().saturating_sub(at));
        let from = seen.map(|seen| since(seen, elapsed, now));
        (reason, from, source.skipped.take(), std::mem::take(&mut source.has_lost))
    }

    /// Records the end of a session for the next gap notice.
    pub(crate) fn close_session(&mut self, source: SourceId, reason: EndReason) {
        if let Some(source) = self.sources.get_mut(source.index()) {
            source.ended = Some(reason);
            *source.counters.ends.entry(reason).or_default() += 1;
        }
    }

    /// Records that the session is gap-free up to `at`, which is now or a moment ago.
    pub(crate) fn seen(&mut self, source: SourceId, at: Timestamp) {
        let now = self.now();
        if let Some(progress) = self.progress.get_mut(source.index()) {
            // A time in the future was recorded before the clock was set back.
            progress.seen = progress.seen.filter(|seen| *seen <= now).max(Some(at));
        }
        if let Some(source) = self.sources.get_mut(source.index()) {
            source.seen_at = Some(clock::uptime());
        }
    }
}

/// Returns the time of `seen` by the current time of day, given that it was `elapsed` ago by the monotonic
/// clock. Never later than `now`.
fn since(seen: Timestamp, elapsed: Option<Duration>, now: Timestamp) -> Timestamp {
    let steady = elapsed.and_then(|elapsed| now.checked_sub(elapsed).ok());
    match steady {
        Some(steady) if seen.duration_since(steady).unsigned_abs() >= AGREE => steady,
        _ => seen.min(now),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_796_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_gap_is_as_long_as_it_was_whatever_the_clock_was_set_to() {
        let second = Some(Duration::from_secs(1));
        for (seen, elapsed, now, expected) in [
            (at(0), second, at(1), at(0)),
            // Clock set back by an hour, then forward by one.
            (at(0), second, at(-3_599), at(-3_600)),
            (at(0), second, at(3_601), at(3_600)),
            // Suspended for an hour.
            (at(0), Some(Duration::from_hours(1)), at(3_600), at(0)),
            // From an earlier process.
            (at(0), None, at(3_600), at(0)),
            (at(0), None, at(-3_600), at(-3_600)),
        ] {
            assert_eq!(since(seen, elapsed, now), expected, "{seen} {elapsed:?} {now}");
        }
    }

    #[test]
    fn a_time_ahead_of_the_clock_is_replaced() {
        let ahead = Timestamp::now() + Duration::from_hours(1);
        let mut log = Log::of(vec![], 1, "sink");
        log.progress[0].seen = Some(ahead);
        let now = Timestamp::now();
        log.seen(SourceId(0), now);
        assert_eq!(log.progress[0].seen, Some(now));
        log.seen(SourceId(0), now - Duration::from_millis(1));
        assert_eq!(log.progress[0].seen, Some(now));
    }
}
