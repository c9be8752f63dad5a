//! The health of each component: a live process need not be ready, and every reason is visible.
//!
//! A component holds a [`Component`] handle and reports each change of its state; that one call also writes the log
//! line, so log and status never disagree. Reasons and warnings may quote a peer: they are sanitised here, for the log,
//! `/status`, heartbeats and systemd alike.
//!
//! An outage is the time from a component's first failure until it works again. It is one log line for each [`Cause`], and
//! one at its end, with its duration and the number of failures.

mod cause;

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;

use self::cause::Outage;
pub use self::cause::{Cause, Trouble};
use crate::{event::micros, journal::Monitor, text};

/// The health of all components. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<String, Health>>>);

/// The health of one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The state.
    #[serde(flatten)]
    pub state: State,
    /// The time of the last state change; for a failing component, the start of the outage.
    #[serde(serialize_with = "micros::serialize")]
    pub since: Timestamp,
    /// True if it has never worked since the process started.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub never_active: bool,
    #[serde(skip)]
    outage: Option<Outage>,
    /// Non-fatal warnings that need attention, each a sentence with its remedy.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub warnings: BTreeMap<&'static str, String>,
    /// The limits of what a source's account can see; `None` before the first login, and for other components.
    #[serde(flatten)]
    pub visibility: Option<Visibility>,
    /// The time of the next attempt, if one is scheduled.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "micros::option::serialize")]
    pub retry_at: Option<Timestamp>,
}

/// The limits of what an account can see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Visibility {
    /// The missing rights, by name.
    pub missing_rights: Vec<&'static str>,
    /// True if the PBX masks numbers and names for it.
    pub privacy: bool,
}

/// The states of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum State {
    /// Starting or connecting, without a failure so far.
    Pending,
    /// Working.
    Active,
    /// Not working; retries automatically.
    Failing {
        /// The reason, with the remedy.
        reason: String,
    },
}

/// A component's handle on its own health.
#[derive(Debug, Clone)]
pub struct Component {
    board: Board,
    name: String,
}

impl Board {
    /// Adds a component, named `source/pbx1` or `sink/bus`, as pending.
    pub fn component(&self, name: String) -> Component {
        let component = Component { board: self.clone(), name };
        component.lock().entry(component.name.clone()).or_insert_with(Health::new).enter(State::Pending);
        component
    }

    /// Returns true if the component works.
    pub fn is_active(&self, name: &str) -> bool {
        let parts = self.0.lock();
        parts.get(name).is_some_and(|health| health.state == State::Active)
    }

    /// The health of all components.
    pub fn snapshot(&self) -> BTreeMap<String, Health> {
        self.0.lock().clone()
    }
}

impl Component {
    /// Reports that the component works: the caller has proof, such as an acknowledgement or an event.
    pub fn active(&self) {
        let mut board = self.lock();
        let Some(health) = board.get_mut(&self.name).filter(|health| health.state != State::Active) else {
            return;
        };
        health.enter(State::Active);
        health.never_active = false;
        let outage = health.outage.take();
        drop(board);
        match outage {
            None => tracing::info!(component = self.name, "active"),
            Some(Outage { since, failures, .. }) => {
                let seconds = Timestamp::now().duration_since(since).as_secs();
                tracing::info!(component = self.name, outage_seconds = seconds, failures, "active");
            }
        }
    }

    /// Reports that the component is starting or connecting again.
    pub fn pending(&self) {
        if let Some(health) = self.lock().get_mut(&self.name) {
            health.enter(State::Pending);
        }
    }

    /// Reports a failure: see [`Component::failing_for`]. The cause is the text, without its digits.
    pub fn failing(&self, reason: &str) -> bool {
        self.failing_for(Cause::worded(reason), reason)
    }

    /// Reports a failure for this cause. It is logged once per outage, however often and in whatever words it is reported.
    /// Returns true if it was logged.
    pub fn failing_for(&self, cause: Cause, reason: &str) -> bool {
        let reason = text::sentence(reason);
        let mut board = self.lock();
        let Some(health) = board.get_mut(&self.name) else { return false };
        let left_active = if health.never_active { Timestamp::now() } else { health.since };
        let start = if health.state == State::Pending { left_active } else { Timestamp::now() };
        let outage = health.outage.get_or_insert_with(|| Outage::new(start));
        let is_new = outage.add(cause);
        health.since = outage.since;
        let state = State::Failing { reason: reason.clone() };
        if health.state != state {
            (health.state, health.retry_at) = (state, None);
        }
        let never_active = health.never_active.then_some(true);
        drop(board);
        if is_new {
            tracing::warn!(component = self.name, reason, never_active, "failing");
        } else {
            tracing::debug!(component = self.name, reason, "still failing");
        }
        is_new
    }

    /// Sets the warning for the topic `what`; `None` clears it. A warning does not affect readiness. It is logged when it
    /// appears, when its text changes, and when it is cleared.
    pub fn warning(&self, what: &'static str, sentence: Option<String>) {
        let sentence = sentence.map(|sentence| text::sentence(&sentence));
        let mut board = self.lock();
        let Some(health) = board.get_mut(&self.name) else { return };
        let before = match &sentence {
            Some(sentence) => health.warnings.insert(what, sentence.clone()),
            None => health.warnings.remove(what),
        };
        drop(board);
        match sentence {
            Some(warning) if before.as_ref() != Some(&warning) => {
                tracing::warn!(component = self.name, what, warning, "needs attention");
            }
            None if before.is_some() => {
                tracing::info!(component = self.name, what, "needs no attention any more");
            }
            _ => {}
        }
    }

    /// Sets the limits of what the account can see. The caller logs them as warnings.
    pub fn visibility(&self, visibility: Visibility) {
        if let Some(health) = self.lock().get_mut(&self.name) {
            health.visibility = Some(visibility);
        }
    }

    /// Sets the time of the next attempt; `None` for one that runs now or waits for a request. Cleared by the next state.
    pub fn retry_at(&self, at: Option<Timestamp>) {
        if let Some(health) = self.lock().get_mut(&self.name) {
            health.retry_at = at;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Health>> {
        self.board.0.lock()
    }
}

impl Monitor for Component {
    fn active(&self) {
        Component::active(self);
    }

    fn failing(&self, reason: &str) {
        self.failing_for(Trouble::Local.into(), reason);
    }

    fn shortage(&self, warning: Option<String>) {
        self.warning("room", warning);
    }
}

impl Health {
    fn new() -> Self {
        Self {
            state: State::Pending,
            since: Timestamp::now(),
            never_active: true,
            outage: None,
            warnings: BTreeMap::new(),
            visibility: None,
            retry_at: None,
        }
    }

    /// Enters a state other than failing.
    fn enter(&mut self, state: State) {
        if self.state != state {
            (self.state, self.since, self.retry_at) = (state, Timestamp::now(), None);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_warning_survives_a_change_of_state() {
        let board = Board::default();
        let part = board.component("source/pbx1".to_owned());
        part.active();
        part.warning("certificate", Some("ends soon".to_owned()));
        part.failing("gone");
        let health = board.snapshot().remove("source/pbx1");
        assert_eq!(health.as_ref().map(|health| health.warnings.len()), Some(1));
        let json = serde_json::to_value(&health).unwrap_or_default();
        assert_eq!(
            (&json["state"], &json["warnings"]["certificate"]),
            (&"failing".into(), &"ends soon".into())
        );
        part.warning("certificate", None);
        let json = serde_json::to_value(board.snapshot()).unwrap_or_default();
        assert!(json["source/pbx1"].get("warnings").is_none(), "{json}");
    }

    fn health(board: &Board) -> Health {
        board.snapshot().remove("sink/bus").unwrap()
    }

    #[test]
    fn an_outage_is_logged_once_per_cause() {
        let board = Board::default();
        let part = board.component("sink/bus".to_owned());
        let fails = |kind: Trouble, peer: &str, reason: &str| {
            part.failing_for(Cause { kind, peer: peer.to_owned() }, reason)
        };
        assert!(fails(Trouble::Unreachable, "a", "a: connection refused"));
        let start = health(&board).since;
        assert!(!fails(Trouble::Unreachable, "a", "a: connection reset"), "the same cause, in other words");
        assert!(fails(Trouble::Unreachable, "b", "b: connection refused"));
        part.pending();
        assert!(fails(Trouble::Credentials, "a", "a: refused"));
        assert!(!fails(Trouble::Unreachable, "b", "b: no answer"), "a known cause, after another one");
        let now = health(&board);
        assert_eq!((now.since, now.never_active), (start, true));
        assert_eq!(now.state, State::Failing { reason: "b: no answer".to_owned() }, "the newest reason");
        part.active();
        assert!(!health(&board).never_active);
        assert!(fails(Trouble::Unreachable, "a", "a: connection refused"), "another outage");
        assert!(health(&board).since > start && !health(&board).never_active);
    }

    #[test]
    fn numbers_in_a_reason_do_not_make_another_cause() {
        let part = Board::default().component("sink/bus".to_owned());
        assert!(part.failing("no answer for 10 s"));
        assert!(!part.failing("no answer for 11 s"));
        assert!(part.failing("no room"));
    }
}
