//! What a driver is given, and how it ends.

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
    /// How long to wait for a connection, and for a batch to be taken. Then the link is given up.
    pub deadline: Duration,
    /// How long to wait for an acknowledgement while something is in flight, before the link is given up. None: for as
    /// long as it takes, since a link that mends itself must not have a successor beside it.
    pub answer: Option<Duration>,
    /// Delays between attempts to open a link.
    pub backoff: Range,
    /// How often to publish a heartbeat.
    pub heartbeat: Option<Duration>,
    /// End after this many published records.
    pub limit: Option<u64>,
    /// A foreign journal after which this one may go on in a broker's partition.
    pub adopt: Option<JournalId>,
    /// Publish copies, beside the partition: no `ctiprev`.
    pub copies: bool,
    /// How far back delivered records are sent again to a broker that has forgotten all.
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

/// How a driver ended.
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
