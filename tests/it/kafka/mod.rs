//! The Kafka sink, against real brokers.

mod access;
mod calls;
mod delivery;
mod faults;
mod gapless;
mod late;
mod refusals;
mod renewal;
