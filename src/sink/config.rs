//! `[sinks.NAME]`: which sink, and what all sinks have in common.

#[cfg(any(feature = "nats", feature = "kafka"))]
use std::str::FromStr;
use std::{
    hash::{Hash, Hasher},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(feature = "kafka")]
use super::kafka;
#[cfg(feature = "nats")]
use super::nats;
use super::{Options, stdout};
use crate::{
    config::Section,
    event::{Fingerprints, JournalId},
};

/// One sink, as its driver needs it.
#[derive(Debug, Clone)]
pub struct Config {
    /// The time between two heartbeats; `None`: there are none.
    pub heartbeat: Option<Duration>,
    /// A journal after whose records this one may go on, though it can't tell that they are its own.
    pub adopt: Option<JournalId>,
    /// Which sink it is.
    pub kind: Kind,
}

impl Config {
    /// What changes when a secret or the content of a certificate file does. Reads the files.
    pub(crate) fn secrets(&self, fingerprints: &Fingerprints) -> u128 {
        fingerprints.of(&Secrets(&self.kind))
    }

    /// Whether it tells by the journal's name that it is the only writer.
    pub(crate) fn needs_durable_journal(&self) -> bool {
        match &self.kind {
            #[cfg(feature = "nats")]
            Kind::Nats(nats) => nats.mode == nats::config::Mode::JetStream && nats.stream.fence,
            #[cfg(feature = "kafka")]
            Kind::Kafka(_) => true,
            Kind::Stdout(_) => false,
        }
    }
}

/// The sinks of this build.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "named after the sinks")]
pub enum Kind {
    #[cfg(feature = "nats")]
    Nats(Box<nats::config::Config>),
    #[cfg(feature = "kafka")]
    Kafka(Box<kafka::config::Config>),
    Stdout(stdout::config::Config),
}

impl Kind {
    /// The driver's limits for it.
    pub(super) fn options(&self) -> Options {
        match self {
            #[cfg(feature = "kafka")]
            // Its client tries again by itself, with the same numbers; what a new one sends again the broker takes for new.
            // What is in flight it keeps in memory of its own.
            Self::Kafka(_) => {
                Options { window: 4096, deadline: Duration::from_mins(1), answer: None, ..Options::default() }
            }
            #[cfg(feature = "nats")]
            Self::Nats(_) => Options::default(),
            // A reader that stalls reads on some day: a new link would write to the same pipe, and write twice.
            Self::Stdout(_) => Options { answer: None, ..Options::default() },
        }
    }
}

/// The secrets of a sink, and what its certificate files hold: hashed, never copied.
struct Secrets<'a>(&'a Kind);

impl Hash for Secrets<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.0 {
            #[cfg(feature = "nats")]
            Kind::Nats(nats) => nats.hash_secrets(state),
            #[cfg(feature = "kafka")]
            Kind::Kafka(kafka) => kafka.hash_secrets(state),
            Kind::Stdout(_) => false.hash(state),
        }
    }
}

/// What the key `adopt` names: a journal, or single messages (`#…`) that count as if they were not there.
#[cfg(any(feature = "nats", feature = "kafka"))]
pub(super) struct Adopted<P> {
    pub(super) journal: Option<JournalId>,
    pub(super) ignored: Vec<P>,
}

/// Reads the key `adopt`.
#[cfg(any(feature = "nats", feature = "kafka"))]
pub(super) fn adopt<P: FromStr>(text: Option<&str>, section: &mut Section<'_>) -> Adopted<P> {
    let (mut journal, mut ignored) = (None, Vec::new());
    for word in text.into_iter().flat_map(|text| text.split(',')).map(str::trim) {
        match (word.strip_prefix('#').map(str::parse), word.parse()) {
            (Some(Ok(place)), _) => ignored.push(place),
            (None, Ok(id)) => journal = Some(id),
            _ => section.problem(
                "adopt",
                "is no journal's id: write the 10 characters of a-z 2-7, or the `#…`, that the refusal names, or remove it",
            ),
        }
    }
    Adopted { journal, ignored }
}

/// How a `CloudEvent` travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContentMode {
    /// Attributes in headers, the data alone in the body.
    Binary,
    /// One JSON object with everything.
    Structured,
}

/// Where events go.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Table {
    /// A NATS server or cluster.
    #[cfg(feature = "nats")]
    Nats(Box<nats::config::Table>),
    /// A Kafka cluster.
    #[cfg(feature = "kafka")]
    Kafka(Box<kafka::config::Table>),
    /// Standard output: one `CloudEvent` per line.
    Stdout(stdout::config::Table),
}

impl Table {
    /// Checks what the schema can't, and reads the secrets. `None` goes with a problem.
    #[cfg_attr(
        not(any(feature = "nats", feature = "kafka")),
        allow(clippy::unnecessary_wraps, reason = "nothing can be wrong with stdout, the only sink then")
    )]
    pub(crate) fn validate(self, section: &mut Section<'_>) -> Option<Config> {
        match self {
            #[cfg(feature = "nats")]
            Self::Nats(table) => table.validate(section),
            #[cfg(feature = "kafka")]
            Self::Kafka(table) => Some(table.validate(section)),
            Self::Stdout(table) => Some(table.validate(section)),
        }
    }
}

/// What to say of a word that this build does not know, though another does or will.
pub(crate) fn absent(key: &str, word: &str) -> Option<&'static str> {
    match (key, word) {
        ("type", "nats") => Some(
            "this cti-bridge was built without the feature `nats`: take a build that has it (cargo build --features nats)",
        ),
        ("type", "kafka") => Some(
            "this cti-bridge was built without the feature `kafka`: take a build that has it (cargo build --features kafka)",
        ),
        _ => None,
    }
}
