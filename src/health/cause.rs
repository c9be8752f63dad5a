//! What a failure is recognised by, however it is worded.

use std::collections::BTreeSet;

use jiff::Timestamp;

/// The same kind at the same peer is the same cause, whatever its sentence says this time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// What went wrong.
    pub kind: Trouble,
    /// Where, if a component has several peers; empty otherwise.
    pub peer: String,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// There is no connection, or it was closed.
    Unreachable,
    /// TLS can't be agreed on.
    Tls,
    /// The credentials are refused.
    Credentials,
    /// The account lacks a right.
    Permission,
    /// The peer is connected and does not answer in time.
    Silent,
    /// What the peer has does not fit the configuration.
    Setup,
    /// The peer refuses what is sent.
    Refused,
    /// What is stored was written by somebody else.
    Foreign,
    /// It went wrong on this machine.
    Local,
    /// The peer's own error code.
    Code(i64),
    /// Nothing but the sentence is known; numbers in it do not count.
    Worded(String),
}

impl From<Trouble> for Cause {
    fn from(kind: Trouble) -> Self {
        Self { kind, peer: String::new() }
    }
}

impl Cause {
    /// The cause of a sentence of which nothing else is known.
    pub fn worded(sentence: &str) -> Self {
        Trouble::Worded(sentence.chars().filter(|ch| !ch.is_ascii_digit()).collect()).into()
    }
}

/// Causes that are logged in one outage. Others follow from them, or are too many to read.
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

    /// Counts a failure. Returns whether its cause is new, and so is to be logged.
    pub(super) fn add(&mut self, cause: Cause) -> bool {
        self.failures += 1;
        self.causes.len() < LOGGED && self.causes.insert(cause)
    }
}
