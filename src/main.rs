//! The program. [`cti_bridge`] has the rest.

use std::process::ExitCode;

fn main() -> ExitCode {
    cti_bridge::cli::main().into()
}
