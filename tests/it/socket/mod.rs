//! The connection to a PBX.

mod dial;
mod pause;
