//! A clock that a test moves.

use std::{pin::Pin, sync::Mutex, time::Duration};

use cti_bridge::auth::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// Stands still until moved, unless it leaps: then each sleep takes no time and moves it.
#[derive(Debug)]
pub(crate) struct Manual {
    /// By the clock that never jumps.
    uptime: watch::Sender<Duration>,
    /// The time of day at the machine's start.
    start: Mutex<Timestamp>,
    /// Every sleep asked for so far.
    sleeps: watch::Sender<Vec<Duration>>,
    leaps: bool,
}

impl Manual {
    pub(crate) fn at(now: Timestamp) -> Self {
        let (uptime, start) = (watch::Sender::new(Duration::ZERO), Mutex::new(now));
        Self { uptime, start, sleeps: watch::Sender::new(Vec::new()), leaps: false }
    }

    pub(crate) fn leaping(now: Timestamp) -> Self {
        Self { leaps: true, ..Self::at(now) }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.uptime.send_modify(|uptime| *uptime += by);
    }

    /// The time of day is set, as by an operator or NTP.
    pub(crate) fn jump(&self, by: SignedDuration) {
        *self.start.lock().unwrap() += by;
    }

    pub(crate) fn sleeps(&self) -> Vec<Duration> {
        self.sleeps.borrow().clone()
    }

    /// Returns once that many sleeps have begun, counted from the start.
    pub(crate) async fn slept(&self, times: usize) -> Duration {
        let mut sleeps = self.sleeps.subscribe();
        let reached = sleeps.wait_for(|sleeps| sleeps.len() >= times);
        let sleeps = tokio::time::timeout(Duration::from_secs(10), reached).await;
        *sleeps.expect("nobody sleeps").unwrap().get(times - 1).unwrap()
    }
}

impl Clock for Manual {
    fn now(&self) -> Timestamp {
        *self.start.lock().unwrap() + self.uptime()
    }

    fn uptime(&self) -> Duration {
        *self.uptime.borrow()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let until = self.uptime() + duration;
        self.sleeps.send_modify(|sleeps| sleeps.push(duration));
        if self.leaps {
            self.advance(duration);
        }
        Box::pin(async move {
            let mut now = self.uptime.subscribe();
            // An error means that the clock is gone, and its sleeper with it.
            let _ = now.wait_for(|now| *now >= until).await;
        })
    }
}
