//! Measures how long a source stays down after an outage of its PBX has ended.
//!
//! `cargo bench --bench recovery -- [--outages 100] [--scale 1.0] [--parallel 24] [--seed 1]`; see benches/README.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program for measuring"
)]

mod front;
mod place;
mod table;

use std::{
    collections::VecDeque,
    process::ExitCode,
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use front::Fault;
use place::Place;
use table::Measured;

/// A source is back within this time of the end of any outage.
const TARGET: Duration = Duration::from_secs(5);
const SHORTEST: f64 = 1.0;
const LONGEST: f64 = 300.0;

/// A planned outage.
#[derive(Debug, Clone, Copy)]
struct Outage {
    fault: Fault,
    lasts: Duration,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let number = |name: &str, default: f64| {
        let place = args.iter().position(|arg| arg == name);
        place.map_or(default, |place| args.get(place + 1).unwrap().parse().unwrap())
    };
    let (outages, parallel) = (number("--outages", 100.0) as usize, number("--parallel", 24.0) as usize);
    let plan = plan(outages, number("--scale", 1.0), number("--seed", 1.0) as u64);
    println!("{outages} outages, {parallel} PBXs at a time\n");
    let plan = Arc::new(Mutex::new(plan));
    let lanes: Vec<_> =
        (0..parallel.min(outages)).map(|lane| tokio::spawn(run(lane, Arc::clone(&plan)))).collect();
    let mut measured = Vec::new();
    for lane in lanes {
        measured.extend(lane.await.unwrap());
    }
    table::print(&measured);
    let late = measured.iter().filter(|measured| measured.away > TARGET).count();
    println!("\n{late} of {} were away for longer than {} s", measured.len(), TARGET.as_secs());
    if late == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Plans outages whose lengths are spread evenly on a logarithmic scale, for each fault alike. The longest come first, so that
/// all PBXs end at about the same time.
fn plan(outages: usize, scale: f64, seed: u64) -> VecDeque<Outage> {
    let mut rng = Rng::with_seed(seed);
    let mut plan: Vec<Outage> = (0..outages)
        .map(|index| {
            let share = (index as f64 + rng.f64()) / outages as f64;
            let lasts = SHORTEST * (LONGEST / SHORTEST).powf(share) * scale;
            Outage { fault: Fault::ALL[index % Fault::ALL.len()], lasts: Duration::from_secs_f64(lasts) }
        })
        .collect();
    plan.sort_by_key(|outage| std::cmp::Reverse(outage.lasts));
    plan.into()
}

/// Runs outages on one PBX and its source until none are left.
async fn run(lane: usize, plan: Arc<Mutex<VecDeque<Outage>>>) -> Vec<Measured> {
    let mut rng = Rng::with_seed(lane as u64);
    let place = Place::start().await;
    let mut measured = Vec::new();
    loop {
        // Long enough for a stable session, but not for the reset of earlier failures each time.
        tokio::time::sleep(Duration::from_secs_f64(6.0 + 30.0 * rng.f64().powi(3))).await;
        let next = plan.lock().unwrap().pop_front();
        let Some(outage) = next else { return measured };
        let away = place.suffer(outage.fault, outage.lasts).await;
        eprintln!("{:?} for {:.1?}: back after {away:.1?}", outage.fault, outage.lasts);
        measured.push(Measured { fault: outage.fault, lasted: outage.lasts, away });
    }
}
