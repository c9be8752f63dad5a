//! Tests of the journal on real and simulated disks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod absences;
mod damage;
mod derived;
mod disk;
mod erase;
mod faults;
mod formats;
mod handles;
mod heads;
mod losses;
mod model;
mod model_bounded;
mod order;
mod process;
mod removed;
mod search;
mod state_losses;
mod superseded;
mod unchanged;
mod writes;
