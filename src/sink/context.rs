//! The state that all drivers share.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::watch;

use super::{Counters, Renewals, Switches};
use crate::{event::SinkId, health::Board, journal::Journal, request::Trigger, shutdown::Stop};

/// The state that all drivers share.
#[derive(Debug, Clone)]
pub struct Context {
    /// The bridge's name, which distinguishes it from other bridges on the same bus.
    pub instance: Arc<str>,
    /// The journal.
    pub journal: Journal,
    /// Names of the sources, by [`SourceId`](crate::event::SourceId).
    pub sources: Arc<[String]>,
    /// Names of the sinks, in the journal's order.
    pub sinks: Arc<[String]>,
    /// The health of all components.
    pub board: Board,
    /// The start time of the process: distinguishes its heartbeats from those of another process with the same journal.
    pub started: Timestamp,
    /// Signals a stop.
    pub stop: Stop,
    /// Triggers an immediate retry.
    pub retry: Trigger,
    /// Announces reloaded secrets and certificates.
    pub renewals: Renewals,
    /// Announces reloaded rules.
    pub switches: Switches,
    /// Ends each driver after this many published records. `None` sets no limit.
    pub limit: Option<u64>,
    /// The time for which delivered records are kept.
    pub retain: Duration,
    /// The number of drivers that have made their first attempt: before it, a broker may have numbers that the journal does not know.
    pub opened: watch::Sender<usize>,
    /// The drivers' counters.
    pub counters: Counters,
}

impl Context {
    /// Returns the name of a sink. Empty for an unknown one.
    pub fn sink_name(&self, sink: SinkId) -> &str {
        self.sinks.get(sink.index()).map_or("", String::as_str)
    }

    /// Returns the sink of this name. `None` for an unknown one.
    pub fn sink(&self, name: &str) -> Option<SinkId> {
        (0..).map(SinkId).zip(&*self.sinks).find_map(|(sink, known)| (known == name).then_some(sink))
    }

    /// Returns the state for these sinks of a journal, which keeps no delivered records.
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
            switches: Switches::default(),
            limit: None,
            retain: Duration::ZERO,
            opened: watch::Sender::new(0),
            counters: Counters::default(),
        }
    }
}
