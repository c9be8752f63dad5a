//! Reads a configuration: layers, secrets, quantities, and errors that name file, line and key.
//!
//! Layers, each over the one before: defaults, the TOML file, environment variables `CTI_BRIDGE_…` (`__` between table and
//! key), flags. What the file may hold is a `Shape`: every subsystem owns its table and its `Config`, and
//! [`app::config`](crate::app::config) composes them. Nothing here knows a section.
//!
//! Promises: all problems at once, each with file and line, variable or flag, and a remedy; unknown keys are refused; no secret
//! in any message, `Debug` or `show`. It does not watch files or connect to anything.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use figment::value::Dict;

mod check;
mod environment;
pub(crate) mod flags;
mod invalid;
mod layers;
pub(crate) mod name;
mod origin;
mod problem;
mod quantity;
mod remedy;
mod schema;
mod secret;
mod section;
mod setting;
mod types;

pub use flags::{Assignment, Flags};
pub use invalid::InvalidValue;
pub(crate) use name::nearest;
pub use origin::Origin;
pub use problem::{Problem, Problems};
pub use quantity::{Age, Delay, Interval, Size, Span};
pub(crate) use schema::{Node, schema_of};
pub use secret::Secret;
pub(crate) use secret::{pasted, read_private_file};
pub(crate) use section::Findings;
pub use section::Section;
pub use setting::{Setting, Settings};

/// The tables and keys that a configuration file may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// The schema of the root table.
    pub(crate) root: Node<'static>,
    /// Returns the reason why an existing `type` is not available in this build; `None` if there is no such type.
    pub(crate) absent: fn(&str) -> Option<String>,
}

/// The merged layers of a configuration, and the problems found so far.
#[derive(Debug)]
pub(crate) struct Layered {
    /// The configuration file, if there was one.
    pub(crate) file: Option<PathBuf>,
    /// The values. [`Layered::check`] adds the defaults and removes invalid values.
    pub(crate) tree: Dict,
    /// Problems and warnings.
    pub(crate) findings: Findings,
}

/// Reads the layers.
pub(crate) fn read(
    flags: &Flags,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Layered, Problems> {
    let environment = environment::Environment::new(environment);
    let layers = layers::read(flags, &environment)?;
    let base = layers.file.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
    let findings = Findings {
        origins: layers.origins,
        places: secret::Places { credentials: environment.credentials, base },
        problems: layers.problems,
        warnings: Vec::new(),
    };
    Ok(Layered { file: layers.file, tree: layers.tree, findings })
}

impl Layered {
    /// Validates the tree against its shape, and fills in defaults. Returns the effective settings.
    pub(crate) fn check(&mut self, shape: Shape) -> Settings {
        let settings = check::check(&mut self.tree, &mut self.findings, shape).sorted();
        warn_of_open_secrets(self.file.as_deref(), &settings, &mut self.findings);
        settings
    }
}

fn warn_of_open_secrets(file: Option<&Path>, settings: &Settings, findings: &mut Findings) {
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
