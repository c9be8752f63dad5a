//! `[sinks.NAME]` with `type = "file"`.

use std::path::PathBuf;

use cti_bridge::{
    config::Section,
    sink::{
        self, Bridge, Connecting, Driver, NoSubscription, Overlap, Probe, ProbeStep, SinkConfig, SinkError,
        SinkTable, Subscribing, Task, verify::Held,
    },
};
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{File, probe, read_back};

/// Events in a file, one per line.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Table {
    /// The file.
    path: String,
}

impl Default for Table {
    fn default() -> Self {
        Self { path: "events.jsonl".to_owned() }
    }
}

impl SinkTable for Table {
    fn validate(self, section: &mut Section<'_>) -> Option<sink::config::Config> {
        if self.path.is_empty() {
            section.problem("path", "is empty: name a file");
            return None;
        }
        let path = section.path(&self.path);
        Some(sink::config::Config::new(None, Config { path }))
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) path: PathBuf,
}

impl SinkConfig for Config {
    fn type_name(&self) -> &'static str {
        "file"
    }

    fn run(&self, driver: Driver, _: Bridge<'_>) -> Task {
        Box::pin(driver.run(File::new(self)))
    }

    fn probe<'a>(&'a self, bridge: Bridge<'a>) -> Connecting<'a> {
        Box::pin(async move {
            let (probe, report) = probe::Probe::connect(&self.path, bridge)?;
            Ok((Box::new(probe) as Box<dyn Probe>, report))
        })
    }

    fn probe_steps(&self) -> &'static [ProbeStep] {
        &[ProbeStep::Inspect, ProbeStep::Publish]
    }

    fn read_back<'a>(
        &'a self,
        _: Bridge<'a>,
        each: &'a mut (dyn FnMut(&Held) + Send),
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move { read_back::all(&self.path, each) })
    }

    fn subscribe<'a>(&'a self, _: Bridge<'a>) -> Result<Subscribing<'a>, NoSubscription> {
        Err(NoSubscription("a file: read it with `tail -f`"))
    }

    fn overlap(&self, second: &dyn SinkConfig, _: Bridge<'_>) -> Option<Overlap> {
        let second = second.downcast_ref::<Self>()?;
        (self.path == second.path).then(|| Overlap {
            keys: Overlap::both("path"),
            what: "writes to the same file, so every event would be there twice".to_owned(),
            remedy: "name another file",
            is_possible: false,
        })
    }
}
