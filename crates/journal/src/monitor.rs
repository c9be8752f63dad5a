//! Reports the journal's health.

use std::fmt;

/// Receives changes of a journal's health. Called while the journal is locked: implementations must neither
/// block nor call the journal.
pub trait Monitor: Send + Sync + fmt::Debug {
    /// The disk accepts writes: a write and a sync have succeeded since the last failure.
    fn active(&self);

    /// The disk rejects writes. `reason` includes the consequence and the remedy. Repeated while the failure
    /// lasts.
    fn failing(&self, reason: &str);

    /// The volume is too small for the journal's maximum size: a warning with the remedy, or `None` once it
    /// is large enough.
    fn shortage(&self, warning: Option<String>);
}

/// Monitor that ignores all reports.
#[derive(Debug, Clone, Copy)]
pub struct Unmonitored;

impl Monitor for Unmonitored {
    fn active(&self) {}
    fn failing(&self, _reason: &str) {}
    fn shortage(&self, _warning: Option<String>) {}
}
