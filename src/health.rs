//! How each part is doing: live is not ready, and readiness explains itself.
//!
//! A part holds a [`Component`] and tells it when its state changes; that one call also writes the log
//! line, so log and status never disagree.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use serde::Serialize;

/// The states of all parts. Clones are the same board.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<String, Health>>>);

/// How one part is doing, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Its state.
    #[serde(flatten)]
    pub state: State,
    /// When it got there.
    pub since: Timestamp,
}

/// The states of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum State {
    /// On its way, and nothing has gone wrong.
    Pending,
    /// Does its work.
    Active,
    /// Does not, and tries again by itself.
    Failing {
        /// What happened, with the remedy.
        reason: String,
    },
}

/// One part's handle on its state.
#[derive(Debug, Clone)]
pub struct Component {
    board: Board,
    name: String,
}

impl Board {
    /// Adds a part, named `source/pbx1` or `sink/bus`, as pending.
    pub fn component(&self, name: String) -> Component {
        let component = Component { board: self.clone(), name };
        component.set(State::Pending);
        component
    }

    /// All parts.
    pub fn snapshot(&self) -> BTreeMap<String, Health> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Component {
    /// The part does its work.
    pub fn active(&self) {
        if self.set(State::Active) {
            tracing::info!(component = self.name, "active");
        }
    }

    /// The part is on its way again.
    pub fn pending(&self) {
        self.set(State::Pending);
    }

    /// The part does not work, for this reason. Logged when the reason changes, not at each attempt.
    pub fn failing(&self, reason: &str) -> bool {
        let changed = self.set(State::Failing { reason: reason.to_owned() });
        if changed {
            tracing::warn!(component = self.name, reason, "failing");
        } else {
            tracing::debug!(component = self.name, reason, "still failing");
        }
        changed
    }

    fn set(&self, state: State) -> bool {
        let mut board = self.board.0.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = board.get(&self.name).is_none_or(|health| health.state != state);
        if changed {
            board.insert(self.name.clone(), Health { state, since: Timestamp::now() });
        }
        changed
    }
}
