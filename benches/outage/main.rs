//! Measures what is stored, and how often, when the broker, the network path, the bridge or the PBX fails.
//!
//! `cargo bench --bench outage -- [--kafka] [--rules] [--row N] [--events 10000] [--rate 1000]`, or for a long
//! outage of the broker `-- --memory [--minutes 10] [--rate 2000]` and `-- --backlog [--events 1000000]`; see benches/README.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a program for measuring"
)]

mod bus;
#[path = "../common/mod.rs"]
mod common;
#[path = "../../tests/it/support/faulty_proxy.rs"]
#[allow(dead_code, reason = "the program uses a part of it")]
mod faulty_proxy;
#[path = "../../tests/it/support/kafka.rs"]
#[allow(dead_code, reason = "the program uses a part of it")]
mod kafka;
mod long;
#[path = "../../tests/it/support/nats.rs"]
#[allow(dead_code, reason = "the program uses a part of it")]
mod nats;
mod report;
mod row;
mod rules;
mod sender;
mod stored;
mod stream;
mod topic;

use std::process::ExitCode;

use report::Report;
use row::Row;

/// The number and rate of events.
#[derive(Debug, Clone, Copy)]
struct Load {
    events: usize,
    rate: u32,
    /// With routes and strict privacy, reloaded every two seconds.
    has_rules: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let number = |name: &str| {
        let place = args.iter().position(|arg| arg == name)?;
        args.get(place + 1).map(|text| text.parse::<u32>().unwrap())
    };
    let wants = |name: &str| args.iter().any(|arg| arg == name);
    let load = Load {
        events: number("--events").unwrap_or(10_000).try_into().unwrap(),
        rate: number("--rate").unwrap_or(1_000).max(1),
        has_rules: wants("--rules"),
    };
    let kafka = wants("--kafka");
    if wants("--memory") {
        let minutes = number("--minutes").unwrap_or(10);
        return long::memory(kafka, number("--rate").unwrap_or(2_000), minutes).await;
    }
    if wants("--backlog") {
        return long::backlog(kafka, number("--events").unwrap_or(1_000_000).into()).await;
    }
    let only = number("--row");
    println!(
        "at least {} events of {} bytes at {}/s; stores and journals on {}\n",
        load.events,
        common::frame(0, 0).len(),
        load.rate,
        common::file_system(&std::env::temp_dir())
    );
    println!("{}", Report::HEAD);
    let mut kept = true;
    for row in Row::ALL.into_iter().filter(|row| only.is_none_or(|only| row.number() == only)) {
        let report = row.run(kafka, load).await;
        println!("{}", report.line(&format!("{}. {}", row.number(), row.name())));
        for broken in report.broken(row.promise()) {
            println!("<!-- row {}: {broken} -->", row.number());
            kept = false;
        }
    }
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
