//! The subcommands, one per file.

mod admin_client;
mod annotated;
pub mod calls;
pub mod catalogue;
pub mod check;
pub mod config;
mod config_diff;
#[cfg(feature = "simulator")]
pub mod demo;
mod drift;
pub mod generate;
pub mod health;
pub mod journal;
mod live_session;
pub(crate) mod logout;
mod manual;
pub(crate) mod output;
pub mod privacy;
mod progress;
pub mod record;
mod reference;
pub mod route;
pub mod run;
#[cfg(feature = "simulator")]
pub mod simulate;
pub mod status;
pub mod tail;
pub mod token;
pub mod two_factor;
pub mod verify;

use std::{
    io::{self, Write},
    time::Duration,
};

use self::live_session::Ended;
use crate::{
    app::config::{Config, load},
    config::{Flags, InvalidValue},
    exit::Exit,
    session::config::Config as Source,
    shutdown::Signals,
};

/// Loads the configuration. `None` if it is invalid; the problems are written to `err`.
fn configuration(flags: &Flags, err: &mut impl Write) -> io::Result<Option<Config>> {
    match load(flags) {
        Ok(loaded) => Ok(Some(loaded.config)),
        Err(problems) => writeln!(err, "{problems}").map(|()| None),
    }
}

/// The reason why no source could be chosen.
#[derive(Debug, thiserror::Error)]
enum SourceChoiceError {
    #[error("there are several sources: choose one of {known} with --source")]
    Several { known: String },
    #[error("there is no source {named:?}: the configuration has {known}")]
    Unknown { named: String, known: String },
}

/// The source that was named, or the only one.
fn one_source<'a>(
    config: &'a Config,
    named: Option<&str>,
) -> Result<(&'a str, &'a Source), SourceChoiceError> {
    let known = || config.sources.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let mut sources = config.sources.iter();
    let found = match (named, sources.next(), sources.next()) {
        (Some(named), ..) => config.sources.get_key_value(named),
        (None, only, None) => only,
        (None, ..) => return Err(SourceChoiceError::Several { known: known() }),
    };
    let unknown =
        || SourceChoiceError::Unknown { named: named.unwrap_or_default().to_owned(), known: known() };
    let found = found.ok_or_else(unknown)?;
    Ok((found.0, found.1))
}

/// Parses a duration on the command line.
fn duration(text: &str) -> Result<Duration, InvalidValue> {
    let invalid = InvalidValue::new("write a number and its unit, such as 30s, 15m or 24h");
    humantime::parse_duration(text).map_err(|_| invalid)
}

/// Starts listening to SIGTERM and Ctrl-C.
fn signals() -> Result<Signals, Ended> {
    Signals::listen()
        .map_err(|error| Ended::new(Exit::Internal, format!("could not listen for signals: {error}")))
}
