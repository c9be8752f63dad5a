//! `[sinks.NAME]` with `type = "kafka"`.

mod table;

use std::{
    collections::BTreeMap,
    hash::{Hash as _, Hasher},
    str::FromStr,
    time::Duration,
};

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

pub use super::login::{Mechanism, Sasl};
pub use table::Table;

use super::{Kafka, message, overlap};
use crate::{
    route::Names,
    sink::{
        Bridge, Connecting, Driver, NoSubscription, Options, Overlap, Probe, ProbeStep, SinkConfig,
        SinkError, Subscribing, Task, config::ContentMode, verify::Held,
    },
    tls::Trust,
};

/// A Kafka sink, as it needs it.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port` of the brokers to ask first; one at least.
    pub brokers: Vec<String>,
    /// The topic of each class.
    pub topics: Topics,
    /// The events that go to one partition, in order.
    pub partition_by: PartitionBy,
    /// The topics are created if they are not there.
    pub create: Option<Create>,
    /// The compression of batches.
    pub compression: Compression,
    /// The mode of a `CloudEvent`.
    pub content_mode: ContentMode,
    /// The largest message, in bytes.
    pub max_message: usize,
    /// The TLS trust settings; `None` disables TLS.
    pub tls: Option<Trust>,
    /// The credentials.
    pub sasl: Option<Sasl>,
    /// More of librdkafka's properties.
    pub properties: BTreeMap<String, String>,
    /// Records of the topic of events that count as if they were not there.
    pub ignored: Vec<Place>,
}

impl Config {
    /// Takes over another one's secrets and certificates. Whether TLS is spoken, and the mechanism of SASL, stay as they are.
    pub(in crate::sink) fn renew(&mut self, other: &Self) {
        if self.tls.is_some() && other.tls.is_some() {
            self.tls.clone_from(&other.tls);
        }
        let mechanism = |config: &Self| config.sasl.as_ref().map(Sasl::mechanism);
        if mechanism(self) == mechanism(other) {
            self.sasl.clone_from(&other.sasl);
        }
    }
}

impl SinkConfig for Config {
    fn type_name(&self) -> &'static str {
        "kafka"
    }

    fn options(&self) -> Options {
        // librdkafka retries by itself, with the same sequence numbers; what a new producer sends again counts as new.
        // It holds what is in flight in memory of its own.
        Options { window: 4096, deadline: Duration::from_mins(1), answer: None, ..Options::default() }
    }

    fn address(&self, names: &Names) -> Vec<(&'static str, String)> {
        vec![("topic", message::topic(&self.topics, names).to_owned()), ("key", message::key(names))]
    }

    fn run(&self, driver: Driver, bridge: Bridge<'_>) -> Task {
        Box::pin(driver.run(Kafka::new(self, bridge.sources.into())))
    }

    fn replay(&self, driver: Driver, bridge: Bridge<'_>) -> Task {
        Box::pin(driver.run(Kafka::new(self, bridge.sources.into()).for_replay()))
    }

    fn probe<'a>(&'a self, bridge: Bridge<'a>) -> Connecting<'a> {
        Box::pin(async move {
            let (probe, report) = super::Probe::connect(self, bridge.sources).await?;
            Ok((Box::new(probe) as Box<dyn Probe>, report))
        })
    }

    fn probe_steps(&self) -> &'static [ProbeStep] {
        &[ProbeStep::Inspect, ProbeStep::Publish]
    }

    fn read_back<'a>(
        &'a self,
        bridge: Bridge<'a>,
        each: &'a mut (dyn FnMut(&Held) + Send),
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move { Kafka::new(self, bridge.sources.into()).read_back(each).await })
    }

    fn subscribe<'a>(&'a self, _: Bridge<'a>) -> Result<Subscribing<'a>, NoSubscription> {
        Err(NoSubscription(
            "Kafka, which `tail` does not read: use a consumer of Kafka's own, or leave --sink out",
        ))
    }

    fn overlap(&self, second: &dyn SinkConfig, _: Bridge<'_>) -> Option<Overlap> {
        overlap::find(self, second.downcast_ref()?)
    }

    fn needs_durable_journal(&self) -> bool {
        true
    }

    fn trust(&self) -> Option<&Trust> {
        self.tls.as_ref()
    }

    fn reloadable(&self) -> &'static [&'static str] {
        &[
            "username",
            "password",
            "password_file",
            "token_url",
            "scope",
            "ca_file",
            "cert_file",
            "key_file",
            "insecure_skip_verify",
        ]
    }

    fn hash_secrets(&self, mut state: &mut dyn Hasher) {
        match &self.sasl {
            None => {}
            Some(Sasl::Password { username, password, .. }) => {
                (username, password.expose_secret()).hash(&mut state);
            }
            Some(Sasl::Token(issuer)) => {
                (&issuer.url, &issuer.client_id, issuer.client_secret.expose_secret()).hash(&mut state);
                issuer.scope.hash(&mut state);
            }
        }
    }
}

/// A record's place in the topic of events, written `partition/offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (partition, offset) = text.split_once('/').ok_or(())?;
        Ok(Self { partition: partition.parse().map_err(|_| ())?, offset: offset.parse().map_err(|_| ())? })
    }
}

/// The topic of each class.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after the classes")]
pub struct Topics {
    /// Of `event` and `bridge`.
    pub events: String,
    pub status: String,
    pub dead_letters: String,
    pub replay: String,
}

/// The settings of a created topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after what Kafka calls them")]
pub struct Create {
    pub partitions: i32,
    pub replication: i32,
}

/// The events that share a partition of the topic of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PartitionBy {
    /// All of a source.
    Source,
    /// All of an entity of a source, or of an event's name where there is none. What the bridge says itself goes to every
    /// partition.
    Entity,
}

/// A codec that is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "Kafka's own words")]
pub enum Compression {
    None,
    Lz4,
    Snappy,
    Zstd,
}

impl Compression {
    /// As librdkafka writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Snappy => "snappy",
            Self::Zstd => "zstd",
        }
    }
}
