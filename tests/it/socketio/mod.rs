//! The Socket.IO client.

mod node;
mod pause;
mod peers;
