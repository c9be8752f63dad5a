//! Record → verdict: where it goes, or that it goes nowhere.
//!
//! A [`Plan`] belongs to one sink. It is pure but for its cache of names: the same record always gets
//! the same verdict, so a record that is sent again goes where it went.

mod names;
mod plan;
pub mod privacy;
pub mod template;

pub use names::Names;
pub use plan::{Plan, Published, REPLAY, Verdict};
