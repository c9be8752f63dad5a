//! The complete configuration, composed of the tables that each component owns.

mod calls;
mod file;
pub mod journal;

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf, sync::OnceLock, time::Duration};

use figment::value::{Dict, Value};
use schemars::Schema;

pub use self::calls::{SourceCalls, load_calls};

use crate::{
    admin,
    config::{self, Findings, Flags, Layered, Node, Problem, Problems, Section, Settings, Shape},
    derive, session, sink, telemetry,
};

/// The complete configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name of this bridge, unique on its message bus.
    pub instance: String,
    /// The time that a stop may take to deliver pending events.
    pub drain_timeout: Duration,
    /// The PBXs by name, at least one.
    pub sources: BTreeMap<String, session::config::Config>,
    /// The sinks by name, at least one.
    pub sinks: BTreeMap<String, sink::config::Config>,
    /// The journal between them.
    pub journal: journal::Config,
    /// What is derived from the events of sources that don't set it themselves.
    pub derive: derive::Config,
    /// The bridge's log.
    pub log: telemetry::config::Config,
    /// The admin endpoint; `None` disables it.
    pub admin: Option<admin::config::Config>,
}

impl Config {
    /// Returns the names of the sources whose calls are derived.
    pub fn sources_with_calls(&self) -> Vec<String> {
        let has_calls = |source: &session::config::Config| source.derive_calls.unwrap_or(self.derive.calls);
        self.sources.iter().filter(|(_, source)| has_calls(source)).map(|(name, _)| name.clone()).collect()
    }
}

/// A valid configuration.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration itself.
    pub config: Config,
    /// Warnings, one line each, in the form of a problem.
    pub warnings: Vec<String>,
    /// The effective settings with their origins, for `config show`.
    pub settings: Settings,
    /// The configuration file, if there was one.
    pub file: Option<PathBuf>,
}

/// The schema of the configuration file, JSON Schema 2020-12.
pub fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| config::schema_of::<file::File>("cti-bridge configuration"))
}

fn shape() -> Shape {
    Shape { root: Node::root(schema()), absent: sink::registry::absent }
}

/// Reads and checks the configuration, with the environment of this process.
pub fn load(flags: &Flags) -> Result<Loaded, Problems> {
    load_with(flags, std::env::vars_os())
}

/// Same as [`load`], with the given environment.
pub fn load_with(
    flags: &Flags,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Loaded, Problems> {
    let mut layered = config::read(flags, environment)?;
    need_tables(&layered.tree, layered.file.is_some(), &mut layered.findings);
    let settings = layered.check(shape());
    let Layered { file, tree, mut findings } = layered;
    let config = typed(tree, &mut findings);
    match config {
        Some(config) if findings.problems.is_empty() => {
            let mut warnings = findings.warnings;
            warnings.sort();
            let warnings = warnings.iter().map(ToString::to_string).collect();
            Ok(Loaded { config, warnings, settings, file })
        }
        _ => Err(Problems::new(findings.problems)),
    }
}

/// Reads and checks only the table `[journal]`: problems elsewhere do not matter, and no secret is read.
pub fn load_journal(flags: &Flags) -> Result<journal::Config, Problems> {
    let (tree, mut findings) = unchecked(flags)?;
    let table = match tree.get("journal") {
        Some(table) => table.deserialize::<journal::Table>().ok(),
        None => Some(journal::Table::default()),
    };
    let config = table.and_then(|table| table.validate(&mut Section::new("journal", &mut findings)));
    let is_of_it = |problem: &Problem| problem.key == "journal" || problem.key.starts_with("journal.");
    match config.filter(|_| !findings.problems.iter().any(is_of_it)) {
        Some(config) => Ok(config),
        None => Err(Problems::new(findings.problems.into_iter().filter(is_of_it).collect())),
    }
}

/// Reads only the address of the admin endpoint, as configured.
pub fn load_listen(flags: &Flags) -> Option<String> {
    let (tree, _) = unchecked(flags).ok()?;
    Some(tree.get("admin")?.as_dict()?.get("listen")?.as_str()?.to_owned())
}

/// The layers, checked against the schema.
fn unchecked(flags: &Flags) -> Result<(Dict, Findings), Problems> {
    let mut layered = config::read(flags, std::env::vars_os())?;
    layered.check(shape());
    Ok((layered.tree, layered.findings))
}

/// The checked tree as plain data. Returns `None` if it has reported a problem.
fn typed(tree: Dict, findings: &mut Findings) -> Option<Config> {
    match Value::from(tree).deserialize::<file::File>() {
        Ok(file) => file.validate(&mut Section::new("", findings)),
        Err(error) => {
            // Only if schema and structs disagree. figment's text quotes values, so it is not used.
            let key = error.path.join(".");
            findings.problem(
                &key,
                "can't be read: please report this with your configuration, without its secrets",
            );
            None
        }
    }
}

fn need_tables(tree: &Dict, has_file: bool, findings: &mut Findings) {
    for (table, what, example) in [
        ("sources", "PBX", "[sources.pbx1] with url, username and password_file"),
        ("sinks", "sink", "[sinks.bus] with type = \"nats\" and servers"),
    ] {
        if tree.get(table).and_then(Value::as_dict).is_some_and(Dict::is_empty) || !tree.contains_key(table) {
            let absent =
                if has_file { "" } else { "; this file does not exist, so only variables and flags count" };
            findings.problem(table, format!("no {what} is configured: add {example}{absent}"));
        }
    }
}
