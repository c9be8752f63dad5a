//! A loss is not silent if the process is killed before it announces it.

use std::process::Command;

use crate::process::again;
use journal_kit::losses;

/// `benches/kills --losses` runs more of them.
const ROUNDS: u32 = 12;

fn writer() -> Command {
    let mut command = again(module_path!(), "the_writer_of_a_round");
    command.args(["--ignored", "--nocapture"]);
    command
}

#[test]
fn a_kill_before_the_announcement_hides_no_loss() {
    let seed = fastrand::u64(..u64::MAX / 2);
    let outcome = losses::run(seed, ROUNDS, writer);
    assert!(outcome.broken.is_empty(), "{outcome}: {:#?}", outcome.broken);
    assert!(outcome.lost > u64::from(ROUNDS), "{outcome}");
}

#[test]
#[ignore = "the process that the other one kills"]
fn the_writer_of_a_round() {
    losses::write();
}
