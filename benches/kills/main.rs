//! Kills the bridge again and again, starts clones of its machine while it runs, and replaces its journal by older snapshots.
//!
//! `cargo bench --bench kills -- [--sink jetstream|kafka] [--kills 100] [--rate 2000] [--clones 10] [--restores 10] [--seed N]`,
//! or for kills right after a loss `-- --losses 200 [--seed N]`; see benches/README.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a program for measuring"
)]

#[path = "../outage/bus.rs"]
mod bus;
#[path = "../common/mod.rs"]
mod common;
mod copies;
mod course;
#[path = "../../tests/it/support/faulty_proxy.rs"]
#[allow(dead_code, reason = "the program uses a part of it")]
mod faulty_proxy;
#[path = "../../tests/it/support/kafka.rs"]
#[allow(dead_code, reason = "the program uses a part of it")]
mod kafka;
mod machine;
#[path = "../../tests/it/support/nats.rs"]
#[allow(dead_code, reason = "the program uses a part of it")]
mod nats;
#[path = "../outage/report.rs"]
mod report;
#[path = "../outage/sender.rs"]
mod sender;
#[path = "../outage/stored.rs"]
mod stored;
#[path = "../outage/stream.rs"]
mod stream;
#[path = "../outage/topic.rs"]
mod topic;
mod verdict;

use std::process::{Command, ExitCode};

/// The number and rate of events.
#[derive(Debug, Clone, Copy)]
struct Load {
    events: usize,
    rate: u32,
}

/// The actions on the bridge.
#[derive(Debug, Clone, Copy)]
struct Settings {
    /// Determines the schedule, though not to the millisecond.
    seed: u64,
    kafka: bool,
    rate: u32,
    kills: u32,
    clones: u32,
    restores: u32,
}

/// The argument of the process that [`losses`] kills.
const WRITER: &str = "losses-writer";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if args.first().is_some_and(|arg| arg == WRITER) {
        journal_kit::losses::write();
        return ExitCode::SUCCESS;
    }
    let value = |name: &str| args.get(args.iter().position(|arg| arg == name)? + 1);
    let number = |name: &str| value(name).map(|text| text.parse::<u64>().unwrap());
    let count = |name: &str, default: u32| number(name).map_or(default, |it| it.try_into().unwrap());
    let seed = number("--seed").unwrap_or_else(|| fastrand::u64(..1 << 48));
    println!("seed {seed}");
    if args.iter().any(|arg| arg == "--losses") {
        return kills_after_losses(seed, count("--losses", 200));
    }
    let kafka = match value("--sink").map(String::as_str) {
        None | Some("jetstream") => false,
        Some("kafka") => true,
        Some(other) => panic!("--sink {other}: jetstream or kafka"),
    };
    let kills = count("--kills", 100);
    let settings = Settings {
        seed,
        kafka,
        rate: count("--rate", 2_000).max(1),
        kills,
        clones: count("--clones", 10).min(kills),
        restores: count("--restores", 10).min(kills),
    };
    tokio::runtime::Runtime::new().unwrap().block_on(course::run(settings)).print()
}

fn kills_after_losses(seed: u64, rounds: u32) -> ExitCode {
    let outcome = journal_kit::losses::run(seed, rounds, || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(WRITER);
        command
    });
    println!("{outcome}");
    verdict::conclude(&outcome.broken)
}
