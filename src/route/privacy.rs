//! Hides personal data in the events of a sink, in place.
//!
//! The text is not parsed and serialized again: whatever is not hidden stays byte for byte, duplicate keys, large
//! numbers and lone surrogates included. The catalogue gives the class of each value, and each class has a treatment.
//! What the catalogue does not describe is classified by its key, and by its form: numbers are found anywhere, in text, in names of
//! channels and in keys of objects. Where names are hidden, a text that the catalogue does not describe is treated as a name unless
//! it is evidently none.
//!
//! It fails closed: text that is not well-formed JSON becomes `"xxx"`. The profile `outside` hides what the PBX itself can hide, in
//! the same form, and does not detect a name under a key that does not indicate one.

mod channel;
pub mod config;
mod dialling;
mod entity;
mod free;
mod harmless;
mod key;
mod mentions;
mod own;
mod redactor;
mod rules;
mod settings;
mod text;
mod walk;

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

pub use dialling::{Dialling, E164};
pub use key::{InvalidKey, Key};
pub use mentions::mentions;
use own::OwnNumbers;
pub(crate) use redactor::Redactor;
use settings::Settings;
pub use settings::{Addresses, Content, Names, Numbers, Profile};

/// The replacement for hidden data.
const MASK: &str = "xxx";

/// The personal data that a sink hides. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Privacy(Arc<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    settings: Settings,
    own: OwnNumbers,
    /// The key of the pseudonyms. `None` if nothing needs one.
    key: Option<Key>,
    /// By source. A source without an entry has no country code.
    dialling: BTreeMap<String, Dialling>,
    /// The value of `ctiredacted`.
    label: Arc<str>,
}

impl Privacy {
    fn new(settings: Settings, own: OwnNumbers, key: Option<Key>) -> Self {
        let profile = settings.profile().map_or("custom", Profile::word);
        let label = match &key {
            Some(key) => format!("{profile}:{}", key.id()).into(),
            None => profile.into(),
        };
        Self(Arc::new(Inner { settings, own, key, dialling: BTreeMap::new(), label }))
    }

    /// Hides nothing.
    pub fn clear() -> Self {
        Self::new(Profile::Clear.into(), OwnNumbers::Short, None)
    }

    /// Hides outside parties, as the PBX itself can.
    pub fn outside() -> Self {
        Self::new(Profile::Outside.into(), OwnNumbers::Short, None)
    }

    /// Hides everything that names a person, with pseudonyms of this key.
    pub fn strict(key: Key) -> Self {
        Self::new(Profile::Strict.into(), OwnNumbers::Short, Some(key))
    }

    /// The same, for sources that dial by these rules.
    #[must_use]
    pub fn dialling(&self, dialling: BTreeMap<String, Dialling>) -> Self {
        Self(Arc::new(Inner { dialling, ..(*self.0).clone() }))
    }

    /// The key of the pseudonyms. `None` if nothing needs one.
    pub fn key(&self) -> Option<&Key> {
        self.0.key.as_ref()
    }

    /// Returns true if nothing is hidden.
    fn is_clear(&self) -> bool {
        self.0.settings.profile() == Some(Profile::Clear)
    }
}

/// Hides numbers and addresses of outside parties in a text.
pub(crate) fn outside_text(text: &str) -> Cow<'_, str> {
    let privacy = Privacy::outside();
    let texts = text::Texts { rules: &privacy.0, dialling: &Dialling::default() };
    texts.free(text).map_or(Cow::Borrowed(text), Cow::Owned)
}

impl Default for Privacy {
    fn default() -> Self {
        Self::clear()
    }
}

#[cfg(test)]
mod planted_tests;
#[cfg(test)]
mod strict_tests;
#[cfg(test)]
mod tests;
