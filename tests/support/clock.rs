//! A clock that a test moves.

use std::{pin::Pin, time::Duration};

use cti_bridge::auth::Clock;
use jiff::Timestamp;
use tokio::sync::watch;

/// Stands still until moved, unless it leaps: then each sleep takes no time and moves it.
#[derive(Debug)]
pub(crate) struct Manual {
    now: watch::Sender<Timestamp>,
    /// Every sleep asked for so far.
    sleeps: watch::Sender<Vec<Duration>>,
    leaps: bool,
}

impl Manual {
    pub(crate) fn at(now: Timestamp) -> Self {
        Self { now: watch::Sender::new(now), sleeps: watch::Sender::new(Vec::new()), leaps: false }
    }

    pub(crate) fn leaping(now: Timestamp) -> Self {
        Self { leaps: true, ..Self::at(now) }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now += by);
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
        *self.now.borrow()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let until = self.now() + duration;
        self.sleeps.send_modify(|sleeps| sleeps.push(duration));
        if self.leaps {
            self.advance(duration);
        }
        Box::pin(async move {
            let mut now = self.now.subscribe();
            // An error means that the clock is gone, and its sleeper with it.
            let _ = now.wait_for(|now| *now >= until).await;
        })
    }
}
