//! The delay before the next attempt, by the outcome of the last one.

use std::time::Duration;

use super::Away;
use crate::retry::{Backoff, Range};

/// Delays between attempts.
pub(super) const BACKOFF: Range = Range { from: Duration::from_millis(500), to: Duration::from_secs(30) };
/// Delays between attempts at a PBX that is down and has refused no credentials. An attempt costs it one connection; a
/// longer delay only prolongs the outage.
const OUTAGE: Range = Range { from: BACKOFF.from, to: Duration::from_secs(3) };
/// The minimum delay after an attempt that took longer than its delay would have been.
const MIN_DELAY: Duration = Duration::from_millis(250);
/// Delays after sessions that ended right after they were accepted: each starts with a resync.
const SHORT_LIVED: Range = Range { from: Duration::from_secs(1), to: Duration::from_secs(30) };
/// The longest delay after a live session.
const SOON: Duration = Duration::from_secs(1);
/// Delays after refusals that may be transient.
const CAREFUL: Range = Range { from: Duration::from_secs(10), to: Duration::from_secs(30) };
/// Delays where another attempt may do harm.
const SLOW: Range = Range { from: Duration::from_mins(2), to: Duration::from_mins(15) };
/// Delays between attempts at a session after a reload of the PBX.
const RELOAD: Range = Range { from: Duration::from_secs(1), to: Duration::from_secs(3) };
/// Longer than any wait.
pub(super) const FAR: Duration = Duration::from_secs(u32::MAX as u64);

/// Refusals of a token after which attempts come minutes apart. Directories lock an account after five to ten wrong
/// passwords within half an hour; with this and the slow policy after it, less than ten are sent in that time.
pub const PASSWORD_TRIES: u32 = 3;
/// The same once a login has succeeded. A PBX that starts refuses the right password for half a minute and more, as
/// does one whose directory is away, so a password that was right before is tried at a calm policy for two to three
/// minutes. Should it have been changed after all, it is the account's previous one, which Active Directory and Samba
/// do not count towards a lock. For a directory that does, the number is bounded: 13 at most in the first half hour,
/// five in each later one; and while the PBX's socket is closed, none (see [`super::Phase::Probing`]).
pub const PROVEN_TRIES: u32 = 8;
/// The same for logins on the socket: the password was accepted before each, so an attempt costs no more than a token.
pub const SOCKET_TRIES: u32 = 5;
/// Consecutive attempts without a stable session after which a refusal on the socket is no longer followed by an immediate
/// attempt: a PBX that accepts a session and soon loses its token would otherwise receive a login each second.
pub(super) const IMMEDIATE_TRIES: u32 = 5;
/// Consecutive sessions that may end right after they are accepted because the PBX was reloaded: an administrator may apply
/// several changes one after the other.
pub(super) const IMMEDIATE_RELOADS: u32 = 10;

/// Attempts after a reload of the PBX during which a refusal on the socket does not discard the token: a PBX that reloads
/// briefly recognises no token. They take half a minute to a minute.
pub(super) const RELOAD_TRIES: u32 = 20;

/// How long to wait before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryPolicy {
    /// A moment: the next attempt will likely succeed.
    AtOnce,
    /// The backoff, capped at `SOON`: the session was live, so account and PBX work, and events sent meanwhile are missed.
    Soon,
    /// The backoff.
    Backoff,
    /// 3 s at most from the start of the last attempt: the PBX is down, or its backend is.
    Outage,
    /// Grows with the number of consecutive sessions that ended right after they were accepted.
    ShortLived(u32),
    /// 0.5 to 3 s, growing with the number of attempts since the PBX was reloaded.
    Reload(u32),
    /// Some seconds, growing with the number of refusals that may be transient but may count towards a lock.
    Careful(u32),
    /// Minutes, growing with the number of refusals: another attempt may do harm, such as locking the account.
    Slow(u32),
    /// The absence after a take-over.
    Away(Away),
}

/// Draws the delays of one source.
#[derive(Debug)]
pub(super) struct Delays {
    backoff: Backoff,
    outage: Backoff,
}

impl Default for Delays {
    fn default() -> Self {
        Self { backoff: Backoff::new(BACKOFF), outage: Backoff::new(OUTAGE) }
    }
}

impl Delays {
    /// The next delay. `attempt`: the duration of the last attempt.
    pub(super) fn next(&mut self, policy: RetryPolicy, attempt: Duration) -> Duration {
        match policy {
            RetryPolicy::AtOnce => BACKOFF.from.mul_f64(fastrand::f64()),
            RetryPolicy::Soon => self.backoff.delay().min(SOON),
            RetryPolicy::Backoff => self.backoff.delay(),
            RetryPolicy::Outage => self.outage.delay().saturating_sub(attempt).max(MIN_DELAY),
            RetryPolicy::ShortLived(times) => SHORT_LIVED.nth(times),
            RetryPolicy::Reload(times) => RELOAD.nth(times),
            RetryPolicy::Careful(times) => CAREFUL.nth(times),
            RetryPolicy::Slow(times) => SLOW.nth(times),
            RetryPolicy::Away(away) => away.pause().unwrap_or(FAR),
        }
    }

    /// Forgets past failures, once a session is stable.
    pub(super) fn reset(&mut self) {
        self.backoff.reset();
        self.outage.reset();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
