//! Runs tests that change global state in separate processes.

use std::process::Command;

/// Set in the process that [`is_own`] starts.
const OWN: &str = "TEST_IN_ITS_OWN_PROCESS";

/// A command that runs a single test of this program, by its `module_path!()` and its name.
pub(crate) fn again(module: &str, test: &str) -> Command {
    let (_, module) = module.split_once("::").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("{module}::{test}")]);
    command
}

/// Returns whether this process runs this test alone. If not, runs it in a separate process and panics if it fails.
pub(crate) fn is_own(module: &str, test: &str) -> bool {
    if std::env::var_os(OWN).is_some() {
        return true;
    }
    let output = again(module, test).arg("--nocapture").env(OWN, "1").output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}{stderr}");
    false
}
