//! An event as it is described: what follows from its schema.

use std::{borrow::Cow, fmt::Write as _};

use serde_json::{Map, Value, json};

use crate::event::{Audience, Class, Entity, NONE, Node, Personal, Schema, Template, entity_token, slug};

/// An event of the catalogue with its names on the bus.
pub(super) struct Entry {
    pub(super) schema: &'static Schema,
    /// CloudEvents type.
    pub(super) ty: String,
    /// CloudEvents subject of the first example; `None` without an entity.
    pub(super) subject: Option<String>,
    /// NATS subject of the first example.
    pub(super) nats: String,
    /// Kafka topic.
    pub(super) topic: &'static str,
    /// Kafka key of the first example.
    pub(super) key: String,
    /// Accounts that receive it; `None` for what the bridge sends.
    pub(super) audience: Option<String>,
}

/// A field of the data, on a line of its own.
pub(super) struct Field {
    /// Place in the data: `conversations.*.id`, where `*` is a key of a map or an index.
    pub(super) path: String,
    /// JSON types, and whether the field may be absent.
    pub(super) types: String,
    /// Description with known values.
    pub(super) meaning: String,
    /// Class of personal data; empty if it has none.
    pub(super) personal: String,
}

impl Entry {
    pub(super) fn of(schema: &'static Schema) -> Self {
        let example = schema.examples.first().map_or("", |example| example.get());
        let entity = schema.entity(example.as_bytes());
        let subject = entity.as_ref().map(Entity::subject);
        let token = entity.as_ref().map(Entity::key);
        let token = token.as_deref().map_or(Cow::Borrowed(NONE), |key| entity_token(Some(key)));
        let class = schema.class.as_str();
        let key = || subject.clone().unwrap_or_else(|| schema.name.clone());
        let (slug, token, key) = match schema.class {
            // A dead letter is named after the event.
            Class::Dlq => {
                (Cow::Borrowed("<event>"), Cow::Borrowed("<entity>"), "<subject or event>".to_owned())
            }
            Class::Call => (Cow::Borrowed("<step>"), token, key()),
            Class::Event | Class::Bridge | Class::Status => (slug(schema.name.as_bytes()), token, key()),
        };
        Self {
            schema,
            ty: schema.ty(),
            subject,
            nats: format!("cti.v1.<source>.{class}.{slug}.{token}"),
            topic: topic(schema.class),
            key: format!("<source>/{key}"),
            audience: schema.audience.map(|audience| sentence(audience, schema.right.as_deref())),
        }
    }

    /// Returns whether the event carries a state, is a signal, or comes from the bridge.
    pub(super) fn kind(&self) -> &'static str {
        match self.schema.class {
            Class::Event if self.schema.is_state => "state",
            Class::Event => "signal",
            Class::Bridge => "notice",
            Class::Status => "status",
            Class::Dlq => "dead letter",
            Class::Call => "call",
        }
    }

    /// Returns the steps of a call, from name to description; `None` for any other event.
    fn steps(&self) -> Option<Map<String, Value>> {
        let steps = self.schema.steps.iter().map(|step| (step.name.clone(), step.description.clone().into()));
        (!self.schema.steps.is_empty()).then(|| steps.collect())
    }

    /// Returns the subject's templates, comma-separated; `None` without an entity.
    pub(super) fn templates(&self) -> Option<String> {
        let templates: Vec<_> = self.schema.subjects.iter().map(Template::as_str).collect();
        (!templates.is_empty()).then(|| templates.join(", "))
    }

    /// Returns the fields in the schema's order, nested ones behind the one that holds them.
    pub(super) fn fields(&self) -> Vec<Field> {
        let mut fields = Vec::new();
        below(&self.schema.data, "", &mut fields);
        fields
    }

    /// Returns the examples as pretty-printed JSON.
    pub(super) fn examples(&self) -> impl Iterator<Item = String> {
        // In the schema they are elements of an array, two levels deep.
        self.schema.examples.iter().map(|example| example.get().replace("\n    ", "\n"))
    }

    pub(super) fn to_json(&self) -> Value {
        let schema: Value = serde_json::from_str(self.schema.text).unwrap_or_default();
        json!({
            "name": self.schema.title,
            "event": self.schema.name,
            "class": self.schema.class.as_str(),
            "kind": self.kind(),
            "type": self.ty,
            "steps": self.steps(),
            "subject": self.templates(),
            "nats": self.nats,
            "kafka": {"topic": self.topic, "key": self.key},
            "audience": self.audience,
            "right": self.schema.right,
            "arguments": self.schema.args,
            "since": self.schema.since,
            "schema": schema,
        })
    }
}

/// Returns the default topic of a class.
pub(super) fn topic(class: Class) -> &'static str {
    match class {
        Class::Event | Class::Bridge | Class::Call => "cti.events.v1",
        Class::Status => "cti.status.v1",
        Class::Dlq => "cti.dlq.v1",
    }
}

fn sentence(audience: Audience, right: Option<&str>) -> String {
    match audience {
        Audience::All => "every account".to_owned(),
        Audience::Right => format!("accounts whose profile grants `{}`", right.unwrap_or_default()),
        Audience::Owner => "only the account that owns the extension, mailbox or conference".to_owned(),
        Audience::Subscriber => "only accounts that subscribed to it".to_owned(),
    }
}

/// Appends the fields of an object, of a map's values or of an array's elements.
fn below(node: &'static Node, path: &str, fields: &mut Vec<Field>) {
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for (name, child) in node.properties.iter() {
        let is_required = node.required.contains(name);
        add(child, &join(name), is_required, None, fields);
    }
    if let Some(child) = &node.additional {
        add(child, &join("*"), true, node.key.as_deref(), fields);
    }
    if let Some(child) = &node.items {
        add(child, &join("*"), true, None, fields);
    }
}

fn add(node: &'static Node, path: &str, is_required: bool, key: Option<&str>, fields: &mut Vec<Field>) {
    let types: Vec<_> = node.types.iter().map(|kind| kind.as_str()).collect();
    let optional = if is_required { "" } else { ", optional" };
    let mut meaning = node.description.clone();
    // Writing to a String can't fail.
    if let Some(key) = key {
        let _ = write!(meaning, " Key: {}", lower_first(key));
    }
    if !node.known.is_empty() {
        let known: Vec<_> = node.known.iter().map(|known| format!("`{known}`")).collect();
        let _ = write!(meaning, " Known values: {}.", known.join(", "));
    }
    if node.is_volatile {
        meaning.push_str(" Changes without a change of state.");
    }
    let personal = match node.personal {
        None | Some(Personal::None) => String::new(),
        Some(class) if node.is_own => format!("{}, own", class.as_str()),
        Some(class) => class.as_str().to_owned(),
    };
    fields.push(Field {
        types: format!("{}{optional}", types.join(" or ")),
        meaning,
        personal,
        path: path.to_owned(),
    });
    below(node, path, fields);
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
}
