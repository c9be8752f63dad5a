//! The options of a driver, and its result.

use std::time::Duration;

use super::resume::RETAIN;
use crate::{event::JournalId, retry::Range};

/// Limits of a driver.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Records in flight at most: sent and not settled. Large enough that a busy broker's answers, milliseconds late,
    /// don't hold the line up at 200,000 records a second.
    pub window: usize,
    /// Records handed to a link at once.
    pub batch: usize,
    /// Time limit for a connection, and for a batch to be accepted. Then the link is given up.
    pub deadline: Duration,
    /// Time limit for an acknowledgement while something is in flight; then the link is given up. `None` disables
    /// it, since a link that recovers by itself must not have a concurrent successor.
    pub answer: Option<Duration>,
    /// Delays between attempts to open a link.
    pub backoff: Range,
    /// The interval of heartbeats.
    pub heartbeat: Option<Duration>,
    /// End after this many published records.
    pub limit: Option<u64>,
    /// A foreign journal after which this one may go on in a broker's partition.
    pub adopt: Option<JournalId>,
    /// Publish copies, outside of the partition: no `ctiprev`.
    pub copies: bool,
    /// The limit up to which delivered records are sent again to a broker that has forgotten everything.
    pub retain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            window: 8192,
            batch: 256,
            deadline: Duration::from_secs(10),
            answer: Some(Duration::from_secs(10)),
            backoff: Range { from: Duration::from_millis(50), to: Duration::from_secs(5) },
            heartbeat: Some(Duration::from_secs(10)),
            limit: None,
            adopt: None,
            copies: false,
            retain: RETAIN,
        }
    }
}

/// The result of a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything on the line is settled.
    Drained,
    /// Stopped with this many records not settled.
    Undelivered(u64),
    /// The limit is reached.
    LimitReached,
    /// The destination is gone for good.
    Gone(String),
}
