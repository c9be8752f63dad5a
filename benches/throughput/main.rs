//! Measures the cost of the bridge, compared with a lower bound and with a straightforward implementation.
//!
//! `cargo bench --bench throughput -- [--jetstream|--kafka] [--bridge] [--runs 5] [--events 100000]`; see benches/README.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unchecked_time_subtraction,
    reason = "a program for measuring"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../../tests/it/support/kafka.rs"]
#[allow(dead_code, reason = "the program uses a part of it")]
mod kafka;
mod passthrough;
mod process;
mod stream;
mod subscriber;
mod topic;

use std::time::{Duration, Instant};

use common::{frame, micros};
use pbx_simulator::{Account, Options, Simulator};
use process::{Bus, Contender, Server};
use stream::Stream;
use subscriber::Subscriber;

/// Events have consecutive numbers modulo this.
const ROUND: usize = 1_000;

#[derive(Debug, Clone, Copy)]
struct Figures {
    rate: f64,
    cpu: f64,
    p50: f64,
    p99: f64,
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if args.first().is_some_and(|arg| arg == "passthrough") {
        return passthrough::run(&args[1], &args[2], &args[3], &args[4]).await;
    }
    let number = |name: &str, default: usize| {
        let place = args.iter().position(|arg| arg == name);
        place.and_then(|place| args.get(place + 1)).map_or(default, |text| text.parse().unwrap())
    };
    let (runs, events) = (number("--runs", 5), number("--events", 100_000));
    println!("{events} events, {runs} interleaved runs; frame {} bytes", frame(0, 0).len());
    let wants = |name: &str| args.iter().any(|arg| arg == name);
    let bus = match (wants("--jetstream"), wants("--kafka")) {
        (true, _) => Bus::Stream,
        (_, true) => Bus::Kafka,
        _ => Bus::Core,
    };
    if bus != Bus::Core {
        println!("stores and journals on {}", common::file_system(&std::env::temp_dir()));
    }
    let contenders = if wants("--bridge") { Contender::bridge(bus) } else { Contender::all(bus) };
    let mut all: Vec<Vec<Figures>> = vec![Vec::new(); contenders.len()];
    for run in 1..=runs {
        for (contender, all) in contenders.iter().zip(&mut all) {
            let figures = measure(*contender, bus, events).await;
            println!(
                "run {run} {:<28} {:>8.0} events/s {:>6.2} us CPU/event  p50 {:>6.2} ms  p99 {:>6.2} ms",
                contender.name(),
                figures.rate,
                figures.cpu,
                figures.p50,
                figures.p99
            );
            all.push(figures);
        }
    }
    println!("medians:");
    for (contender, all) in contenders.iter().zip(&all) {
        let median = |of: fn(&Figures) -> f64| {
            let mut sorted: Vec<f64> = all.iter().map(of).collect();
            sorted.sort_by(f64::total_cmp);
            sorted[sorted.len() / 2]
        };
        println!(
            "{:<34} {:>8.0} events/s {:>6.2} us CPU/event  p50 {:>6.2} ms  p99 {:>6.2} ms",
            contender.name(),
            median(|f| f.rate),
            median(|f| f.cpu),
            median(|f| f.p50),
            median(|f| f.p99)
        );
    }
}

async fn measure(contender: Contender, bus: Bus, events: usize) -> Figures {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(bus, &dir.path().join("store")).await;
    let pbx = Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap();
    let mut subscriber = Subscriber::connect(&server);
    let process = contender.start(&pbx, &server.url(), dir.path()).await;
    pbx.live().wait_for(|live| *live == 1).await.unwrap();
    // Lets the contender start up and warm up.
    let frames: Vec<String> = (0..ROUND).map(|number| frame(number, 0)).collect();
    pbx.burst(&frames, 5 * ROUND);
    subscriber = tokio::task::spawn_blocking(move || subscriber.count(5 * ROUND, ROUND)).await.unwrap();
    let stream = if bus == Bus::Stream { Some(Stream::at_rest(&server.url()).await) } else { None };

    let cpu = process.cpu();
    let began = Instant::now();
    pbx.burst(&frames, events);
    let mut subscriber = tokio::task::spawn_blocking(move || subscriber.count(events, ROUND)).await.unwrap();
    // An event that a subscriber has seen may not be stored yet.
    if let Some(stream) = &stream {
        stream.holds(events).await;
    }
    let took = began.elapsed();
    let cpu = process.cpu() - cpu;
    let disorder = subscriber.disorder();
    if contender.may_reorder() {
        println!("{} put {disorder} of them out of order", contender.name());
    } else {
        assert_eq!(disorder, 0, "{} put some out of order", contender.name());
    }

    let collecting = tokio::task::spawn_blocking(move || subscriber.latencies(5_000, micros));
    let mut pace = tokio::time::interval(Duration::from_millis(1));
    for number in 0..5_000 {
        pace.tick().await;
        pbx.send_text(&frame(number % ROUND, micros()));
    }
    let mut latencies = collecting.await.unwrap();
    latencies.sort_unstable();
    let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize] as f64 / 1_000.0;
    Figures {
        rate: events as f64 / took.as_secs_f64(),
        cpu: cpu.as_secs_f64() * 1e6 / events as f64,
        p50: at(0.5),
        p99: at(0.99),
    }
}
