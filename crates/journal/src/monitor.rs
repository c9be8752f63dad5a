//! How a journal reports its state.

use std::fmt;

/// Hears of a journal's state, as it changes. Calls are made while the journal is locked: they must not block, nor call it back.
pub trait Monitor: Send + Sync + fmt::Debug {
    /// The disk accepts writes: what was written and synced since the last trouble has proven it.
    fn active(&self);

    /// The disk refuses: the reason, with its consequence and the remedy. Repeated as long as it lasts.
    fn failing(&self, reason: &str);

    /// The volume can't hold all that the journal may grow to: a sentence with the remedy, or `None` when it can.
    fn shortage(&self, warning: Option<String>);
}

/// For a journal that nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Unmonitored;

impl Monitor for Unmonitored {
    fn active(&self) {}
    fn failing(&self, _reason: &str) {}
    fn shortage(&self, _warning: Option<String>) {}
}
