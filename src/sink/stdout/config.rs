//! `[sinks.NAME]` with `type = "stdout"`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Stdout, probe};
use crate::{
    config::Section,
    sink::{
        Bridge, Connecting, Driver, NoSubscription, Options, Overlap, Probe, ProbeReport, SinkConfig,
        SinkTable, Subscribing, Task, config,
    },
};

/// The settings of a stdout sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The output format.
    pub format: Format,
}

impl SinkConfig for Config {
    fn type_name(&self) -> &'static str {
        "stdout"
    }

    fn options(&self) -> Options {
        // A reader that stalls may read on some day. A new link would write to the same pipe, and write twice.
        Options { answer: None, ..Options::default() }
    }

    fn run(&self, driver: Driver, _: Bridge<'_>) -> Task {
        Box::pin(driver.run(Stdout::new(self)))
    }

    fn probe<'a>(&'a self, _: Bridge<'a>) -> Connecting<'a> {
        let report = ProbeReport::new("standard output: there is nothing to reach");
        Box::pin(async { Ok((Box::new(probe::Probe) as Box<dyn Probe>, report)) })
    }

    fn subscribe<'a>(&'a self, _: Bridge<'a>) -> Result<Subscribing<'a>, NoSubscription> {
        Err(NoSubscription("standard output: name a sink of another type, or leave --sink out"))
    }

    fn overlap(&self, second: &dyn SinkConfig, _: Bridge<'_>) -> Option<Overlap> {
        second.downcast_ref::<Self>().map(|_| Overlap {
            keys: Overlap::both("type"),
            what: "writes to standard output too, so every event would be there twice".to_owned(),
            remedy: "keep one sink of type \"stdout\"",
            is_possible: false,
        })
    }
}

/// The output format of a `CloudEvent`.
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
}

impl Default for Table {
    fn default() -> Self {
        Self { format: Format::Json }
    }
}

impl SinkTable for Table {
    fn validate(self, _: &mut Section<'_>) -> Option<config::Config> {
        Some(config::Config::new(None, Config { format: self.format }))
    }
}
