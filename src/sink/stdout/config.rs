//! `[sinks.NAME]` with `type = "stdout"`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::{Interval, Section},
    sink::config::Kind,
};

/// A stdout sink, as it needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// For programs or for people.
    pub format: Format,
}

/// How a `CloudEvent` is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object per line, in structured mode.
    Json,
    /// For people: time, name, entity and data, in colour on a terminal.
    Pretty,
}

/// Standard output: one `CloudEvent` per line.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Table {
    /// "json": one `CloudEvent` per line. "pretty": for people.
    format: Format,
    /// The time between two heartbeats, or "off".
    heartbeat: Interval,
}

impl Default for Table {
    fn default() -> Self {
        Self { format: Format::Json, heartbeat: Interval::seconds(10) }
    }
}

impl Table {
    /// Nothing can be wrong that the schema lets through.
    pub(crate) fn validate(self, _: &mut Section<'_>) -> crate::sink::config::Config {
        let config = Config { format: self.format };
        crate::sink::config::Config { heartbeat: self.heartbeat.0, adopt: None, kind: Kind::Stdout(config) }
    }
}
