//! Sinks: where events go.
//!
//! # What a sink must do
//! A [`Sink`] knows how to open a [`Link`]: one connection to a broker. A link
//! * sends batches in order, and never reorders the events of a partition;
//! * reports what the broker has acknowledged as a prefix: [`Acked::through`] covers every event sent up to there, so a sink
//!   whose broker acknowledges out of order must hold back;
//! * reports an event that the broker refuses for good as [`Acked::refused`], in its place in the order. An event counts as
//!   refused only if it was refused alone, for what it is, by limits that were read a moment ago. A refusal for one of the
//!   broker's own reasons ends the link;
//! * publishes a dead letter, and returns when the broker has it or refuses it;
//! * ends with its first error. A link never reconnects, retries or waits;
//! * names in each error what happened, where, and the remedy, and shows no secret.
//!
//! # What the driver does
//! One [`Driver`] serves every sink alike. It reconnects and backs off, bounds what is in flight and how long an answer may
//! take, keeps the cursor and the ledger, sends heartbeats, writes dead letters, and refuses to write beside another
//! journal. After a link has ended it opens a new one, reads the [`Tail`], and sends again from the first event that was not
//! acknowledged.
//!
//! # What the rest of the bridge sees
//! [`SinkConfig`] is all that commands, `check`, the admin endpoint and a reload know of a sink. None of them asks which sink
//! it is. [`TYPES`] is the one list of sinks.
//!
//! # Add a sink
//! 1. Make a directory `src/sink/<name>/` with the files that every sink has:
//!
//!    | file | contents |
//!    |---|---|
//!    | `mod.rs` | what the sink guarantees, its `TYPE`, and `impl Sink` |
//!    | `config.rs` | the table `[sinks.NAME]` ([`SinkTable`]), and `impl SinkConfig` for what becomes of it |
//!    | `link.rs` | `impl Link` |
//!    | `probe.rs` | `impl Probe`, for `check` |
//!    | `overlap.rs` | how two sinks of this type get into each other's way |
//!    | `tail.rs`, `read_back.rs` | the newest events, and all events, if the sink keeps them |
//!    | `subscribe.rs` | `impl Subscription`, for `tail`, if the sink can be listened to |
//! 2. Declare the module here, and add its `TYPE` to [`TYPES`]. A sink outside this crate calls [`register`] instead.
//! 3. Add a `Bench` to the conformance tests: they hold every sink to this contract.

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
mod serve;
pub mod stdout;
pub mod stored_event;
mod subscribe;
pub mod verify;

/// Stands for a sink that this build lacks.
#[cfg(not(feature = "kafka"))]
mod kafka {
    pub(super) const TYPE: super::SinkType = super::SinkType::absent("kafka");
}

/// Stands for a sink that this build lacks.
#[cfg(not(feature = "nats"))]
mod nats {
    pub(super) const TYPE: super::SinkType = super::SinkType::absent("nats");
}

pub use self::{
    claim::Claim,
    context::Context,
    contract::{Link, Sink},
    counters::{BUCKETS, Counted, Counters, SinkCounters},
    delivery::{Acked, Outgoing, Partitions, Tail},
    driver::Driver,
    error::{Failure, SinkError},
    kind::{Bridge, Kind, NoSubscription, SinkConfig, Task},
    options::{Options, Outcome},
    overlap::Overlap,
    probe::{Probe, ProbeReport, ProbeStep},
    proof::{Process, Stored},
    registry::{SinkTable, SinkType, TooLate, register},
    renewal::Renewals,
    run::{read_back, replay, spawn},
    subscribe::Subscription,
};

/// The sinks that come with the bridge.
pub const TYPES: [SinkType; 3] = [nats::TYPE, kafka::TYPE, stdout::TYPE];
