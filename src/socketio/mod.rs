//! A client for Engine.IO 4 and Socket.IO 5 over a websocket, for the main namespace.
//!
//! **What it promises.**
//! * Every event arrives, whatever its name and arguments, with its bytes untouched ([`Frame`]).
//! * A frame that is no event is reported as [`Incoming::Bad`], and the connection lives. The one
//!   exception is text that is no UTF-8: RFC 6455 section 8.1 demands that the connection fails.
//! * Every wait is bounded: connecting, TLS, upgrade, opening, joining, each write ([`Limits`]).
//! * A dead line is noticed: by silence longer than the server's ping interval plus a margin, and by a probe
//!   that goes unanswered. Bytes that arrive are life, also those of a message that is not complete yet, and what arrived
//!   while the process was stopped is read before anything is judged. The server's own `pingTimeout` is ignored: a PBX announces 10,000 seconds.
//!
//! **What it does not do.** Reconnect, poll over HTTP, or join other namespaces. It never sends an
//! Engine.IO ping: a version 4 server closes the connection on one.
//!
//! Why our own: the crate `rust_socketio` 0.6 drops events it can't parse, without an error; renames an event
//! without arguments; hides events named `error` or `close`; keeps one attachment of several; waits
//! pingInterval + pingTimeout for a dead peer. It serves in tests, as an independent peer.

mod connection;
mod deadline;
pub(crate) mod dial;
mod error;
mod frame;
mod head;
mod json;
mod limits;
mod liveness;
mod open;
mod packet;
mod stream;
mod upgrade;

pub use connection::{Incoming, Socket};
pub(crate) use deadline::Deadline;
pub use dial::Target;
pub use error::{BadFrame, BadReason, CloseReason, ConnectError};
pub use frame::Frame;
pub use limits::Limits;
pub use packet::{Event, Malformed, Packet, decode};
