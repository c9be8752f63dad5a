//! `cti-bridge health`: the health of the running bridge, for a container's health check.

use std::io::{self, Write};

use url::Url;

use super::admin_client::{self, Answer};
use crate::{config::Flags, exit::Exit, runtime};

/// Check that the running bridge makes progress: exit code 0, or 69 and the reason
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge health")]
pub struct Args {
    /// Also check that every component is active: PBX, sinks and journal
    #[arg(long)]
    ready: bool,
    /// The admin endpoint, instead of the configuration's [admin] listen
    #[arg(long, value_name = "URL")]
    at: Option<Url>,
    #[command(flatten)]
    flags: Flags,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let path = if args.ready { "readyz" } else { "livez" };
    let answer = match admin_client::endpoint(args.at.as_ref(), &args.flags) {
        Ok(endpoint) => runtime::block_on(admin_client::get(&endpoint, path)),
        Err(error) => Some(Err(error)),
    };
    match answer {
        Some(Ok(Answer { is_success: true, body })) => {
            writeln!(out, "{}", body.trim_end())?;
            Ok(Exit::Clean)
        }
        Some(Ok(Answer { body: reason, .. })) => {
            writeln!(err, "{}", reason.trim_end())?;
            Ok(Exit::Unavailable)
        }
        Some(Err(error)) => {
            writeln!(err, "{error}")?;
            Ok(Exit::Unavailable)
        }
        None => Ok(Exit::Internal),
    }
}
