//! Scripts of calls, as a PBX would show them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod office;
mod published;
mod random;
mod saved;
mod scripts;
mod sequences;
