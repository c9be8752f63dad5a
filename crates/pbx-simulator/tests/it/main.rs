//! The simulated PBX.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod legacy;
mod peer;
mod rest;
mod socket;
mod trigger;
mod trouble;
mod two_factor;
