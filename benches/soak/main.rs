//! Runs the bridge for a long time while everything around it fails at random.
//!
//! `cargo bench --bench soak -- [--minutes 30] [--seed N]`; see benches/README.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a program for measuring")]

#[path = "../../tests/it/support/faulty_proxy.rs"]
#[allow(dead_code, reason = "the program uses a part of it")]
mod faulty_proxy;
#[path = "../../tests/it/support/nats.rs"]
#[allow(dead_code, reason = "the program uses a part of it")]
mod nats;
#[path = "../../tests/it/support/soak/mod.rs"]
#[allow(dead_code, reason = "the program uses a part of it")]
mod soak;

use std::{process::ExitCode, time::Duration};

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let place = args.iter().position(|arg| arg == name)?;
        args.get(place + 1).map(|text| text.parse::<u64>().unwrap())
    };
    let length = Duration::from_mins(number("--minutes").unwrap_or(30));
    let seed = number("--seed").unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    let verdict = soak::run(soak::Settings { seed, length, kills: length / 3 }).await;
    println!("{}", verdict.summary());
    let broken = verdict.broken();
    for broken in &broken {
        println!("BROKEN: {broken}");
    }
    if broken.is_empty() {
        println!("all invariants hold");
        return ExitCode::SUCCESS;
    }
    let log = std::env::temp_dir().join(format!("cti-bridge-soak-{seed}.log"));
    std::fs::write(&log, &verdict.log).unwrap();
    println!("the bridge's log: {}", log.display());
    ExitCode::FAILURE
}
