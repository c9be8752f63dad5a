//! The context that all drivers share.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::watch;

use super::{Counters, Renewals};
use crate::{event::SinkId, health::Board, journal::Journal, request::Trigger, shutdown::Stop};

/// The context that all drivers share.
#[derive(Debug, Clone)]
pub struct Context {
    /// The bridge's name among others on the same bus.
    pub instance: Arc<str>,
    /// The line.
    pub journal: Journal,
    /// Names of the sources, by [`SourceId`](crate::event::SourceId).
    pub sources: Arc<[String]>,
    /// Names of the sinks, in the journal's order.
    pub sinks: Arc<[String]>,
    /// Everybody's state.
    pub board: Board,
    /// The start time of the process: distinguishes its heartbeats from those of another process with the same journal.
    pub started: Timestamp,
    /// Signals a stop.
    pub stop: Stop,
    /// Triggers an immediate retry.
    pub retry: Trigger,
    /// Secrets and certificates that were read again.
    pub renewals: Renewals,
    /// Stop after this many published records.
    pub limit: Option<u64>,
    /// The time for which delivered records are kept.
    pub retain: Duration,
    /// The number of drivers that have made their first attempt: until then a broker may know numbers that the journal doesn't.
    pub opened: watch::Sender<usize>,
    /// The drivers' counters.
    pub counters: Counters,
}

impl Context {
    /// The name of a sink. Empty for an unknown one.
    pub fn sink_name(&self, sink: SinkId) -> &str {
        self.sinks.get(sink.index()).map_or("", String::as_str)
    }

    /// The sink of this name.
    pub fn sink(&self, name: &str) -> Option<SinkId> {
        (0..).map(SinkId).zip(&*self.sinks).find_map(|(sink, known)| (known == name).then_some(sink))
    }

    /// For these sinks of a line, with nothing kept that was delivered.
    pub fn new(instance: &str, journal: Journal, sinks: Arc<[String]>) -> Self {
        Self {
            instance: instance.into(),
            sources: journal.sources(),
            journal,
            sinks,
            board: Board::default(),
            started: Timestamp::now(),
            stop: Stop::default(),
            retry: Trigger::default(),
            renewals: Renewals::default(),
            limit: None,
            retain: Duration::ZERO,
            opened: watch::Sender::new(0),
            counters: Counters::default(),
        }
    }
}
