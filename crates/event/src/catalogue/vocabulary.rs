//! The words of the catalogue: classes, audiences, personal data and JSON types.

use serde::Deserialize;

/// Class of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Events of the PBX.
    Event,
    /// Notices of the bridge.
    Bridge,
    /// Heartbeats.
    Status,
    /// Dead letters.
    Dlq,
    /// Events of calls.
    Call,
}

impl Class {
    /// Returns the class as in a NATS subject.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Bridge => "bridge",
            Self::Status => "status",
            Self::Dlq => "dlq",
            Self::Call => "call",
        }
    }
}

/// Accounts that receive an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// Every account.
    All,
    /// Accounts whose profile grants a right.
    Right,
    /// Accounts that own the extension, mailbox or conference.
    Owner,
    /// Accounts that asked for it.
    Subscriber,
}

/// Class of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Personal {
    /// A telephone number.
    Number,
    /// The name of a person.
    Name,
    /// An IP, MAC, SIP or e-mail address.
    Address,
    /// The name of a channel or of a pair of channels, which holds a number or the name of a trunk.
    Channel,
    /// A picture.
    Media,
    /// What somebody said.
    Speech,
    /// What somebody wrote.
    Text,
    /// Not personal, though it may look so: an id.
    None,
}

impl Personal {
    /// Returns the class as in the schemas.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Name => "name",
            Self::Address => "address",
            Self::Channel => "channel",
            Self::Media => "media",
            Self::Speech => "speech",
            Self::Text => "text",
            Self::None => "none",
        }
    }
}

/// A JSON type. An integer is a number without fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl Type {
    /// Returns the type as in the schemas.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

/// The JSON types of a value, one or several.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "OneOrMany")]
pub struct Types(Vec<Type>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(Type),
    Many(Vec<Type>),
}

impl From<OneOrMany> for Types {
    fn from(types: OneOrMany) -> Self {
        Self(match types {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        })
    }
}

impl std::ops::Deref for Types {
    type Target = [Type];

    fn deref(&self) -> &[Type] {
        &self.0
    }
}
