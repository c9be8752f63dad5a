//! `cti-bridge simulate call`: plays a call in a running simulator.

use std::io::{self, Write};

use clap::builder::PossibleValuesParser;
use pbx_simulator::rehearsal::Script;
use serde::Serialize;

use super::client::Target;
use crate::{exit::Exit, runtime};

/// Play a call in a running simulator, with invented parties
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
A call takes up to two minutes; a simulator with --rate runs faster. Start it with --rate 0 to see nothing else.

Examples:
  cti-bridge simulate --rate 0
  cti-bridge simulate call attended-transfer")]
pub(super) struct Args {
    /// What happens in the call
    #[arg(value_name = "SCRIPT", value_parser = PossibleValuesParser::new(Script::playable()))]
    script: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Serialize)]
struct Call<'a> {
    script: &'a str,
}

/// Runs the command.
pub(super) fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    match runtime::block_on(args.target.post("/call", &Call { script: &args.script })) {
        Some(Ok(sessions)) => {
            writeln!(out, "playing {} to {sessions}", args.script)?;
            Ok(Exit::Clean)
        }
        Some(Err(error)) => writeln!(err, "{error}").map(|()| error.exit()),
        None => Ok(Exit::Internal),
    }
}
