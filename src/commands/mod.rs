//! One file per subcommand: its arguments, and what it does.

mod annotated;
mod ask;
pub mod check;
pub mod config;
pub mod demo;
pub(crate) mod farewell;
pub mod generate;
pub mod health;
pub mod journal;
mod manual;
pub(crate) mod output;
mod progress;
pub mod record;
mod reference;
pub mod run;
pub mod simulate;
pub mod status;
pub mod tail;
pub mod token;
pub mod two_factor;
pub mod verify;
mod watch;

use std::io::{self, Write};

use self::watch::Ended;
use crate::{
    config::{Config, Flags, load},
    exit::Exit,
    session::config::Config as Source,
    shutdown::Signals,
};

/// The configuration; if it can't be used, none, and `err` tells why.
fn configuration(flags: &Flags, err: &mut impl Write) -> io::Result<Option<Config>> {
    match load(flags) {
        Ok(loaded) => Ok(Some(loaded.config)),
        Err(problems) => writeln!(err, "{problems}").map(|()| None),
    }
}

/// The source that was named, or the only one. The error is for people.
fn one_source<'a>(config: &'a Config, named: Option<&str>) -> Result<(&'a str, &'a Source), String> {
    let known = || config.sources.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let mut sources = config.sources.iter();
    let found = match (named, sources.next(), sources.next()) {
        (Some(named), ..) => config.sources.get_key_value(named),
        (None, only, None) => only,
        (None, ..) => {
            return Err(format!("there are several sources: choose one of {} with --source", known()));
        }
    };
    let named = named.unwrap_or_default();
    let found =
        found.ok_or_else(|| format!("there is no source {named:?}: the configuration has {}", known()))?;
    Ok((found.0, found.1))
}

/// SIGTERM and Ctrl-C, from now on.
fn signals() -> Result<Signals, Ended> {
    Signals::listen()
        .map_err(|error| Ended::new(Exit::Internal, format!("can't listen for signals: {error}")))
}
