//! The program: arguments → command → exit code. [`cti_bridge`] has the rest.

use std::process::ExitCode;

use clap::Parser as _;
use cti_bridge::{cli::Cli, exit::Exit};

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => cli.run().into(),
        Err(error) => {
            // Help and version are no errors, and go to standard output.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Clean };
            let _ = error.print();
            exit.into()
        }
    }
}
