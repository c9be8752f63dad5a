//! The AsyncAPI 3.0 document (<https://www.asyncapi.com/docs/reference/specification/v3.0.0>), with NATS and Kafka
//! bindings.

use serde_json::{Map, Value, json};

use super::entry::topic;
use crate::event::{Class, Schema, schemas, slug};

/// Version of the Kafka bindings.
const KAFKA: &str = "0.5.0";

/// The brokers that the document describes.
#[derive(Clone, Copy)]
enum Broker {
    Nats,
    Kafka,
}

/// A channel that carries one schema, or on Kafka all of a class.
struct Channel {
    id: String,
    broker: Broker,
    title: String,
    address: String,
    parameters: Value,
    messages: Vec<&'static Schema>,
}

/// Returns the document.
pub(in crate::commands) fn document() -> Value {
    let channels = channels();
    let of_channels =
        |field: &dyn Fn(&Channel) -> (String, Value)| channels.iter().map(field).collect::<Map<_, _>>();
    let messages: Map<_, _> = [Broker::Nats, Broker::Kafka].into_iter().flat_map(messages).collect();
    let servers = |name: &str, host: &str| json!({ "host": host, "protocol": name, "description": "Your broker, as in the sink's configuration." });
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "cti-bridge",
            "version": "1.0.0",
            "description": "Events of a NethVoice PBX, its calls, and notices of the bridge, as CloudEvents 1.0 in binary mode. \
                Subjects and topics are the defaults. Within v1, changes are additive: ignore unknown events, fields and values.",
            "license": { "name": env!("CARGO_PKG_LICENSE") },
            "externalDocs": { "url": env!("CARGO_PKG_REPOSITORY") },
        },
        "defaultContentType": "application/json",
        "servers": {
            "nats": servers("nats", "nats.example.org:4222"),
            "kafka": servers("kafka", "kafka.example.org:9092"),
        },
        "channels": of_channels(&|channel| (channel.id.clone(), channel.to_json())),
        "operations": of_channels(&|channel| (format!("send.{}", channel.id), channel.operation())),
        "components": {
            "messages": messages,
            "schemas": payloads(),
        },
    })
}

fn channels() -> Vec<Channel> {
    let of_class = |class| schemas().iter().filter(move |schema| schema.class == class);
    let mut channels: Vec<_> = schemas().iter().map(on_nats).collect();
    channels.push(Channel {
        id: "nats.replay".to_owned(),
        broker: Broker::Nats,
        title: "What `journal replay` publishes again".to_owned(),
        address: "cti.v1.{source}.replay.{event}.{entity}".to_owned(),
        parameters: parameters(&["source", "event", "entity"]),
        messages: of_class(Class::Event)
            .chain(of_class(Class::Bridge))
            .chain(of_class(Class::Call))
            .collect(),
    });
    let topics = [
        (
            "kafka.events",
            "Events of the PBX, notices of the bridge and calls",
            topic(Class::Event),
            vec![Class::Event, Class::Bridge, Class::Call],
        ),
        ("kafka.status", "Heartbeats", topic(Class::Status), vec![Class::Status]),
        ("kafka.dlq", "Dead letters", topic(Class::Dlq), vec![Class::Dlq]),
        (
            "kafka.replay",
            "What `journal replay` publishes again",
            "cti.replay.v1",
            vec![Class::Event, Class::Bridge, Class::Call],
        ),
    ];
    channels.extend(topics.map(|(id, title, address, classes)| Channel {
        id: id.to_owned(),
        broker: Broker::Kafka,
        title: title.to_owned(),
        address: address.to_owned(),
        parameters: json!({}),
        messages: classes.into_iter().flat_map(of_class).collect(),
    }));
    channels
}

fn on_nats(schema: &'static Schema) -> Channel {
    let class = schema.class.as_str();
    let has_entity = !schema.subjects.is_empty();
    let slug = slug(schema.name.as_bytes());
    let (address, names): (String, &[&str]) = match schema.class {
        // A dead letter is named after the event.
        Class::Dlq => {
            (format!("cti.v1.{{source}}.{class}.{{event}}.{{entity}}"), &["source", "event", "entity"])
        }
        Class::Call => {
            (format!("cti.v1.{{source}}.{class}.{{step}}.{{entity}}"), &["source", "step", "entity"])
        }
        _ if has_entity => (format!("cti.v1.{{source}}.{class}.{slug}.{{entity}}"), &["source", "entity"]),
        _ => (format!("cti.v1.{{source}}.{class}.{slug}._"), &["source"]),
    };
    Channel {
        id: format!("nats.{}", schema.title),
        broker: Broker::Nats,
        title: schema.description.clone(),
        address,
        parameters: parameters(names),
        messages: vec![schema],
    }
}

fn parameters(names: &[&str]) -> Value {
    let parameter = |name: &str| match name {
        "source" => {
            json!({ "description": "Name of the source in the bridge's configuration.", "examples": ["pbx1"] })
        }
        "event" => {
            json!({ "description": "Name of the event, escaped.", "examples": ["extenUpdate", "satellite=2Fsummary"] })
        }
        "step" => {
            json!({ "description": "Step of the call.", "examples": ["started", "ended"] })
        }
        _ => {
            json!({ "description": "Entity, escaped; `_` if there is none.", "examples": ["201", "401=2F201"] })
        }
    };
    names.iter().map(|name| ((*name).to_owned(), parameter(name))).collect::<Map<_, _>>().into()
}

impl Broker {
    fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Kafka => "kafka",
        }
    }

    /// Returns the prefix of the attributes' headers.
    fn prefix(self) -> &'static str {
        match self {
            Self::Nats => "ce-",
            Self::Kafka => "ce_",
        }
    }
}

impl Channel {
    fn to_json(&self) -> Value {
        let broker = self.broker.name();
        let messages: Map<_, _> = self
            .messages
            .iter()
            .map(|schema| {
                (schema.title.clone(), reference(&format!("#/components/messages/{broker}.{}", schema.title)))
            })
            .collect();
        let bindings = match self.broker {
            Broker::Nats => json!({ "nats": {} }),
            Broker::Kafka => json!({ "kafka": { "topic": self.address, "bindingVersion": KAFKA } }),
        };
        json!({
            "address": self.address,
            "title": self.title,
            "servers": [reference(&format!("#/servers/{broker}"))],
            "parameters": self.parameters,
            "messages": messages,
            "bindings": bindings,
        })
    }

    fn operation(&self) -> Value {
        json!({
            "action": "send",
            "title": self.title,
            "channel": reference(&format!("#/channels/{}", self.id)),
        })
    }
}

fn reference(to: &str) -> Value {
    json!({ "$ref": to })
}

fn messages(broker: Broker) -> impl Iterator<Item = (String, Value)> {
    schemas().iter().map(move |schema| {
        let mut message = json!({
            "name": schema.ty(),
            "title": schema.title,
            "summary": schema.description,
            "description": format!("{} {}", schema.when, schema.advice),
            "contentType": "application/json",
            "headers": reference(&format!("#/components/schemas/{}.headers", broker.name())),
            "payload": reference(&format!("#/components/schemas/{}", schema.title)),
        });
        if let Broker::Kafka = broker {
            let key = json!({ "type": "string", "description": "`<source>/<subject>`, or `<source>/<event name>` without one." });
            message["bindings"] = json!({ "kafka": { "key": key, "bindingVersion": KAFKA } });
        }
        (format!("{}.{}", broker.name(), schema.title), message)
    })
}

/// Returns the schema of the headers: CloudEvents attributes. All values are strings.
fn headers(broker: Broker) -> Value {
    let always = [
        ("specversion", "`1.0`."),
        ("id", "Id of the event, the same on every sink and every attempt."),
        ("source", "`/cti/<source>`."),
        ("type", "CloudEvents type."),
        ("time", "When the bridge read the frame: RFC 3339, UTC, microseconds."),
        ("ctigap", "Number of the source's newest announcement of a loss, 20 digits."),
    ];
    let sometimes = [
        ("sequence", "Number of the event within its source, 20 digits; absent from status messages."),
        (
            "ctiprev",
            "Number of the source's previous event in this partition, 20 digits; absent from replays, dead letters and status messages.",
        ),
        ("subject", "Entity of the event."),
        ("ctievent", "Socket.IO name, if it differs from the one in the type."),
        ("ctiargs", "Number of Socket.IO arguments, if not 1."),
        ("ctiorigin", "`snapshot`, `replay` or `derived`; absent for a live event."),
        ("causationid", "Id of the event that an event of a call follows from."),
        ("ctibinary", "`true` if the event has binary attachments."),
        ("dataschema", "URI of the schema, if the sink's `dataschema` is set."),
    ];
    let name = |attribute: &str| format!("{}{attribute}", broker.prefix());
    let text = |description: &str| json!({ "type": "string", "description": description });
    let attributes = always.iter().chain(&sometimes);
    let mut properties: Map<_, _> =
        attributes.map(|(attribute, description)| (name(attribute), text(description))).collect();
    let content_type = match broker {
        Broker::Nats => name("datacontenttype"),
        Broker::Kafka => "content-type".to_owned(),
    };
    properties.insert(content_type, text("`application/json`."));
    if let Broker::Kafka = broker {
        properties.insert(name("partitionkey"), text("The record key."));
    }
    let required: Vec<_> = always.iter().map(|(attribute, _)| name(attribute)).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// Returns the schemas of the headers, and those of the data, as draft-07 without `$schema` and `$id`, which a document must not nest.
fn payloads() -> Map<String, Value> {
    let payload = |schema: &Schema| {
        let mut value: Value = serde_json::from_str(schema.text).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            fields.retain(|key, _| !matches!(key.as_str(), "$schema" | "$id"));
        }
        let payload = json!({ "schemaFormat": "application/schema+json;version=draft-07", "schema": value });
        (schema.title.clone(), payload)
    };
    let headers =
        [Broker::Nats, Broker::Kafka].map(|broker| (format!("{}.headers", broker.name()), headers(broker)));
    schemas().iter().map(payload).chain(headers).collect()
}
