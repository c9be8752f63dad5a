//! cti-bridge republishes every event of a NethVoice PBX on a message bus.
//!
//! ```text
//! config → auth ─▶ session ─▶ event ─▶ journal ─▶ route ─▶ sink ─▶ broker
//!            │        │                  │                  │
//!           api    socketio        one line for all    one driver each
//! ```
//!
//! Data flows one way; a module uses those upstream of it only by their data types.
//!
//! **The guarantee**: from the moment an event has been appended to the journal it is delivered to
//! every sink at least once and in order, or its loss is counted and announced on the line itself.
//! The PBX has no replay: what it sent while no session was live is announced as a `gap`.
//!
//! | module | owns |
//! |---|---|
//! | [`config`] | reading the configuration, and the errors that name file, line and key |
//! | [`auth`] | the account's token: login, one-time password, renewal, cache, logout |
//! | [`api`] | the PBX's REST interface |
//! | [`socket`] | a Socket.IO session with a PBX: dialling, and errors in an operator's terms |
//! | [`session`] | one live session per PBX: a pure state machine and its supervisor |
//! | [`event`] | what is on the line: records, notices, names, the CloudEvents envelope |
//! | [`journal`] | the line: appended by sessions, read by sinks |
//! | [`route`] | record → verdict: destination, filtered or set aside |
//! | [`sink`] | the sink contract, its one driver, and the sinks |
//! | [`telemetry`] | logs, and the table of metrics |
//! | [`text`] | what may be shown: text of peers made safe, secrets masked |
//! | [`admin`] | health, metrics, status, actions, over HTTP |
//! | [`reload`] | the configuration, read again while the bridge runs |
//! | [`systemd`] | what the service manager is told |
//! | [`bounds`] | the ranges of all numbers that a peer sends |
//! | [`hardening`] | no core dumps, no tracing |
//! | [`check`] | the chain walked once, each stage with its verdict and remedy |

pub mod admin;
pub mod api;
pub mod app;
pub mod auth;
pub mod bounds;
pub mod check;
pub mod cli;
pub mod commands;
pub mod config;
pub mod exit;
#[doc(hidden)]
#[allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "it fails by a panic")]
pub mod fuzz;
pub mod hardening;
pub mod health;
pub mod net;
pub mod reload;
pub mod request;
pub mod retry;
pub mod route;
mod runtime;
mod secret_file;
pub mod session;
pub mod shutdown;
pub mod sink;
pub mod socket;
pub mod systemd;
pub mod telemetry;
pub mod terminal;
pub mod tls;

pub use event;
pub use journal;
pub use socketio;
pub use text;
