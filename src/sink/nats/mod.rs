//! The NATS sink, in two modes: [`Nats`] publishes to core NATS, [`JetStream`] to a stream.
//!
//! Core mode is best effort, as core NATS acknowledges nothing. In place of an acknowledgement, the link publishes a short
//! marker to an inbox of its own after each batch. A server handles the messages of one connection in order, so a
//! returned marker proves that it has received everything before it. (The client's `flush` proves nothing: it returns once the
//! bytes are written to the socket.) Delivery from the server to its subscribers is not acknowledged: hence best effort.

pub mod config;
mod connect;
mod events;
mod guard;
mod headers;
mod jetstream;
mod link;
mod overlap;
mod probe;
mod subjects;
mod subscribe;
mod unfit;
mod unreachable;

use self::{config::Config, connect::Servers};
pub use self::{
    guard::{Framing, Violation},
    jetstream::{JetStream, Publisher},
    link::Connection,
    probe::Probe,
    subscribe::Subscription,
};
use std::sync::Arc;

use crate::sink::{self, Sink, SinkError, SinkType, Tail, config::ContentMode};

/// `type = "nats"`.
pub(in crate::sink) const TYPE: SinkType = SinkType::new::<config::Table>("nats");

/// A NATS server, or several of one cluster.
#[derive(Debug)]
pub struct Nats {
    servers: Arc<Servers>,
    content_mode: ContentMode,
    allow: String,
}

impl Nats {
    /// Returns a sink for the configured servers.
    pub fn new(config: &Config) -> Self {
        Self {
            servers: Arc::new(Servers::new(config)),
            content_mode: config.content_mode,
            allow: allow(config),
        }
    }
}

/// The required permissions, as the end of the sentence "allow the account …".
fn allow(config: &Config) -> String {
    let inbox = &config.inbox_prefix;
    let routes = if config.route_subjects.is_empty() { "" } else { ", those of its routes" };
    format!("to publish the subjects of `subject`{routes} and {inbox}.>, and to subscribe to {inbox}.>")
}

impl Sink for Nats {
    type Link = Connection;

    async fn open(&self) -> Result<(Connection, Tail), SinkError> {
        let connected = self.servers.connect(self.allow.clone()).await?;
        let link = Connection::open(connected, Arc::clone(&self.servers), self.content_mode).await?;
        self.servers.succeeded();
        Ok((link, Tail::Unknown))
    }

    fn renew(&mut self, config: &sink::config::Config) {
        if let Some(config) = config.of::<Config>() {
            self.servers = Arc::new(self.servers.renewed(config));
        }
    }
}
