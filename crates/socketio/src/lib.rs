#![doc = include_str!("../README.md")]

mod deadline;
mod error;
mod frame;
pub mod head;
mod liveness;
mod open;
mod options;
mod packet;
mod socket;
mod stream;
mod upgrade;

pub use deadline::Deadline;
pub use error::{BadFrame, BadReason, CloseReason, ConnectError};
pub use frame::Frame;
pub use options::{Options, Probe};
pub use packet::{Event, Malformed, Packet, decode};
pub use socket::{Incoming, Socket};
