//! The reasons why a link ended or could not be opened.

use std::{error::Error, fmt};

use crate::{
    health::{Cause, Trouble},
    text::PeerText,
};

/// The reason why a link ended or could not be opened. The variant determines what the driver does.
///
/// `{}` prints what failed and the remedy, without the [`source`](Error::source). `{:#}` prints the source in between: the one
/// line for logs, status and commands.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// A temporary failure: the driver backs off and tries again.
    #[error(transparent)]
    Again(Failure),
    /// A failure that an operator must fix first: the driver tries again slowly.
    #[error(transparent)]
    Operator(Failure),
    /// The destination is gone for good, such as a closed pipe: the driver ends, and the process stops.
    #[error(transparent)]
    Gone(Failure),
}

/// What failed, why, and the remedy.
#[derive(Debug, thiserror::Error)]
pub struct Failure {
    cause: Cause,
    what: String,
    /// The underlying error, if there is one. May quote a peer.
    source: Option<Box<dyn Error + Send + Sync>>,
    /// `None` if `what` contains it.
    remedy: Option<String>,
}

impl Failure {
    fn new(cause: Cause, what: String) -> Self {
        Self { cause, what, source: None, remedy: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(source) = self.source.as_ref().filter(|_| f.alternate()) {
            write!(f, ": {}", PeerText::new(&source.to_string()))?;
        }
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}

impl From<&str> for Failure {
    fn from(what: &str) -> Self {
        what.to_owned().into()
    }
}

impl From<String> for Failure {
    fn from(what: String) -> Self {
        Self::new(Cause::worded(&what), what)
    }
}

impl SinkError {
    /// A temporary failure. `what` is what failed, with the remedy unless [`remedy`](Self::remedy) adds it.
    pub fn again(kind: Trouble, what: impl Into<String>) -> Self {
        Self::Again(Failure::new(kind.into(), what.into()))
    }

    /// A failure that an operator must fix.
    pub fn operator(kind: Trouble, what: impl Into<String>) -> Self {
        Self::Operator(Failure::new(kind.into(), what.into()))
    }

    /// Adds the underlying error.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.failure_mut().source = Some(source.into());
        self
    }

    /// Adds a remedy, after one that is there.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        let failure = self.failure_mut();
        let (before, remedy) = (failure.remedy.take(), remedy.into());
        failure.remedy = Some(before.map_or_else(|| remedy.clone(), |before| format!("{before}; {remedy}")));
        self
    }

    /// Names the peer, where a sink has several: the same failure at another peer is another cause.
    #[must_use]
    pub fn at(mut self, peer: &str) -> Self {
        peer.clone_into(&mut self.failure_mut().cause.peer);
        self
    }

    /// The sink stores no events.
    pub(super) fn keeps_nothing() -> Self {
        Self::operator(
            Trouble::Setup,
            "this sink stores no events that could be read back: only Kafka and mode \"jetstream\" of NATS do",
        )
    }

    /// The cause that identifies the failure.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_in_the_chain_or_in_the_line_but_never_twice() {
        let io = std::io::Error::other("disk\nfull");
        let error = SinkError::again(Trouble::Local, "can't write").because(io).remedy("free space");
        assert_eq!(error.to_string(), "can't write; free space");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("disk\nfull"));
        assert_eq!(format!("{error:#}"), "can't write: disk\\nfull; free space");
        let error = error.remedy("or stop");
        assert_eq!(format!("{error:#}"), "can't write: disk\\nfull; free space; or stop");
    }
}
