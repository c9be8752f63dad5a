//! Scripts of calls, as a PBX would show them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod office;
mod published;
mod random;
mod scripts;
mod sequences;
