//! The reason why a text is not a valid value.

use std::borrow::Cow;

/// The reason why a text is not a valid value, with the remedy. It follows the key or the flag in a message, and never
/// quotes the text, which may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(Cow<'static, str>);

impl InvalidValue {
    pub(crate) const fn new(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }

    /// Adds a word that is valid as well.
    pub(super) fn or(self, word: &str) -> Self {
        Self(format!("{}, or \"{word}\"", self.0).into())
    }
}
