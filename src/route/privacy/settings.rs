//! What is done with each class of personal data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A set of treatments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Nothing is hidden.
    #[default]
    Clear,
    /// Data of outside parties is hidden, in the form that the PBX itself uses.
    Outside,
    /// Everything that names a person is hidden; pseudonyms relate the events of one person.
    Strict,
}

/// The treatment of telephone numbers that are not own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Numbers {
    /// Unchanged.
    Clear,
    /// The last three digits become `xxx`.
    Truncate,
    /// A pseudonym.
    Pseudonym,
    /// `xxx`.
    Drop,
}

/// The treatment of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Names {
    /// Unchanged.
    Clear,
    /// Names of outside parties become `xxx`.
    Outside,
    /// A pseudonym.
    Pseudonym,
    /// `xxx`; usernames become pseudonyms.
    Drop,
}

/// The treatment of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Addresses {
    /// Unchanged.
    Clear,
    /// A pseudonym.
    Pseudonym,
    /// `xxx`.
    Drop,
}

/// The treatment of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// Unchanged.
    Clear,
    /// `xxx`.
    Drop,
}

/// The treatment of each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) numbers: Numbers,
    pub(super) names: Names,
    pub(super) addresses: Addresses,
    pub(super) media: Content,
    pub(super) speech: Content,
    pub(super) text: Content,
}

impl From<Profile> for Settings {
    fn from(profile: Profile) -> Self {
        let of = |numbers, names, addresses, content| Self {
            numbers,
            names,
            addresses,
            media: content,
            speech: content,
            text: content,
        };
        match profile {
            Profile::Clear => of(Numbers::Clear, Names::Clear, Addresses::Clear, Content::Clear),
            Profile::Outside => of(Numbers::Truncate, Names::Outside, Addresses::Drop, Content::Drop),
            Profile::Strict => of(Numbers::Pseudonym, Names::Pseudonym, Addresses::Drop, Content::Drop),
        }
    }
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 3] = [Self::Clear, Self::Outside, Self::Strict];

    /// The word for it in the configuration.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Outside => "outside",
            Self::Strict => "strict",
        }
    }
}

impl Settings {
    /// Returns the profile with the same treatments. `None` for a combination of one's own.
    pub(super) fn profile(self) -> Option<Profile> {
        Profile::ALL.into_iter().find(|profile| Self::from(*profile) == self)
    }

    /// Returns true if names are hidden, those of the PBX's own users included: any text may be one.
    pub(super) fn hides_names(self) -> bool {
        matches!(self.names, Names::Pseudonym | Names::Drop)
    }

    /// Returns true if numbers are replaced as a whole, and so must be found as a whole.
    pub(super) fn replaces_numbers(self) -> bool {
        matches!(self.numbers, Numbers::Pseudonym | Numbers::Drop)
    }

    /// Returns true if more is hidden than the PBX itself can hide.
    pub(super) fn is_thorough(self) -> bool {
        self.hides_names() || self.replaces_numbers() || self.addresses == Addresses::Pseudonym
    }

    /// Returns the setting that can't do without a key. `None` if none needs one.
    pub(super) fn needs_key(self) -> Option<&'static str> {
        if self.numbers == Numbers::Pseudonym {
            Some("numbers = \"pseudonym\"")
        } else if self.names == Names::Pseudonym {
            Some("names = \"pseudonym\"")
        } else if self.names == Names::Drop {
            // Users can't all have the same name in a subject.
            Some("names = \"drop\", for usernames,")
        } else if self.addresses == Addresses::Pseudonym {
            Some("addresses = \"pseudonym\"")
        } else {
            None
        }
    }
}
