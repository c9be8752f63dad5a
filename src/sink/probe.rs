//! Probes a sink without its events, for `check`.

use futures_util::future::BoxFuture;

use super::{Claim, SinkError};

/// A connected sink. Each step may run once.
pub trait Probe: Send {
    /// Inspects the stream or the topics, and which journal wrote their newest events. Changes nothing.
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

/// The result of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbeReport {
    /// The state of the sink.
    pub message: String,
    /// Non-fatal findings that need attention, with the remedy.
    pub warnings: Vec<String>,
}

impl ProbeReport {
    /// Returns a report without warnings.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), warnings: Vec::new() }
    }
}
