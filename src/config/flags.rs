//! Command-line flags that set keys: the topmost layer.

use std::{ffi::OsStr, fmt, path::PathBuf, str::FromStr};

use clap::{
    ArgAction,
    builder::{PossibleValue, StringValueParser, TypedValueParser},
    error::ErrorKind,
};
use secrecy::SecretString;

/// The flags of every command that reads the configuration.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Flags {
    /// The configuration file [default: /etc/cti-bridge/config.toml]
    // `load` reads the environment for all keys; clap's own support would need its feature `env`.
    #[arg(long, short = 'c', value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Set one key, as in `--set sources.pbx1.url=https://pbx.example.org`; repeatable
    #[arg(long, value_name = "KEY=VALUE", global = true, value_parser = AssignmentParser)]
    pub set: Vec<Assignment>,
    /// Same as `--set log.level=…`
    #[arg(long, value_name = "LEVEL", global = true, value_parser = Suggestions(&LEVELS))]
    pub log_level: Option<String>,
    /// Same as `--set log.format=…`
    #[arg(long, value_name = "FORMAT", global = true, value_parser = Suggestions(&FORMATS))]
    pub log_format: Option<String>,
    /// Log more: `-v` is debug, `-vv` trace
    #[arg(long, short, global = true, action = ArgAction::Count, conflicts_with_all = ["quiet", "log_level"])]
    pub verbose: u8,
    /// Log less: `-q` is warnings, `-qq` errors
    #[arg(long, short, global = true, action = ArgAction::Count, conflicts_with = "log_level")]
    pub quiet: u8,
}

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];
const FORMATS: [&str; 4] = ["auto", "text", "json", "journald"];

impl Flags {
    /// The selected level, and the flag that selected it.
    pub(crate) fn level(&self) -> Option<(&'static str, &str)> {
        match (&self.log_level, self.verbose, self.quiet) {
            (Some(level), ..) => Some(("--log-level", level)),
            (None, 1, _) => Some(("--verbose", "debug")),
            (None, 2.., _) => Some(("--verbose", "trace")),
            (None, 0, 1) => Some(("--quiet", "warn")),
            (None, 0, 2..) => Some(("--quiet", "error")),
            (None, 0, 0) => None,
        }
    }

    /// Returns true if a command that is silent by default should log.
    pub(crate) fn wants_log(&self) -> bool {
        self.log_level.is_some() || self.verbose > 0
    }
}

/// Accepts any text; shell completions suggest these values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Suggestions(pub(crate) &'static [&'static str]);

impl TypedValueParser for Suggestions {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        text: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, text)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().copied().map(PossibleValue::new)))
    }
}

/// `KEY=VALUE`. The value may be a password.
#[derive(Clone)]
pub struct Assignment {
    /// The dotted key.
    pub key: String,
    /// The value, verbatim.
    pub value: SecretString,
}

impl FromStr for Assignment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, as in log.level=debug")?;
        if key.trim().is_empty() {
            return Err("the key is missing: write KEY=VALUE, as in log.level=debug");
        }
        Ok(Self { key: key.trim().to_owned(), value: value.into() })
    }
}

/// Parses an [`Assignment`]. Clap's own error would repeat the text, which may be a password without its key.
#[derive(Debug, Clone)]
struct AssignmentParser;

impl TypedValueParser for AssignmentParser {
    type Value = Assignment;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        text: &OsStr,
    ) -> Result<Assignment, clap::Error> {
        let parsed = text.to_str().ok_or("the value is not UTF-8").and_then(str::parse);
        parsed.map_err(|problem| {
            let text = format!(
                "invalid value for '--set <KEY=VALUE>': {problem}; it is not shown, as it may be a secret"
            );
            command.clone().error(ErrorKind::ValueValidation, text)
        })
    }
}

impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=…", self.key)
    }
}
