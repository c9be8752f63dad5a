//! Compares the calls that the tracker derives with what really happened in the simulated office. In process, in virtual time.
//!
//! A [`Bridge`] writes what the simulated PBX sends as records, and folds them; [`judge`] compares its calls with the past that the
//! simulator has kept. [`kills`] does so through a journal, and ends the process at each commit in turn.

mod bridge;
mod judge;
pub mod kills;
mod verdict;

pub use bridge::{Bridge, Interruption};
pub use judge::{describe, judge};
pub use verdict::{Flaw, FlawKind, Verdict};
