//! The condition of a driver's open link, as the sink's state and warnings report it.

use std::time::Duration;

use tokio::time::Instant;

use super::{Driver, Link, SinkError};
use crate::health::Trouble;

/// A broker that acknowledges nothing for so long is in trouble, whatever its link knows.
const SILENT: Duration = Duration::from_secs(10);

/// A broker that refuses a heartbeat does so within this time.
const ANSWERED: Duration = Duration::from_secs(5);

impl Driver {
    pub(super) fn unanswered<L: Link>(&self, link: &L, answered: Instant) -> SinkError {
        SinkError::again(
            Trouble::Silent,
            format!(
                "no acknowledgement within {:?} for {} records in flight{}",
                answered.elapsed(),
                self.flights.len(),
                link.trouble().map(|trouble| format!(": {trouble}")).unwrap_or_default()
            ),
        )
    }

    /// The broker has answered, or there is nothing that it could answer.
    pub(super) fn proves(&mut self) {
        if !std::mem::replace(&mut self.is_proven, true) {
            self.health.active();
        }
    }

    /// Reports whether an open link is failing, and updates its health.
    pub(super) fn is_in_trouble<L: Link>(&mut self, link: &L, answered: Instant) -> bool {
        self.refusals.tick(&self.health);
        let is_silent = !self.flights.is_empty() && answered.elapsed() >= SILENT;
        let silence = || {
            let text = format!("the broker has acknowledged nothing for {SILENT:?}: it is slow or stuck");
            SinkError::again(Trouble::Silent, text)
        };
        let trouble = link.trouble().or_else(|| is_silent.then(silence));
        match &trouble {
            Some(trouble) => drop(self.health.failing_for(trouble.cause().clone(), &trouble.to_string())),
            None if self.is_proven => self.health.active(),
            None => {}
        }
        trouble.is_some()
    }

    /// Warns while the broker refuses heartbeats. One that was sent a while ago and not refused is accepted.
    pub(super) fn note_heartbeats<L: Link>(&mut self, link: &L) {
        match link.refused_heartbeat() {
            Some(refusal) => self.health.warning("heartbeat", Some(refusal)),
            None if self.first_heartbeat.is_some_and(|at| at.elapsed() >= ANSWERED) => {
                self.health.warning("heartbeat", None);
            }
            None => {}
        }
    }
}
