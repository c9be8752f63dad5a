//! One live session per PBX.
//!
//! [`step`] makes the decisions and does no I/O; the supervisor carries them out: token, socket, journal. A panic in a
//! session's task ends the session like any other error.
//!
//! One task reads frames and appends them to the journal, without a channel between the two, and appends all frames of a
//! wake-up together. So a slow consumer never makes the PBX buffer events for the bridge.

mod account;
mod attempt;
pub mod config;
mod context;
mod drift;
mod feed;
pub(crate) mod frames;
mod handover;
mod live;
pub(crate) mod login;
mod overlap;
mod resync;
mod retry_policy;
mod state;
mod supervisor;
pub mod takeover;
mod visibility;

pub(crate) use account::{account, account_with, client};
pub use drift::{Detector, Finding, Findings};
pub use retry_policy::{PASSWORD_TRIES, PROVEN_TRIES, RetryPolicy, SOCKET_TRIES};
pub use state::{Action, Attempt, Input, Phase, State, step};
pub use supervisor::{Source, run};
pub use takeover::Away;
