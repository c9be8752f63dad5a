//! Decides for each record whether it is published, and under which names.
//!
//! A [`Plan`] belongs to one sink. It is pure except for its cache of names: the same record always gets
//! the same verdict, so that a record that is sent again has the same destination.

pub mod condition;
mod explain;
mod glob;
mod names;
mod plan;
pub mod privacy;
mod reach;
pub mod rules;
mod selector;
pub(crate) mod table;
pub mod template;
mod words;

pub use explain::Explanation;
pub use names::Names;
pub use plan::{Plan, Published, REPLAY, Rules, Verdict};
pub use privacy::Privacy;
pub use rules::{Route, Routes};
pub use selector::{Candidate, Mismatch};
