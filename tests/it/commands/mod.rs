//! The commands other than `run`.

#[cfg(feature = "nats")]
mod calls;
mod check;
mod check_sinks;
mod cli;
mod journal_erase;
mod journal_export;
mod journal_rename;
mod output;
mod privacy;
#[cfg(feature = "nats")]
mod route;
mod simulate;
mod tail;
mod token;
mod two_factor;
