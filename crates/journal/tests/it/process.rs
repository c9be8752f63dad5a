//! Runs tests in a separate process.

use std::process::Command;

/// Returns a command that runs a single test of this binary, given its `module_path!()` and name.
pub(crate) fn again(module: &str, test: &str) -> Command {
    let (_, module) = module.split_once("::").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("{module}::{test}")]);
    command
}
