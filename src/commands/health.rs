//! `cti-bridge health`: one question to the bridge that runs, for a container's health check.

use std::io::{self, Write};

use url::Url;

use super::ask;
use crate::{cli, config::Flags, exit::Exit};

/// Ask the bridge that runs whether it makes progress: exit code 0, or 69 and why not
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge health")]
pub struct Args {
    /// Ask whether every part does its work, too: PBX, sinks and journal
    #[arg(long)]
    ready: bool,
    /// Where to ask, in place of the configuration's [admin] listen
    #[arg(long, value_name = "URL")]
    at: Option<Url>,
    #[command(flatten)]
    flags: Flags,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let path = if args.ready { "readyz" } else { "livez" };
    let answer = match ask::place(args.at.as_ref(), &args.flags) {
        Ok(place) => cli::block_on(ask::get(&place, path)),
        Err(reason) => Some(Err(reason)),
    };
    match answer {
        Some(Ok(ask::Answer { good: true, body })) => {
            writeln!(out, "{}", body.trim_end())?;
            Ok(Exit::Clean)
        }
        Some(Ok(ask::Answer { body: reason, .. }) | Err(reason)) => {
            writeln!(err, "{}", reason.trim_end())?;
            Ok(Exit::Unavailable)
        }
        None => Ok(Exit::Internal),
    }
}
