//! Derives calls from the states of a PBX's extensions, queues and parking slots.
//!
//! The PBX announces states, not calls: an `extenUpdate` lists an extension's conversations, a `queueUpdate` the callers that
//! wait. A [`Tracker`] compares each state with the one before and derives the steps of calls: started, ringing, answered,
//! transferred, ended. It is pure: the same records give the same events.
//!
//! States are snapshots, so short ones are never seen, and the end of a call may be hidden by a gap. Where a step had to be
//! inferred, the event has `certain: false`.

mod call;
pub mod invariants;
mod model;
mod observe;
mod saved;
mod tracker;

pub use model::{
    CallEvent, CallKey, CallState, Direction, LegState, LegView, Outcome, Party, Step, Transfer, TransferKind,
};
pub use tracker::{Derived, Tracker};
