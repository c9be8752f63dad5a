//! Snapshots that could not be read, and the times of their retries. Pure.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{fetch::Unread, snapshot::Snapshot};
use crate::retry::Range;

/// Delays after transient failures.
const SOON: Range = Range { from: Duration::from_secs(2), to: Duration::from_secs(30) };
/// Delays after lasting failures, and those that cost a login: more logins may lock the account.
const SLOW: Range = Range { from: Duration::from_mins(1), to: Duration::from_mins(10) };
/// Maximum delay that the PBX may request.
pub(super) const LONGEST: Duration = Duration::from_mins(1);

/// The backlog of a source during a session.
#[derive(Debug, Default)]
pub(super) struct Backlog(BTreeMap<Snapshot, Failing>);

#[derive(Debug)]
struct Failing {
    reason: String,
    /// Consecutive failures.
    rounds: u32,
    due: Instant,
}

impl Backlog {
    /// Adds a snapshot that could not be read.
    pub(super) fn failed(&mut self, snapshot: Snapshot, why: &Unread, now: Instant) {
        let (reason, range, least) = match why {
            Unread::Refused => return self.settled(snapshot),
            Unread::Transient(reason, wait) => (reason, SOON, wait.unwrap_or_default().min(LONGEST)),
            Unread::Failed(reason) | Unread::TokenDied(reason) | Unread::NoToken(reason) => {
                (reason, SLOW, Duration::ZERO)
            }
        };
        let rounds = self.0.get(&snapshot).map_or(0, |failing| failing.rounds);
        let due = now + range.nth(rounds).max(least);
        self.0.insert(snapshot, Failing { reason: reason.clone(), rounds: rounds.saturating_add(1), due });
    }

    /// Removes a snapshot.
    pub(super) fn settled(&mut self, snapshot: Snapshot) {
        self.0.remove(&snapshot);
    }

    /// Removes all snapshots: a full resync requests them.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The time of the next retry.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.values().map(|failing| failing.due).min()
    }

    /// The snapshots that are due.
    pub(super) fn ripe(&self, now: Instant) -> Vec<Snapshot> {
        self.0.iter().filter(|(_, failing)| failing.due <= now).map(|(snapshot, _)| *snapshot).collect()
    }

    /// The warning for operators.
    pub(super) fn warning(&self) -> Option<String> {
        let first = self.0.values().next()?;
        let more = match self.0.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Some(format!(
            "the PBX's state could not be read completely: {}{more}; it is retried automatically, and at once on SIGUSR1",
            first.reason
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_snapshot_is_retried_ever_later_and_forever() {
        let (mut backlog, start) = (Backlog::default(), Instant::now());
        let mut now = start;
        for round in 0..1_000 {
            backlog.failed(Snapshot::Queues, &Unread::Transient("503".to_owned(), None), now);
            let due = backlog.due().unwrap_or(now);
            let wait = due - now;
            assert!(wait >= Duration::from_secs(1) && wait <= Duration::from_secs(30), "{wait:?} in {round}");
            assert!(backlog.ripe(now).is_empty());
            now = due;
            assert_eq!(backlog.ripe(now), [Snapshot::Queues]);
            assert!(round > 3 || now - start < Duration::from_secs(31), "{:?} after {round}", now - start);
        }
        assert!(backlog.warning().is_some_and(|warning| warning.contains("503; it is")));
        backlog.settled(Snapshot::Queues);
        assert_eq!((backlog.due(), backlog.warning()), (None, None));
    }

    #[test]
    fn retries_with_a_login_are_slow_and_a_refusal_has_none() {
        let (mut backlog, now) = (Backlog::default(), Instant::now());
        let text = || "no".to_owned();
        for unread in [Unread::NoToken(text()), Unread::TokenDied(text()), Unread::Failed(text())] {
            backlog.clear();
            backlog.failed(Snapshot::Users, &unread, now);
            assert!(backlog.due() >= Some(now + Duration::from_secs(30)), "{unread:?}");
        }
        let limited = Unread::Transient(text(), Some(Duration::from_hours(1)));
        backlog.failed(Snapshot::Trunks, &limited, now);
        assert!(backlog.ripe(now + LONGEST).contains(&Snapshot::Trunks));
        backlog.failed(Snapshot::Trunks, &Unread::Refused, now);
        assert!(backlog.warning().is_some_and(|warning| !warning.contains("more")), "{backlog:?}");
    }
}
