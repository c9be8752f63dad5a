//! Records that follow from others: derived once, when their cause is appended, and stored behind it.

use std::{
    fmt::{self, Debug},
    sync::Arc,
};

use event::{EncodedCall, Record, Seq};
use jiff::Timestamp;

/// Derives records from the records of one source. The journal calls it under its lock, so it must be fast.
///
/// Pure but for its state: the same records and times give the same derived records in the same order.
pub trait Derive: Debug + Send {
    /// Returns what follows from the next record, in order.
    fn fold(&mut self, record: &Record) -> Vec<Derived>;
    /// Returns true if [`Derive::tick`] has something to do at this time.
    fn is_due(&self, at: Timestamp) -> bool;
    /// Returns what follows from the time alone.
    fn tick(&mut self, at: Timestamp) -> Vec<Derived>;
    /// Takes over a stored record that this state does not give. Called during recovery only.
    fn adopt(&mut self, stored: &EncodedCall);
    /// Ends everything that goes on, because nothing will be derived any more. `cause` is the newest record.
    fn finish(&mut self, cause: Seq, at: Timestamp) -> Vec<Derived>;
    /// Returns the state.
    fn save(&self) -> Vec<u8>;
    /// Replaces the state by a saved one. Returns false, and changes nothing, if it is of another version.
    fn restore(&mut self, saved: &[u8]) -> bool;
}

/// A derived record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// Time of the record.
    pub at: Timestamp,
    /// Content.
    pub call: EncodedCall,
}

/// Creates the state of the source with this name.
pub type NewState = Arc<dyn Fn(&str) -> Box<dyn Derive> + Send + Sync>;

/// What a journal derives.
#[derive(Clone)]
pub struct Derivation {
    /// Creates the state of the source with a name.
    pub new: NewState,
    /// Names of the sources whose records are derived from.
    pub sources: Vec<String>,
}

impl Derivation {
    /// Creates the states of the sources with these names; `None` for those that are left out.
    pub(crate) fn states(&self, names: &[String]) -> Vec<Option<Box<dyn Derive>>> {
        names.iter().map(|name| self.sources.contains(name).then(|| (self.new)(name))).collect()
    }
}

impl Debug for Derivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derivation").field("sources", &self.sources).finish_non_exhaustive()
    }
}
