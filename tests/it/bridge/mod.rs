//! The real binary, end to end.

mod account;
mod copies;
mod core_dump;
mod jetstream;
mod kafka;
mod kill;
mod kill_calls;
mod log;
mod nats;
mod privacy;
mod reload;
mod reload_rules;
mod signals;
mod stop;
mod systemd;
mod trust;
