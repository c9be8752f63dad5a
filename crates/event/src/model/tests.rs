//! The types accept what the schemas describe, and have the same fields.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Map, Value};

use super::Data;
use crate::{Node, Schema, event_schema, schemas};

fn ce_type(schema: &Schema) -> String {
    schema.types().swap_remove(0)
}

fn parsed(schema: &Schema, data: &Value) -> Value {
    let parsed = Data::parse(&ce_type(schema), data.to_string().as_bytes());
    let parsed = parsed.unwrap_or_else(|error| panic!("{}: {error}", schema.title));
    serde_json::to_value(parsed.unwrap_or_else(|| panic!("{} has no type", schema.title))).unwrap()
}

fn examples() -> impl Iterator<Item = (&'static Schema, Value)> {
    let of = |schema: &'static Schema| {
        schema.examples.iter().map(move |text| (schema, serde_json::from_str(text.get()).unwrap()))
    };
    schemas().iter().flat_map(of)
}

/// Compares the fields of a serialised value with its schema, and adds the places that it has seen.
fn compare(node: &Node, value: &Value, path: &str, seen: &mut BTreeSet<String>) {
    seen.insert(path.to_owned());
    match value {
        Value::Object(fields) if !node.properties.is_empty() => {
            let names: BTreeSet<_> = fields.keys().collect();
            assert_eq!(names, node.properties.iter().map(|(name, _)| name).collect(), "{path}");
            for (name, field) in node.properties.iter() {
                if !fields[name].is_null() {
                    compare(field, &fields[name], &format!("{path}/{name}"), seen);
                }
            }
        }
        Value::Object(fields) => {
            let Some(field) = &node.additional else { return };
            for value in fields.values() {
                compare(field, value, &format!("{path}/*"), seen);
            }
        }
        Value::Array(elements) => {
            let Some(item) = &node.items else { return };
            for value in elements {
                compare(item, value, &format!("{path}/*"), seen);
            }
        }
        _ => {}
    }
}

/// Adds the places that a schema describes.
fn places(node: &Node, path: &str, all: &mut BTreeSet<String>) {
    all.insert(path.to_owned());
    for (name, field) in node.properties.iter() {
        places(field, &format!("{path}/{name}"), all);
    }
    for element in [&node.additional, &node.items].into_iter().flatten() {
        places(element, &format!("{path}/*"), all);
    }
}

/// Returns whether `found` has all that `sent` has; null may stand for a field that was not sent.
fn is_complete(sent: &Value, found: &Value) -> bool {
    match (sent, found) {
        (Value::Object(sent), Value::Object(found)) => {
            sent.iter().all(|(name, value)| found.get(name).is_some_and(|found| is_complete(value, found)))
        }
        (Value::Array(sent), Value::Array(found)) => {
            sent.len() == found.len() && sent.iter().zip(found).all(|(sent, found)| is_complete(sent, found))
        }
        _ => sent == found,
    }
}

#[test]
fn every_type_has_the_fields_of_its_schema() {
    let (mut seen, mut all) = (BTreeSet::new(), BTreeSet::new());
    for schema in schemas() {
        places(&schema.data, &schema.title, &mut all);
    }
    for (schema, example) in examples() {
        let found = parsed(schema, &example);
        assert!(is_complete(&example, &found), "{}: {example} became {found}", schema.title);
        compare(&schema.data, &found, &schema.title, &mut seen);
    }
    let unseen: Vec<_> = all.difference(&seen).collect();
    assert!(unseen.is_empty(), "no example has {unseen:?}");
}

#[test]
fn every_recorded_event_is_parsed_completely() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let files = fs::read_dir(fixtures).into_iter().flatten().map(|file| file.unwrap().path());
    for file in files.filter(|file| file.extension().is_some_and(|kind| kind == "jsonl")) {
        for line in fs::read_to_string(&file).unwrap().lines() {
            let recorded: Value = serde_json::from_str(line).unwrap();
            let schema = event_schema(recorded["event"].as_str().unwrap().as_bytes()).unwrap();
            let data = match recorded["args"].as_array().unwrap().as_slice() {
                [argument] => argument.clone(),
                arguments => arguments.into(),
            };
            assert!(is_complete(&data, &parsed(schema, &data)), "{}: {line}", file.display());
        }
    }
}

#[test]
fn unknown_fields_values_and_types_are_accepted() {
    /// Adds a field to each object with fields of its own, and changes each text that has known values.
    fn later(node: &Node, value: &Value) -> Value {
        let field =
            |name: &str| node.properties.iter().find_map(|(known, field)| (known == name).then_some(field));
        match value {
            Value::Object(fields) => {
                let mut fields: Map<_, _> = fields
                    .iter()
                    .map(|(name, value)| {
                        let field = field(name).or(node.additional.as_deref());
                        (name.clone(), field.map_or_else(|| value.clone(), |field| later(field, value)))
                    })
                    .collect();
                if node.additional.is_none() {
                    fields.insert("laterField".to_owned(), Value::Bool(true));
                }
                fields.into()
            }
            Value::String(_) if !node.known.is_empty() => "laterValue".into(),
            _ => value.clone(),
        }
    }
    for (schema, example) in examples() {
        parsed(schema, &later(&schema.data, &example));
    }
    for ty in schemas().iter().flat_map(Schema::types) {
        assert!(!matches!(Data::parse(&ty, b"{}"), Ok(None)), "{ty}");
    }
    assert_eq!(Data::parse("cti.event.laterEvent.v1", b"{}").unwrap(), None);
    assert!(Data::parse("cti.event.extenUpdate.v1", b"[]").is_err());
}
