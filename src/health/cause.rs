//! Identifies a failure independently of its wording.

use std::collections::BTreeSet;

use jiff::Timestamp;

/// The cause of a failure: the same kind at the same peer is the same cause, whatever the text of the error.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// The kind of failure.
    pub kind: Trouble,
    /// The peer, if a component has several; empty otherwise.
    pub peer: String,
}

/// The kind of a failure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// No connection, or it was closed.
    Unreachable,
    /// TLS could not be established.
    Tls,
    /// The credentials were refused.
    Credentials,
    /// The account lacks a right.
    Permission,
    /// The peer is connected, but does not answer in time.
    Silent,
    /// The setup of the peer does not match the configuration.
    Setup,
    /// The peer rejects the messages.
    Refused,
    /// The stored data was written by another party.
    Foreign,
    /// A local error on this machine.
    Local,
    /// The peer's own error code.
    Code(i64),
    /// Only the text of the error, without its digits.
    Worded(String),
}

impl From<Trouble> for Cause {
    fn from(kind: Trouble) -> Self {
        Self { kind, peer: String::new() }
    }
}

impl Cause {
    /// A cause of which only the text is known.
    pub fn worded(sentence: &str) -> Self {
        Trouble::Worded(sentence.chars().filter(|ch| !ch.is_ascii_digit()).collect()).into()
    }
}

/// The number of causes logged per outage. Further ones follow from them, or are too many to read.
const LOGGED: usize = 16;

/// The time from the first failure until the component works again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outage {
    pub(super) since: Timestamp,
    /// Failures so far.
    pub(super) failures: u64,
    causes: BTreeSet<Cause>,
}

impl Outage {
    pub(super) fn new(since: Timestamp) -> Self {
        Self { since, failures: 0, causes: BTreeSet::new() }
    }

    /// Counts a failure. Returns true if its cause is new and needs a log line.
    pub(super) fn add(&mut self, cause: Cause) -> bool {
        self.failures += 1;
        self.causes.len() < LOGGED && self.causes.insert(cause)
    }
}
