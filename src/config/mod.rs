//! The configuration: where it is read from, and what is wrong with it.
//!
//! Layers, each over the one before: defaults, the TOML file, environment variables `CTI_BRIDGE_…`
//! (`__` between table and key), flags. Every subsystem owns its table and its `Config`, beside what they
//! configure; this module composes them.
//!
//! Promises: all problems at once, each with file and line, variable or flag, and a remedy; unknown keys
//! are refused; no secret in any message, `Debug` or `show`; a loaded [`Config`] is plain data, with every
//! secret already read. Does not: watch files, connect to anything.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use figment::value::{Dict, Value};

mod address;
mod check;
mod environment;
mod file;
mod flags;
mod layers;
mod name;
mod origin;
mod problem;
mod quantity;
mod remedy;
mod schema;
mod secret;
mod section;
mod setting;

pub use address::{Address, UserInfo};
pub(crate) use flags::Suggestions;
pub use flags::{Assignment, Flags};
pub(crate) use name::nearest;
pub use origin::Origin;
pub use problem::{Problem, Problems};
pub use quantity::{Age, Delay, Interval, Size, Span};
pub use schema::schema;
pub use secret::Secret;
pub(crate) use secret::pasted;
pub use section::Section;
pub use setting::{Setting, Settings};

use crate::{admin, journal, session, sink, telemetry};

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name of this bridge among others on the same bus.
    pub instance: String,
    /// How long a stop may take to deliver what is pending.
    pub drain_timeout: Duration,
    /// The PBXs by name; one at least.
    pub sources: BTreeMap<String, session::config::Config>,
    /// The sinks by name; one at least.
    pub sinks: BTreeMap<String, sink::config::Config>,
    /// The line between them.
    pub journal: journal::config::Config,
    /// Our own log.
    pub log: telemetry::config::Config,
    /// What others see of the bridge; none: nothing.
    pub admin: Option<admin::config::Config>,
}

/// A configuration that can be used.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// What someone should know, one line each, in the form of a problem.
    pub warnings: Vec<String>,
    /// The effective settings with their origins, for `config show`.
    pub settings: Settings,
    /// The file it was read from, if there was one.
    pub file: Option<PathBuf>,
}

/// Reads and checks the configuration, with the environment of this process.
pub fn load(flags: &Flags) -> Result<Loaded, Problems> {
    load_with(flags, std::env::vars_os())
}

/// As [`load`], with an environment of the caller's choice.
pub fn load_with(
    flags: &Flags,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Loaded, Problems> {
    let (file, mut tree, mut findings) = read(flags, environment)?;
    need_tables(&tree, file.is_some(), &mut findings);
    let settings = check::check(&mut tree, &mut findings).sorted();
    warn_of_open_secrets(file.as_deref(), &settings, &mut findings);
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

/// Reads and checks the table `[journal]` alone: what is wrong elsewhere does not matter, and no secret is read.
pub fn load_journal(flags: &Flags) -> Result<journal::config::Config, Problems> {
    let (tree, mut findings) = unchecked(flags)?;
    let table = match tree.get("journal") {
        Some(table) => table.deserialize::<journal::config::Table>().ok(),
        None => Some(journal::config::Table::default()),
    };
    let config = table.and_then(|table| table.validate(&mut section::Section::new("journal", &mut findings)));
    let is_of_it = |problem: &Problem| problem.key == "journal" || problem.key.starts_with("journal.");
    match config.filter(|_| !findings.problems.iter().any(is_of_it)) {
        Some(config) => Ok(config),
        None => Err(Problems::new(findings.problems.into_iter().filter(is_of_it).collect())),
    }
}

/// Reads the address of the admin endpoint alone, as it is written.
pub fn load_listen(flags: &Flags) -> Option<String> {
    let (tree, _) = unchecked(flags).ok()?;
    Some(tree.get("admin")?.as_dict()?.get("listen")?.as_str()?.to_owned())
}

/// The layers, with what the schema says of them.
fn unchecked(flags: &Flags) -> Result<(Dict, section::Findings), Problems> {
    let (_, mut tree, mut findings) = read(flags, std::env::vars_os())?;
    check::check(&mut tree, &mut findings);
    Ok((tree, findings))
}

/// The file that was read, the layers as one tree, and what they say so far.
fn read(
    flags: &Flags,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Option<PathBuf>, Dict, section::Findings), Problems> {
    let environment = environment::Environment::new(environment);
    let layers = layers::read(flags, &environment)?;
    let base = layers.file.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
    let findings = section::Findings {
        origins: layers.origins,
        places: secret::Places { credentials: environment.credentials, base },
        problems: layers.problems,
        warnings: Vec::new(),
    };
    Ok((layers.file, layers.tree, findings))
}

/// The checked tree as plain data. `None` goes with a problem.
fn typed(tree: Dict, findings: &mut section::Findings) -> Option<Config> {
    match Value::from(tree).deserialize::<file::File>() {
        Ok(file) => file.validate(&mut section::Section::new("", findings)),
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

fn need_tables(tree: &Dict, has_file: bool, findings: &mut section::Findings) {
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

fn warn_of_open_secrets(file: Option<&Path>, settings: &Settings, findings: &mut section::Findings) {
    let secrets = || settings.iter().filter(|setting| setting.value.contains("********"));
    for setting in secrets().filter(|setting| matches!(setting.origin, Origin::Flag(_))) {
        findings.warn(
            &setting.key,
            "is a secret on the command line, where every user of this machine sees it: use a file",
        );
    }
    let Some(path) = file else { return };
    let in_file = secrets().find(|setting| matches!(setting.origin, Origin::File(..)));
    if let Some(setting) = in_file
        && secret::is_world_readable(path)
    {
        let path = path.display();
        findings.warn(
            &setting.key,
            format!("is a secret, and {path} is readable by everyone: chmod o-rwx {path}"),
        );
    }
}
