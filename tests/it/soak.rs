//! Some minutes of everything failing at random; the program `benches/soak` does it for longer.
#![allow(clippy::print_stdout, reason = "tests")]
#![cfg(feature = "nats")]

use std::time::Duration;

use crate::support::soak;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_it_recovers_and_loses_nothing_silently() {
    let length = Duration::from_secs(160);
    let verdict = soak::run(soak::Settings { seed: fastrand::u64(..), length, kills: length / 3 }).await;
    println!("{}", verdict.summary());
    let broken = verdict.broken();
    assert!(broken.is_empty(), "{broken:#?}\n{}", verdict.log);
    assert!(verdict.faults.len() >= 50, "only {} faults", verdict.faults.len());
}
