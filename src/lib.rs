//! cti-bridge republishes every event of a NethVoice PBX on a message bus.
//!
//! ```text
//! PBX ──▶ socket ──▶ session ──▶ journal ──▶ route ──▶ sink ──▶ broker
//!           │           │           │                   │
//!        socketio   auth, api     event        one driver per sink
//! ```
//!
//! Data flows one way; a module uses the ones before it only through their data types.
//!
//! **The guarantee**: once an event has been appended to the journal, it is delivered to every sink at least once and in
//! order, or its loss is counted and announced in the event stream. The PBX has no replay: a period without a live session is
//! announced as a `gap`.
//!
//! Crates of the workspace, in `crates/`:
//!
//! | crate | contents |
//! |---|---|
//! | [`event`] | records, notices, names, identities, the CloudEvents envelope |
//! | [`journal`] | the durable log: sessions append to it, sinks read from it |
//! | [`socketio`] | a Socket.IO client over a websocket, which knows no PBX |
//! | [`text`] | text that is safe to show: sanitised text of peers, masked secrets |
//! | `pbx_simulator` | a simulated PBX for `demo`, `simulate` and the tests; feature `simulator` |
//!
//! Modules of the bridge:
//!
//! | module | contents |
//! |---|---|
//! | [`cli`], [`commands`] | the command line, and one module per command |
//! | [`app`] | the running service: its tasks, its complete configuration, start and stop |
//! | [`config`] | reading a configuration, with errors that name file, line and key |
//! | [`api`] | the PBX's REST interface |
//! | [`auth`] | the account's token: login, one-time password, renewal, cache, logout |
//! | [`socket`] | a Socket.IO session with a PBX: dialling, and errors in an operator's terms |
//! | [`session`] | one live session per PBX: a pure state machine and its supervisor |
//! | [`route`] | the decision on each record: its names, or that it is filtered |
//! | [`sink`] | the sink contract, its one driver, and the sinks |
//! | [`admin`] | health, metrics, status and actions, over HTTP |
//! | [`check`] | tests every step from the configuration to the sinks, each with a verdict and a remedy |
//! | [`health`] | the state of each component, for log, status and heartbeats |
//! | [`reload`] | reloading the configuration of a running bridge |
//! | [`shutdown`] | signals, and the stages of a stop |
//! | [`systemd`] | notifications to the service manager |
//! | [`telemetry`] | the log, and the table of metrics |
//! | [`tls`] | TLS trust and certificate expiry for all connections |
//! | [`retry`], [`bounds`] | backoff, and the ranges of all numbers from a peer |
//! | [`hardening`] | disables core dumps and tracing of the process |
//! | [`request`], [`terminal`], [`exit`] | requests to a task, terminal input, exit codes |

pub mod admin;
pub mod api;
pub mod app;
pub mod auth;
pub mod bounds;
pub mod check;
pub mod cli;
pub mod commands;
pub mod config;
pub mod derive;
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
