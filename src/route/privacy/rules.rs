//! The kinds of data, and the places in an event that have them.

use std::borrow::Cow;

use super::settings::{Addresses, Content, Settings};
use crate::event::{Class, Node, Personal, Type, event_schema, notice_schema};

/// The kind of data at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Rule {
    /// Free of personal data, according to the catalogue: mostly ids that relate events to each other.
    Id,
    /// Described by the catalogue, without a class.
    Described,
    /// Not described by the catalogue.
    Unknown,
    /// A telephone number.
    Number,
    /// The number or name of the PBX's own extension, mailbox or trunk.
    OwnNumber,
    /// The name of anybody.
    Name,
    /// The name of the PBX's own user, queue or trunk.
    OwnName,
    /// The name that identifies a user.
    Username,
    /// The name of a channel, or of a pair of channels.
    Channel,
    /// An address, or anything within.
    Address,
    /// A picture, or anything within.
    Media,
    /// What somebody said, or anything within.
    Speech,
    /// What somebody wrote, or anything within.
    Text,
    /// The value of a key that can't be decoded.
    Hidden,
}

impl Rule {
    /// The rule for a value that the catalogue describes.
    fn declared(node: &Node) -> Self {
        match node.personal {
            Some(Personal::Number) if node.is_own => Self::OwnNumber,
            Some(Personal::Name) if node.is_own => Self::OwnName,
            Some(personal) => Self::of(personal),
            None => Self::Described,
        }
    }

    fn of(personal: Personal) -> Self {
        match personal {
            Personal::Number => Self::Number,
            Personal::Name => Self::Name,
            Personal::Address => Self::Address,
            Personal::Channel => Self::Channel,
            Personal::Media => Self::Media,
            Personal::Speech => Self::Speech,
            Personal::Text => Self::Text,
            Personal::None => Self::Id,
        }
    }

    /// The rule for a value that the catalogue does not describe, by its key. Any name may be an outside party's.
    fn guessed(key: &str) -> Self {
        let lower = if key.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(key.to_ascii_lowercase())
        } else {
            Cow::Borrowed(key)
        };
        match &*lower {
            "uniqueid" | "linkedid" => Self::Id,
            "pbcontact" | "callernotes" | "note" | "notes" | "text" => Self::Text,
            "transcription" | "summary" => Self::Speech,
            "image" | "avatar" | "attachments" => Self::Media,
            "ip" | "mac" | "email" => Self::Address,
            "num1" | "num2" | "to" | "cf" | "cfb" | "cfu" | "numcalled" | "channelexten" => Self::Number,
            USERNAME => Self::Username,
            "profilename" => Self::OwnName,
            key if key.ends_with("num") || key.ends_with("number") || key.ends_with("phone") => Self::Number,
            key if key.ends_with("name") => Self::Name,
            _ => Self::Unknown,
        }
    }

    /// Returns true if the rule holds for everything within the value.
    pub(super) fn is_deep(self, settings: Settings) -> bool {
        match self {
            Self::Address => settings.addresses != Addresses::Clear,
            Self::Media => settings.media == Content::Drop,
            Self::Speech => settings.speech == Content::Drop,
            Self::Text => settings.text == Content::Drop,
            Self::Hidden => true,
            _ => false,
        }
    }
}

/// The field that names a user, in every event.
const USERNAME: &str = "username";

/// The current place of the walk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) rule: Rule,
    /// The catalogue's schema of the value; `None` where it has none.
    pub(super) node: Option<&'static Node>,
}

/// The place of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyPlace {
    /// A field that the catalogue names.
    Field,
    /// A key of a map that the catalogue describes.
    Map(Rule),
    /// Any other.
    Unknown,
}

impl Place {
    /// The place of an event's arguments.
    pub(super) fn of_event(name: &[u8]) -> Self {
        Self::of_node(event_schema(name).map(|schema| &schema.data))
    }

    /// The place of the data of a bridge event or a heartbeat.
    pub(super) fn of_notice(class: Class, name: &str) -> Self {
        Self::of_node(notice_schema(class, name).map(|schema| &schema.data))
    }

    fn of_node(node: Option<&'static Node>) -> Self {
        Self { rule: node.map_or(Rule::Unknown, Rule::declared), node }
    }

    /// The place of an event's arguments and attachments, which the event's own schema does not describe.
    pub(super) fn beside_attachments(self, settings: Settings) -> Self {
        if self.rule.is_deep(settings) { self } else { Self { rule: Rule::Unknown, node: None } }
    }

    /// The place of the value of `key`; `None` is a key that can't be decoded.
    pub(super) fn under(self, key: Option<&str>, settings: Settings) -> Self {
        if self.rule.is_deep(settings) {
            return self;
        }
        let Some(key) = key else { return Self { rule: Rule::Hidden, node: None } };
        let node = self.node.and_then(|node| node.field(key.as_bytes()));
        let rule = match node.map_or_else(|| Rule::guessed(key), Rule::declared) {
            Rule::Name | Rule::OwnName if key == USERNAME => Rule::Username,
            rule => rule,
        };
        Self { rule, node }
    }

    /// The place of an element of an array.
    pub(super) fn element(self, settings: Settings) -> Self {
        match self.node.and_then(|node| node.items.as_deref()) {
            Some(node) if !self.rule.is_deep(settings) => {
                Self { rule: Rule::declared(node), node: Some(node) }
            }
            _ => self,
        }
    }

    /// The place of a key of this object.
    pub(super) fn key(self, key: &str) -> KeyPlace {
        let Some(node) = self.node else { return KeyPlace::Unknown };
        if node.properties.iter().any(|(name, _)| name == key) {
            return KeyPlace::Field;
        }
        match node.key_personal {
            // Extensions and mailboxes.
            Some(Personal::Number) => KeyPlace::Map(Rule::OwnNumber),
            Some(personal) => KeyPlace::Map(Rule::of(personal)),
            None => KeyPlace::Unknown,
        }
    }

    /// Returns true if the catalogue expects a number without quotes here, and not a telephone number.
    pub(super) fn is_numeric(self) -> bool {
        let numeric =
            |node: &Node| node.types.iter().any(|kind| matches!(kind, Type::Integer | Type::Number));
        matches!(self.rule, Rule::Id | Rule::Described) && self.node.is_some_and(numeric)
    }

    /// The place of a text: the catalogue does not describe one where it expects something else.
    pub(super) fn of_text(self) -> Self {
        let is_text = |node: &Node| node.types.contains(&Type::String);
        let is_described = matches!(self.rule, Rule::Id | Rule::Described);
        if is_described && !self.node.is_none_or(is_text) {
            Self { rule: Rule::Unknown, node: None }
        } else {
            self
        }
    }

    /// Returns true for a text that the catalogue lists.
    pub(super) fn is_known(self, text: &str) -> bool {
        self.node.is_some_and(|node| node.known.iter().any(|known| known == text))
    }
}
