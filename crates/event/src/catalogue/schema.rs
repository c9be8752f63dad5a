//! The subset of JSON Schema in which the catalogue is written, and its annotations.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::subject::Template;
use crate::{call_type, event_type, notice_type, slug};

/// A schema of the catalogue: an event of the PBX, a notice of the bridge, a heartbeat or a dead letter.
///
/// Unknown keywords are an error, so that a typo in an annotation can't turn it off.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// Dialect; draft-07.
    #[serde(rename = "$schema")]
    pub dialect: String,
    /// Versioned URI of the schema.
    #[serde(rename = "$id")]
    pub id: String,
    /// Name of the schema, equal to the file's stem: `extenUpdate`, `bridge.gap`.
    pub title: String,
    /// What the event means.
    pub description: String,
    /// Class of the event, as in its NATS subject.
    #[serde(rename = "x-cti-class")]
    pub class: Class,
    /// Socket.IO name of an event, verbatim; otherwise the name in the CloudEvents type.
    #[serde(rename = "x-cti-name")]
    pub name: String,
    /// True if the event carries the complete state of its entity.
    #[serde(rename = "x-cti-state", default)]
    pub is_state: bool,
    /// Templates of the CloudEvents `subject`; empty for an event without an entity.
    #[serde(rename = "x-cti-subject", default)]
    pub subjects: Vec<Template>,
    /// Accounts that receive the event; `None` for anything but an event of the PBX.
    #[serde(rename = "x-cti-audience")]
    pub audience: Option<Audience>,
    /// Right of the profile that the event requires; `None` if it requires none.
    #[serde(rename = "x-cti-right")]
    pub right: Option<String>,
    /// Number of Socket.IO arguments.
    #[serde(rename = "x-cti-args", default = "one")]
    pub args: u16,
    /// Steps of a call, which share this schema; empty for any other class.
    #[serde(rename = "x-cti-steps", default)]
    pub steps: Vec<Step>,
    /// When the event is sent.
    #[serde(rename = "x-cti-when")]
    pub when: String,
    /// How often the event is sent.
    #[serde(rename = "x-cti-frequency")]
    pub frequency: String,
    /// Advice for consumers.
    #[serde(rename = "x-cti-use")]
    pub advice: String,
    /// Version of the bridge whose catalogue had the event first.
    #[serde(rename = "x-cti-since")]
    pub since: String,
    /// Complete examples of the data.
    pub examples: Vec<Box<RawValue>>,
    /// Types of the data.
    #[serde(rename = "type")]
    types: Types,
    #[serde(default)]
    required: Vec<String>,
    #[serde(default)]
    properties: Properties,
    #[serde(rename = "additionalProperties")]
    additional: Option<Box<Node>>,
    #[serde(rename = "x-cti-key")]
    key: Option<String>,
    #[serde(rename = "x-cti-key-personal")]
    key_personal: Option<Personal>,
    items: Option<Box<Node>>,
    #[serde(rename = "minItems", default)]
    min_items: usize,
    #[serde(rename = "maxItems", default = "unlimited")]
    max_items: usize,
    #[serde(rename = "x-cti-personal")]
    personal: Option<Personal>,
    #[serde(rename = "x-cti-own", default)]
    is_own: bool,
    /// The data. Filled in when the catalogue is compiled.
    #[serde(skip)]
    pub data: Node,
    /// The file's text. Filled in when the catalogue is compiled.
    #[serde(skip)]
    pub text: &'static str,
}

/// A step of a call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Name in the CloudEvents type.
    pub name: String,
    /// What has happened.
    pub description: String,
}

/// A value: the data, or a part of it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Meaning, format and unit.
    #[serde(default)]
    pub description: String,
    /// JSON types.
    #[serde(rename = "type")]
    pub types: Types,
    /// Values of a text that are known today; others may follow.
    #[serde(rename = "x-cti-known", default)]
    pub known: Vec<String>,
    /// Class of personal data; `None` leaves the value to the heuristics.
    #[serde(rename = "x-cti-personal")]
    pub personal: Option<Personal>,
    /// True if the value belongs to the PBX's own user or entity, not to an outside party.
    #[serde(rename = "x-cti-own", default)]
    pub is_own: bool,
    /// True if the value changes without a change of state.
    #[serde(rename = "x-cti-volatile", default)]
    pub is_volatile: bool,
    /// True if the value or a part of it is volatile. Filled in when the catalogue is compiled.
    #[serde(skip)]
    pub(super) has_volatile: bool,
    /// Meaning of the keys, if the object is a map.
    #[serde(rename = "x-cti-key")]
    pub key: Option<String>,
    /// Class of the keys, if the object is a map.
    #[serde(rename = "x-cti-key-personal")]
    pub key_personal: Option<Personal>,
    /// Fields that are always present.
    #[serde(default)]
    pub required: Vec<String>,
    /// Fields of an object, in the file's order.
    #[serde(default)]
    pub properties: Properties,
    /// Values of a map.
    #[serde(rename = "additionalProperties")]
    pub additional: Option<Box<Self>>,
    /// Elements of an array.
    pub items: Option<Box<Self>>,
    /// Minimum number of elements.
    #[serde(rename = "minItems", default)]
    pub min_items: usize,
    /// Maximum number of elements.
    #[serde(rename = "maxItems", default = "unlimited")]
    pub max_items: usize,
}

fn one() -> u16 {
    1
}

fn unlimited() -> usize {
    usize::MAX
}

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

/// Fields in the file's order.
#[derive(Debug, Default)]
pub struct Properties(Vec<(String, Node)>);

impl std::ops::Deref for Properties {
    type Target = [(String, Node)];

    fn deref(&self) -> &[(String, Node)] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Properties;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object of schemas")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Properties, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry::<String, Node>()? {
                    fields.push(field);
                }
                Ok(Properties(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl Node {
    /// Returns the schema of a field: declared, or as a value of the map. `None` if there is none.
    pub fn field(&self, key: &[u8]) -> Option<&Self> {
        let declared = self.properties.iter().find(|(name, _)| name.as_bytes() == key);
        declared.map(|(_, node)| node).or(self.additional.as_deref())
    }

    /// Returns the description of a part that the comparison with events can't handle.
    fn flawed(&self) -> Option<&str> {
        let is_declared = |name: &String| self.properties.iter().any(|(declared, _)| declared == name);
        if self.properties.len() > 64 || !self.required.iter().all(is_declared) {
            return Some(&self.description);
        }
        let parts = self.properties.iter().map(|(_, node)| node);
        parts.chain(self.additional.as_deref()).chain(self.items.as_deref()).find_map(Self::flawed)
    }

    /// Fills in [`Node::has_volatile`], and returns it.
    fn find_volatile(&mut self) -> bool {
        self.has_volatile = self.is_volatile;
        let fields = self.properties.0.iter_mut().map(|(_, node)| node);
        for part in fields.chain(self.additional.as_deref_mut()).chain(self.items.as_deref_mut()) {
            self.has_volatile |= part.find_volatile();
        }
        self.has_volatile
    }

    /// Returns whether the schema says anything about the fields of an object. If it does not, any may occur.
    pub fn describes_fields(&self) -> bool {
        !self.properties.is_empty() || self.additional.is_some()
    }
}

impl Schema {
    /// Returns the CloudEvents type: `cti.event.extenUpdate.v1`, `cti.bridge.gap.v1`. For the class `call`, with `<step>` in
    /// the place of the step.
    pub fn ty(&self) -> String {
        match self.class {
            Class::Event => event_type(&slug(self.name.as_bytes())),
            Class::Bridge | Class::Status | Class::Dlq => notice_type(&self.name),
            Class::Call => call_type("<step>"),
        }
    }

    /// Returns every CloudEvents type whose data the schema describes.
    pub fn types(&self) -> Vec<String> {
        match self.class {
            Class::Call => self.steps.iter().map(|step| call_type(&step.name)).collect(),
            _ => vec![self.ty()],
        }
    }

    /// Returns the names in the CloudEvents types: of the steps of a call, otherwise of the event.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let own = (self.class != Class::Call).then_some(&*self.name);
        own.into_iter().chain(self.steps.iter().map(|step| &*step.name))
    }

    /// Parses a file of the catalogue and checks what the types don't.
    pub(super) fn parse(stem: &str, text: &'static str) -> Result<Self, serde_json::Error> {
        let mut schema: Self = serde_json::from_str(text)?;
        let wrong = |what: &str| Err(de::Error::custom(format!("{stem}.json: {what}")));
        if schema.title != stem {
            return wrong("`title` differs from the file's name");
        }
        if !schema.id.ends_with(&format!("/v1/{stem}.json")) {
            return wrong("`$id` doesn't end with /v1/ and the file's name");
        }
        if (schema.class == Class::Event) != schema.audience.is_some() {
            return wrong("`x-cti-audience` belongs to the events of the PBX");
        }
        if (schema.audience == Some(Audience::Right)) != schema.right.is_some() {
            return wrong("`x-cti-right` belongs to the audience `right`");
        }
        if (schema.class == Class::Call) == schema.steps.is_empty() {
            return wrong("`x-cti-steps` belongs to the class `call`");
        }
        if schema.is_state && schema.subjects.is_empty() {
            return wrong("a state needs an entity");
        }
        schema.text = text;
        schema.data = Node {
            description: schema.description.clone(),
            types: std::mem::take(&mut schema.types),
            known: vec![],
            personal: schema.personal,
            is_own: schema.is_own,
            is_volatile: false,
            has_volatile: false,
            key: schema.key.take(),
            key_personal: schema.key_personal,
            required: std::mem::take(&mut schema.required),
            properties: std::mem::take(&mut schema.properties),
            additional: schema.additional.take(),
            items: schema.items.take(),
            min_items: schema.min_items,
            max_items: schema.max_items,
        };
        schema.data.find_volatile();
        if let Some(node) = schema.data.flawed() {
            return wrong(&format!(
                "more than 64 fields, or a required one that is not declared, in {node:?}"
            ));
        }
        Ok(schema)
    }
}
