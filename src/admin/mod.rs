//! The admin endpoint: health, status, metrics and actions over HTTP.
//!
//! ```text
//! GET  /           a page for people                     GET  /livez      does the process make progress?
//! GET  /status     the same for programs                 GET  /readyz     is every component active? if not, which is not?
//! GET  /metrics    OpenMetrics                           GET  /startupz   has it started?
//! GET  /config/diff    what a reload would change, and what needs a restart
//! POST /actions/resync · /actions/reconnect · /actions/log-level
//! ```
//!
//! **Guarantees.** It never blocks the event path: every answer is made from a copy of counters. No answer contains a secret
//! or an argument of an event. `/livez` checks neither PBX nor broker, as a restart fixes neither. An address that cannot be
//! bound is reported and retried, and stops no event. Health is answered within a second however many clients connect and
//! send nothing.
//!
//! **Not its job.** It has no TLS and no users: it listens on loopback by default, and actions are off until they are enabled
//! with a token. Unknown host names are answered with 421, except for health and metrics.

mod actions;
mod certificates;
mod collect;
pub mod config;
mod history;
mod hosts;
mod page;
mod recent;
mod reload;
pub(crate) mod served;
mod server;
mod slots;
mod status;

pub use reload::{NewRulesStatus, ReloadStatus};
pub use server::run;
pub use status::{JournalStatus, SinkStatus, SourceStatus, Status, View};
