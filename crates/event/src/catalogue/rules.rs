//! The schemas follow the rules of the catalogue. Keywords, names and `required` are checked when they are compiled.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::{Class, Node, Schema, Type, drifts, entity_of, schemas};

/// Returns the places of a schema that break a rule, with the rule.
fn broken(node: &Node, path: &str, found: &mut Vec<String>) {
    let mut check = |holds: bool, rule: &str| {
        if !holds {
            found.push(format!("{path}: {rule}"));
        }
    };
    check(!node.description.is_empty(), "a description says what it is, with its unit");
    check(node.known.is_empty() || node.types.contains(&Type::String), "only a string has known values");
    check(node.key.is_some() == node.additional.is_some(), "a map says what its keys are");
    check(node.key_personal.is_some() == node.key.is_some(), "a map gives the class of its keys");
    for (name, field) in node.properties.iter() {
        broken(field, &format!("{path}/{name}"), found);
    }
    for element in [&node.additional, &node.items].into_iter().flatten() {
        broken(element, &format!("{path}/*"), found);
    }
}

/// Returns the text of an example as the PBX sends it: the arguments, separated by commas.
fn arguments(schema: &Schema, example: &'static str) -> &'static str {
    if schema.args == 1 { example } else { example.trim_start_matches('[').trim_end_matches(']') }
}

#[test]
fn every_place_is_described_and_no_rule_is_broken() {
    let mut found = Vec::new();
    for schema in schemas() {
        broken(&schema.data, &schema.title, &mut found);
        let text = schema.text;
        if !text.ends_with("}\n") || text.contains("\\u") || text.contains('\t') || text.contains("\"$ref\"")
        {
            found.push(format!("{}: two spaces, no `\\u`, no `$ref`, a final line break", schema.title));
        }
        let sentences = [&schema.description, &schema.when, &schema.frequency, &schema.advice, &schema.since];
        if sentences.iter().any(|text| text.is_empty()) {
            found.push(format!("{}: an annotation is empty", schema.title));
        }
        if (schema.class == Class::Event) != schema.audience.is_some() {
            found.push(format!("{}: events have an audience", schema.title));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_example_is_what_its_schema_describes() {
    for schema in schemas() {
        assert!(!schema.examples.is_empty(), "{}", schema.title);
        for example in &schema.examples {
            let args = arguments(schema, example.get());
            let drifts = drifts(schema, schema.args, args.as_bytes());
            assert!(drifts.is_empty(), "{}: {drifts:?}", schema.title);
        }
    }
}

#[test]
fn every_subject_is_that_of_an_example() {
    for schema in schemas() {
        for template in &schema.subjects {
            let found = schema.examples.iter().any(|example| {
                let args = arguments(schema, example.get());
                template.entity(args.as_bytes()).is_some()
            });
            assert!(found, "{}: no example has {template:?}", schema.title);
        }
        let has_entity =
            |example: &'static str| entity_of(schema, arguments(schema, example).as_bytes()).is_some();
        let all = schema.examples.iter().all(|example| has_entity(example.get()));
        assert!(schema.subjects.is_empty() || all, "{}: an example has no entity", schema.title);
    }
}
