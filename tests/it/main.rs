//! The integration tests: one program, a folder per subject.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod admin;
mod auth;
mod bridge;
mod commands;
mod config;
mod consumers;
mod event;
mod kafka;
mod language;
mod nats;
mod session;
mod sink;
mod soak;
mod socket;
mod support;
