//! The time of day, and waiting for it.
//!
//! A seam for tests: a token lives for two weeks and a one-time password for 30 s. tokio's paused
//! time is no substitute where real sockets take part: it leaps to the next time-out whenever the
//! runtime waits for the network.

use std::{fmt, pin::Pin, time::Duration};

use jiff::Timestamp;

/// A wall clock that can be waited on.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time of day. It may jump, also backwards.
    fn now(&self) -> Timestamp;

    /// Returns after this much time. Cancel safe.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The operating system's.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Clock for System {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// tokio's timer stands still while the machine is suspended, so a long wait looks at the wall
/// clock now and then.
const LOOK: Duration = Duration::from_hours(1);

/// Returns at `at` or, after a suspension, up to an hour late. Cancel safe.
pub(super) async fn until(clock: &dyn Clock, at: Timestamp) {
    while let Some(left) = left(clock.now(), at) {
        clock.sleep(left.min(LOOK)).await;
    }
}

/// From `now` to `at`; none when `at` has come.
pub(super) fn left(now: Timestamp, at: Timestamp) -> Option<Duration> {
    Duration::try_from(at.duration_since(now)).ok().filter(|left| !left.is_zero())
}
