//! Sinks: the destinations of events.
//!
//! # What a sink must do
//! A [`Sink`] opens [`Link`]s, each of which is one connection to a broker. A link
//! * sends batches in order, and never reorders the events of a partition;
//! * reports what the broker has acknowledged as a prefix: [`Acked::through`] covers every event sent up to there, so a sink
//!   whose broker acknowledges out of order must hold acknowledgements back;
//! * reports an event that the broker refuses permanently as [`Acked::refused`], in its place in the order. An event counts as
//!   refused only if it was refused alone, through its own fault, by current limits. A refusal for any other reason ends the
//!   link;
//! * publishes a dead letter, and returns once the broker has stored or refused it;
//! * ends with its first error. A link never reconnects, retries or waits;
//! * states in each error what failed, where, and the remedy, and reveals no secret.
//!
//! # What the driver does
//! One [`Driver`] serves every kind of sink. It reconnects with backoff, limits the events in flight and the time for an answer,
//! maintains the cursor and the ledger, sends heartbeats, writes dead letters, switches to reloaded rules, and refuses to
//! write where another journal writes. After a link has ended it opens a new one, reads the [`Tail`], and resends from the first event that was not
//! acknowledged.
//!
//! # What the rest of the bridge sees
//! [`SinkConfig`] is all that commands, `check`, the admin endpoint and a reload know about a sink. None of them depends on its
//! type. [`TYPES`] is the only list of sinks.
//!
//! # Add a sink
//! 1. Make a directory `src/sink/<name>/` with the files that every sink has:
//!
//!    | file | contents |
//!    |---|---|
//!    | `mod.rs` | what the sink guarantees, its `TYPE`, and `impl Sink` |
//!    | `config.rs` | the table `[sinks.NAME]` ([`SinkTable`]), and `impl SinkConfig` for the settings made from it |
//!    | `link.rs` | `impl Link` |
//!    | `probe.rs` | `impl Probe`, for `check` |
//!    | `overlap.rs` | finds two sinks of this type that conflict |
//!    | `tail.rs`, `read_back.rs` | read the newest events, and all events, if the sink stores them |
//!    | `subscribe.rs` | `impl Subscription`, for `tail`, if the sink supports subscriptions |
//! 2. Declare the module here, and add its `TYPE` to [`TYPES`]. A sink outside this crate calls [`register`] instead.
//! 3. Add a `Bench` to the conformance tests, which check this contract for every sink.

mod claim;
mod condition;
pub mod config;
mod context;
mod contract;
mod counters;
mod dead_letter;
mod delivery;
mod driver;
mod error;
mod flights;
pub mod heartbeat;
#[cfg(feature = "kafka")]
pub mod kafka;
mod kind;
#[cfg(feature = "nats")]
pub mod nats;
mod options;
pub mod overlap;
mod partition_end;
mod probe;
mod proof;
mod refusals;
pub(crate) mod registry;
mod renewal;
mod resume;
mod resume_partitions;
mod run;
mod send;
mod serve;
pub mod stdout;
pub mod stored_event;
mod subscribe;
mod switch;
pub mod verify;
pub mod verify_calls;

/// A sink that this build lacks.
#[cfg(not(feature = "kafka"))]
mod kafka {
    pub(super) const TYPE: super::SinkType = super::SinkType::absent("kafka");
}

/// A sink that this build lacks.
#[cfg(not(feature = "nats"))]
mod nats {
    pub(super) const TYPE: super::SinkType = super::SinkType::absent("nats");
}

pub use self::{
    claim::Claim,
    context::Context,
    contract::{Link, Sink},
    counters::{BUCKETS, Counters, SinkCounters, SinkCounts},
    delivery::{Acked, Outgoing, Partitions, Tail},
    driver::Driver,
    error::{Failure, SinkError},
    kind::{Bridge, Connecting, Kind, NoSubscription, RouteSubject, SinkConfig, Subscribing, Task},
    options::{Options, Outcome},
    overlap::Overlap,
    probe::{Probe, ProbeReport, ProbeStep},
    proof::{Process, Stored},
    registry::{SinkTable, SinkType, TooLate, register},
    renewal::Renewals,
    run::{read_back, replay, spawn},
    subscribe::Subscription,
    switch::{NewRules, SwitchState, Switches},
};

/// The sinks that come with the bridge.
pub const TYPES: [SinkType; 3] = [nats::TYPE, kafka::TYPE, stdout::TYPE];
