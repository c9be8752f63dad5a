//! The options of a driver, and its result.

use std::time::Duration;

use super::resume::RETAIN;
use crate::{event::JournalId, retry::Range};

/// The limits of a driver.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The most records in flight: sent and not settled. Large enough for 200,000 records a second while a busy broker answers
    /// milliseconds late.
    pub window: usize,
    /// The most records sent to a link at once.
    pub batch: usize,
    /// The time limit for a connection, and for a batch to be accepted. Then the driver drops the link.
    pub deadline: Duration,
    /// The time limit for an acknowledgement while records are in flight. Then the driver drops the link. `None` disables it, for a
    /// link that recovers by itself and must not have a concurrent successor.
    pub answer: Option<Duration>,
    /// Delays between attempts to open a link.
    pub backoff: Range,
    /// The interval of heartbeats. `None` disables them.
    pub heartbeat: Option<Duration>,
    /// Ends after this many published records. `None` sets no limit.
    pub limit: Option<u64>,
    /// A foreign journal after whose events this one may continue in a broker's partition.
    pub adopt: Option<JournalId>,
    /// Publishes copies, outside of the order: without `ctiprev`.
    pub copies: bool,
    /// The age up to which delivered records are sent again to a broker that has lost everything.
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
    /// Every record is settled.
    Drained,
    /// Stopped with this many unsettled records.
    Undelivered(u64),
    /// The limit is reached.
    LimitReached,
    /// The destination is gone for good.
    Gone(String),
}
