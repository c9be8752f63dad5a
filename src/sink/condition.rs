//! The condition of a driver's open link, as the sink's state and warnings report it.

use std::time::Duration;

use tokio::time::Instant;

use super::{Driver, Link, SinkError};
use crate::health::Trouble;

/// The time without an acknowledgement after which a broker counts as failing, whatever its link reports.
const SILENT: Duration = Duration::from_secs(10);

/// The time within which a broker refuses a heartbeat, if it does.
const ANSWERED: Duration = Duration::from_secs(5);

impl Driver {
    /// Makes the error for a missing acknowledgement.
    pub(super) fn unanswered<L: Link>(&self, link: &L, answered: Instant) -> SinkError {
        SinkError::again(
            Trouble::Silent,
            format!(
                "no acknowledgement within {:?} for {} records in flight{}",
                answered.elapsed(),
                self.flights.len(),
                link.trouble().map(|trouble| format!(": {trouble:#}")).unwrap_or_default()
            ),
        )
    }

    /// Reports the sink as active: the broker has answered, or there is nothing to answer.
    pub(super) fn prove(&mut self) {
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
            Some(trouble) => drop(self.health.failing_for(trouble.cause().clone(), &format!("{trouble:#}"))),
            None if self.is_proven => self.health.active(),
            None => {}
        }
        trouble.is_some()
    }

    /// Warns while the broker refuses heartbeats. A heartbeat that is not refused within [`ANSWERED`] is accepted.
    pub(super) fn check_heartbeats<L: Link>(&mut self, link: &L) {
        match link.refused_heartbeat() {
            Some(refusal) => self.health.warning("heartbeat", Some(refusal)),
            None if self.first_heartbeat.is_some_and(|at| at.elapsed() >= ANSWERED) => {
                self.health.warning("heartbeat", None);
            }
            None => {}
        }
    }
}
