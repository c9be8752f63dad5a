//! What others see of the bridge, and may ask of it: one HTTP endpoint.
//!
//! ```text
//! GET  /           a page for people                     GET  /livez      is the process making progress?
//! GET  /status     the same for programs                 GET  /readyz     does every part do its work? if not, which?
//! GET  /metrics    OpenMetrics                           GET  /startupz   has it started?
//! POST /actions/resync · /actions/reconnect · /actions/log-level
//! ```
//!
//! **What it promises.** It holds nothing up: every answer is made of a copy of some counters. No answer has a secret, nor
//! an argument of an event. `/livez` asks neither PBX nor broker, for a restart mends neither. An address that can't be had
//! stops no event: it is reported, and retried. However many connect and send nothing, health is answered within a second.
//!
//! **What it does not do.** It knows no TLS and no users: it listens on the machine itself, unless told otherwise; and
//! actions are off until they are switched on, with a token. A name that it is not known by is answered with 421, but for health
//! and metrics.

mod actions;
mod certificates;
mod collect;
pub mod config;
mod history;
mod hosts;
mod page;
mod places;
mod recent;
pub(crate) mod served;
mod server;
mod status;

pub use server::run;
pub use status::{JournalStatus, SinkStatus, SourceStatus, Status, View};
