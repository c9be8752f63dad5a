//! The connection to a PBX.

mod dial;
mod node;
mod pause;
