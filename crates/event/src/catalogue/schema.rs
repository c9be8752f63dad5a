//! The subset of JSON Schema in which the catalogue is written, and its annotations.

use serde::{Deserialize, de};
use serde_json::value::RawValue;

use super::{
    node::{Node, Properties, unlimited},
    subject::Template,
    vocabulary::{Audience, Class, Personal, Types},
};
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

fn one() -> u16 {
    1
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
