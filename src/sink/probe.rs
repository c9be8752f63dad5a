//! Trying out a sink without its events, for `check`.

use futures_util::future::BoxFuture;

use super::{Claim, SinkError};

/// A sink that was reached. Each step may be taken once.
pub trait Probe: Send {
    /// Inspects the stream or the topics, and who wrote their newest events. Changes nothing.
    fn inspect<'a>(&'a self, _claim: &'a Claim) -> BoxFuture<'a, Result<ProbeReport, SinkError>> {
        Box::pin(async { Ok(ProbeReport::default()) })
    }

    /// Publishes one status message of each source.
    fn publish(&mut self) -> BoxFuture<'_, Result<ProbeReport, SinkError>> {
        Box::pin(async { Ok(ProbeReport::default()) })
    }
}

/// A step of a probe once the sink is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeStep {
    /// [`Probe::inspect`].
    Inspect,
    /// [`Probe::publish`].
    Publish,
}

/// What a step of a probe found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbeReport {
    /// The state of things.
    pub message: String,
    /// Non-fatal findings that need attention, with the remedy.
    pub warnings: Vec<String>,
}

impl ProbeReport {
    /// A report without warnings.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), warnings: Vec::new() }
    }
}
