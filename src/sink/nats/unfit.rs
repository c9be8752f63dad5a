//! Events that cannot become a message.

/// Why an event cannot be sent, or was refused for good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// It is larger than a limit of the server or the stream.
    #[error("{size} bytes are more than {place} takes ({limit}): raise {setting}")]
    TooLarge { size: usize, place: String, limit: usize, setting: &'static str },
    /// The template makes no subject of its names.
    #[error("its subject is not UTF-8: check `subject`")]
    Subject,
    /// An attribute has a character that no header may have.
    #[error("an attribute can't be a header: please report this")]
    Attribute,
    /// `Nats-Msg-Id` can't be made.
    #[error("its source's name can't be a header")]
    Source,
    /// In the server's words, by an answer to an earlier attempt.
    #[error("{0}")]
    Refused(String),
}
