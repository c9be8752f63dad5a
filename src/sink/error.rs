//! The reasons why a link ended or could not be opened.

use std::fmt;

use crate::health::{Cause, Trouble};

/// The reason why a link ended or could not be opened. The variant determines what the driver does.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// It may work soon: back off and try again.
    #[error("{0}")]
    Again(Failure),
    /// Somebody must repair something first: try again slowly, and say so.
    #[error("{0}")]
    Operator(Failure),
    /// The destination is gone for good, as a closed pipe is: stop the process.
    #[error("{0}")]
    Gone(Failure),
}

/// An error: a sentence with the remedy, and the cause that identifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    cause: Cause,
    sentence: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl From<&str> for Failure {
    fn from(sentence: &str) -> Self {
        Self { cause: Cause::worded(sentence), sentence: sentence.to_owned() }
    }
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self { cause: Cause::worded(&sentence), sentence }
    }
}

impl SinkError {
    /// An error that may be over soon.
    pub fn again(kind: Trouble, sentence: impl Into<String>) -> Self {
        Self::Again(Failure { cause: kind.into(), sentence: sentence.into() })
    }

    /// An error that somebody must repair.
    pub fn operator(kind: Trouble, sentence: impl Into<String>) -> Self {
        Self::Operator(Failure { cause: kind.into(), sentence: sentence.into() })
    }

    /// The sink keeps no events.
    pub(super) fn keeps_nothing() -> Self {
        Self::operator(
            Trouble::Setup,
            "this sink keeps nothing that could be read back: only Kafka and mode \"jetstream\" of NATS do",
        )
    }

    /// The cause that identifies it.
    pub fn cause(&self) -> &Cause {
        let (Self::Again(failure) | Self::Operator(failure) | Self::Gone(failure)) = self;
        &failure.cause
    }

    /// Returns true if the broker refused single events, which the next link sends one by one: while it progresses, that is no outage,
    /// and permanently refused events are counted in a separate warning.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Again(failure) if failure.cause.kind == Trouble::Refused)
    }

    fn failure_mut(&mut self) -> &mut Failure {
        let (Self::Again(failure) | Self::Operator(failure) | Self::Gone(failure)) = self;
        failure
    }

    /// The same at this peer, in these words.
    #[must_use]
    pub fn at(mut self, peer: &str, sentence: String) -> Self {
        let failure = self.failure_mut();
        peer.clone_into(&mut failure.cause.peer);
        failure.sentence = sentence;
        self
    }
}
