//! One live session per PBX.
//!
//! [`step`] decides, and touches nothing; the supervisor does what it says: token, socket, line. A
//! panic in a session's task is an end like any other.
//!
//! Reading a frame and appending it happen in one task, without a channel between them, and all frames
//! of one wake-up are appended together. So a slow reader never makes the PBX keep our backlog: its
//! memory is not ours to fill.

mod attempt;
pub mod config;
mod context;
mod feed;
pub(crate) mod frames;
mod handover;
mod live;
pub(crate) mod login;
mod overlap;
mod pace;
mod resync;
mod sight;
mod state;
mod supervisor;
pub mod takeover;

pub use pace::{PASSWORD_TRIES, PROVEN_TRIES, Pace, SOCKET_TRIES};
pub use state::{Action, Attempt, Input, Phase, State, step};
pub use supervisor::{Source, run};
pub use takeover::Away;
