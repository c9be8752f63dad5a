//! The journal's last reported health.

use std::sync::{Arc, Mutex};

use journal::Monitor;

/// Why the journal is failing. Clones share the state.
#[derive(Debug, Clone, Default)]
pub struct Failure(Arc<Mutex<Option<String>>>);

impl Failure {
    /// Returns the reason; `None` while the journal is active.
    pub fn reason(&self) -> Option<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Monitor for Failure {
    fn active(&self) {
        *self.0.lock().unwrap() = None;
    }

    fn failing(&self, reason: &str) {
        *self.0.lock().unwrap() = Some(reason.to_owned());
    }

    fn shortage(&self, _warning: Option<String>) {}
}
