//! Tests in a process of their own.

use std::process::Command;

/// A command that runs a single test of this program, by its `module_path!()` and its name.
pub(crate) fn again(module: &str, test: &str) -> Command {
    let (_, module) = module.split_once("::").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("{module}::{test}")]);
    command
}
