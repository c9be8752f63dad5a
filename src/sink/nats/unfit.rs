//! Events that cannot become a message.

/// The reason why an event can't be sent, or was refused permanently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// It exceeds a limit of the server or the stream.
    #[error("{size} bytes exceed the limit of {place} ({limit}): raise {setting}")]
    TooLarge { size: usize, place: String, limit: usize, setting: &'static str },
    /// The template results in an invalid subject.
    #[error("its subject is not UTF-8: check `subject`")]
    Subject,
    /// An attribute contains a character that is invalid in a header.
    #[error("an attribute can't be a header: please report this")]
    Attribute,
    /// The source's name is invalid in `Nats-Msg-Id`.
    #[error("its source's name can't be a header")]
    Source,
    /// The server refused it when it was sent before, for this reason.
    #[error("{0}")]
    Refused(String),
}
