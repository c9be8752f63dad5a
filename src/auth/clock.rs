//! The time of day, and waiting for it.
//!
//! A seam for tests: a token lives for two weeks and a one-time password for 30 s. tokio's paused
//! time is no substitute where real sockets take part: it leaps to the next time-out whenever the
//! runtime waits for the network.

use std::{fmt, pin::Pin, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::journal::clock;

/// The time of day, a clock that never jumps, and a timer.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time of day. It may jump, also backwards.
    fn now(&self) -> Timestamp;

    /// Time since some moment before the process started. Never jumps; counts on while the machine is suspended.
    fn uptime(&self) -> Duration;

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

    fn uptime(&self) -> Duration {
        clock::uptime()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// One moment, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// For display, and for what outlives the process.
    pub(super) wall: Timestamp,
    /// For spans. Negative when it lies before the machine's start.
    pub(super) uptime: SignedDuration,
}

impl Moment {
    pub(super) fn now(clock: &dyn Clock) -> Self {
        let uptime = clock.uptime().try_into().unwrap_or(SignedDuration::MAX);
        Self { wall: clock.now(), uptime }
    }

    /// An earlier moment, known by the time of day only. One that seems to be later is taken for now.
    pub(super) fn earlier(self, wall: Timestamp) -> Self {
        let age = self.wall.duration_since(wall).max(SignedDuration::ZERO);
        Self { wall, uptime: self.uptime.saturating_sub(age) }
    }

    /// How long ago `earlier` was.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::try_from(self.uptime.saturating_sub(earlier.uptime)).unwrap_or_default()
    }

    /// The moment after this much time; `None` if that is beyond all time.
    pub(super) fn after(self, span: Duration) -> Option<Self> {
        let span = SignedDuration::try_from(span).ok()?;
        Some(Self { wall: self.wall.checked_add(span).ok()?, uptime: self.uptime.checked_add(span)? })
    }
}

/// tokio's timer stops while the machine is suspended, so a long wait checks the clock at intervals.
const CHECK_INTERVAL: Duration = Duration::from_hours(1);

/// Returns at `at` or, after a suspension, up to an hour late. `None` never comes. Cancel safe.
pub(super) async fn until(clock: &dyn Clock, at: Option<Moment>) {
    let Some(at) = at else { return std::future::pending().await };
    loop {
        let left = at.since(Moment::now(clock));
        if left.is_zero() {
            return;
        }
        clock.sleep(left.min(CHECK_INTERVAL)).await;
    }
}
