//! The root table of the file. Every other table is defined next to the component that it configures.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Config, journal};
use crate::{
    admin,
    config::{Section, Span, name},
    derive, session, sink, telemetry,
};

/// Configuration of cti-bridge.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct File {
    /// The name of this bridge, unique on its message bus. Letters, digits, `-` and `_`; 64 at most.
    #[schemars(extend("pattern" = name::PATTERN))]
    instance: String,
    /// The time that a stop may take to deliver pending events.
    drain_timeout: Span,
    /// The PBXs, by a name of your choice. It is part of every subject, so choose one that can stay.
    #[schemars(extend("propertyNames" = { "pattern": name::PATTERN }))]
    sources: BTreeMap<String, session::config::Table>,
    /// The destinations of events, by a name of your choice. Each sink gets the events of every source, except for those that its routes drop.
    #[schemars(extend("propertyNames" = { "pattern": name::PATTERN }))]
    sinks: BTreeMap<String, sink::config::Table>,
    /// The journal, which keeps events until every sink has them.
    journal: journal::Table,
    /// What the bridge derives from the events of the PBXs.
    derive: derive::Config,
    /// The log, on stderr.
    log: telemetry::config::Table,
    /// Health, metrics, a status page and actions, over HTTP.
    admin: admin::config::Table,
}

impl Default for File {
    fn default() -> Self {
        Self {
            instance: "cti-bridge".to_owned(),
            drain_timeout: Span::seconds(10),
            sources: BTreeMap::new(),
            sinks: BTreeMap::new(),
            journal: journal::Table::default(),
            derive: derive::Config::default(),
            log: telemetry::config::Table::default(),
            admin: admin::config::Table::default(),
        }
    }
}

impl File {
    /// Checks every table, also after a problem. Returns `None` if it has reported a problem.
    pub(super) fn validate(self, root: &mut Section<'_>) -> Option<Config> {
        if let Err(error) = name::check(&self.instance) {
            root.problem("instance", error.to_string());
        }
        let mut sources = BTreeMap::new();
        for (name, table) in self.sources {
            let source = table.validate(&mut root.table("sources").table(&name));
            if let Some(source) = &source
                && source.derive_calls.unwrap_or(self.derive.calls)
                && !source.resync
            {
                root.table("sources").table(&name).warn(
                    "resync",
                    "is off, so calls that end while the session is down go on until their extension changes: leave it on to derive \
                     calls",
                );
            }
            sources.insert(name, source);
        }
        let mut sinks = BTreeMap::new();
        for (name, table) in self.sinks {
            let sink = table.validate(&mut root.table("sinks").table(&name));
            sinks.insert(name, sink);
        }
        let journal = self.journal.validate(&mut root.table("journal"));
        let log = self.log.validate(&mut root.table("log"));
        let admin = self.admin.validate(&mut root.table("admin"));
        for (name, sink) in &sinks {
            let forgetful = journal.as_ref().is_some_and(|journal| journal.disk.is_none());
            if forgetful && sink.as_ref().is_some_and(|sink| sink.kind.needs_durable_journal()) {
                root.table("sinks").table(name).problem(
                    "mode",
                    "needs a journal on disk: without one each start numbers events from 1, and the stream seems to be another \
                     bridge's. Set [journal] dir = \"/var/lib/cti-bridge\"",
                );
            }
        }
        check_routes(&self.instance, &sources, &sinks, root);
        check_overlaps(&self.instance, &sources, &sinks, root);
        let dialling: BTreeMap<_, _> = sources
            .iter()
            .filter_map(|(name, source)| Some((name.clone(), source.as_ref()?.dialling.clone())))
            .collect();
        for sink in sinks.values_mut().flatten() {
            sink.privacy = sink.privacy.dialling(dialling.clone());
        }
        Some(Config {
            instance: self.instance,
            drain_timeout: self.drain_timeout.0,
            sources: sources
                .into_iter()
                .map(|(name, source)| Some((name, source?)))
                .collect::<Option<_>>()?,
            sinks: sinks.into_iter().map(|(name, sink)| Some((name, sink?))).collect::<Option<_>>()?,
            journal: journal?,
            derive: self.derive,
            log: log?,
            admin: admin.ok()?,
        })
    }
}

/// Checks what depends on the sources: patterns of sources, and the subjects of routes.
fn check_routes<S>(
    instance: &str,
    sources: &BTreeMap<String, S>,
    sinks: &BTreeMap<String, Option<sink::config::Config>>,
    root: &mut Section<'_>,
) {
    let names: Vec<String> = sources.keys().cloned().collect();
    let bridge = sink::Bridge { instance, sources: &names };
    for (name, sink) in sinks {
        let Some(sink) = sink else { continue };
        let mut table = root.table("sinks");
        let mut section = table.table(name);
        sink.routes.check_sources(&names, &mut section);
        for (index, problem) in sink.kind.route_problems(bridge) {
            section.problem(&format!("routes[{index}].subject"), problem);
        }
    }
}

/// Reports two sinks that write to the same destination, at the second of them in the order of names.
fn check_overlaps<S>(
    instance: &str,
    sources: &BTreeMap<String, S>,
    sinks: &BTreeMap<String, Option<sink::config::Config>>,
    root: &mut Section<'_>,
) {
    let sources: Vec<String> = sources.keys().cloned().collect();
    let bridge = sink::Bridge { instance, sources: &sources };
    for (name, second) in sinks {
        for (other, first) in sinks.range::<String, _>(..name) {
            let (Some(first), Some(second)) = (first, second) else { continue };
            let Some(overlap) = first.kind.overlap(&*second.kind, bridge) else { continue };
            let [first_key, key] = &overlap.keys;
            let place = root.place(&format!("sinks.{other}.{first_key}"));
            let text = format!("sinks.{other} ({place}) {}: {}", overlap.what, overlap.remedy);
            let mut sink = root.table("sinks");
            let mut section = sink.table(name);
            if overlap.is_possible {
                section.warn(key, format!("{text}, unless the two users belong to different accounts"));
            } else {
                section.problem(key, text);
            }
        }
    }
}
