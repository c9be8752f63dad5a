//! `config/cti-bridge.toml` shows every key there is, with the real defaults, and can be used as it is.
#![cfg(all(feature = "nats", feature = "kafka"))]

use std::{collections::BTreeMap, fs};

use cti_bridge::{app, config::Flags};
use serde_json::Value;

const EXAMPLE: &str = include_str!("../../../config/cti-bridge.toml");

/// The example with every `#key` set, as JSON.
fn with_all_keys() -> Value {
    let lines = EXAMPLE.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|ch: char| ch.is_ascii_lowercase() || ch == '[') => key,
        _ => line,
    });
    json(&lines.collect::<Vec<_>>().join("\n"))
}

fn json(text: &str) -> Value {
    use figment::providers::{Format as _, Toml};
    figment::Figment::from(Toml::string(text)).extract().expect("the example is TOML")
}

/// Table → its schema, `NAME` for what the operator names, `[type]` behind a sink.
fn tables() -> BTreeMap<String, Value> {
    let schema = app::config::schema().as_value();
    let mut tables = BTreeMap::from([(String::new(), schema.clone())]);
    for name in ["journal", "derive", "log"] {
        tables.insert(name.to_owned(), schema["properties"][name].clone());
    }
    tables.insert("sources.pbx1".to_owned(), schema["properties"]["sources"]["additionalProperties"].clone());
    for shape in schema["properties"]["sinks"]["additionalProperties"]["oneOf"].as_array().unwrap() {
        let name = match shape["properties"]["type"]["const"].as_str().unwrap() {
            "nats" => "sinks.bus",
            "kafka" => "sinks.stream",
            "stdout" => "sinks.console",
            other => panic!("the example has no sink of type {other}"),
        };
        tables.insert(name.to_owned(), shape.clone());
        if name == "sinks.bus" {
            tables.insert("sinks.bus.privacy".to_owned(), shape["properties"]["privacy"].clone());
        }
    }
    tables
}

#[test]
fn it_shows_every_key_with_the_real_defaults() {
    let example = with_all_keys();
    let mut defaults = 0;
    for (table, schema) in tables() {
        let shown = if table.is_empty() {
            Some(&example)
        } else {
            example.pointer(&format!("/{}", table.replace('.', "/")))
        };
        let shown = shown.unwrap_or_else(|| panic!("[{table}] is missing")).as_object().unwrap();
        let known = schema["properties"].as_object().unwrap();
        for (key, schema) in known {
            let shown = shown.get(key).unwrap_or_else(|| panic!("[{table}] lacks {key}"));
            if let Some(default) = schema.get("default") {
                assert_eq!(shown, default, "[{table}] {key} shows another default");
                defaults += 1;
            }
        }
        for key in shown.keys() {
            assert!(known.contains_key(key), "[{table}] {key} is not a key");
        }
    }
    assert!(defaults > 20, "only {defaults} defaults found: does the schema still carry them?");
}

#[test]
fn it_shows_every_key_of_a_route() {
    let example = with_all_keys();
    let routes = example["sinks"]["bus"]["routes"].as_array().unwrap();
    let route = &tables()["sinks.bus"]["properties"]["routes"]["items"];
    let selector = &route["properties"]["match"];
    let keys = |schema: &Value| schema["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let shown =
        |key: &str, within: &dyn Fn(&Value) -> Value| routes.iter().any(|it| within(it).get(key).is_some());
    for key in keys(route) {
        assert!(shown(&key, &Value::clone), "{key}");
    }
    for key in keys(selector) {
        assert!(shown(&key, &|route| route["match"].clone()), "match.{key}");
    }
    for key in keys(&selector["properties"]["where"]["items"]) {
        assert!(EXAMPLE.contains(&format!("`{key}`")), "where.{key}");
    }
}

#[test]
fn the_example_is_valid_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    fs::write(&file, EXAMPLE).unwrap();
    fs::write(directory.path().join("pbx1-password"), "secret\n").unwrap();
    restrict(&directory.path().join("pbx1-password"));
    let flags = Flags { config: Some(file), ..Flags::default() };
    let loaded = app::config::load_with(&flags, []).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.warnings, [""; 0]);
    assert_eq!(loaded.config.sources["pbx1"].base.as_str(), "https://pbx.example.org/api/");
}

#[test]
fn the_schema_agrees() {
    let schema = app::config::schema().as_value();
    jsonschema::meta::validate(schema).unwrap();
    let validator = jsonschema::validator_for(schema).unwrap();
    for example in [json(EXAMPLE), with_all_keys()] {
        let errors: Vec<_> = validator.iter_errors(&example).map(|error| error.to_string()).collect();
        assert_eq!(errors, [""; 0]);
    }
    for wrong in [
        r#"drain_timout = "5s""#,
        "[log]\nlevl = \"info\"",
        "[log]\nformat = \"xml\"",
        "[sources.p]\nurl = \"https://p\"",
        "[sources.\"a b\"]\nurl = \"https://p\"\nusername = \"a\"",
        "[sinks.s]\ntype = \"kafak\"",
        "[sinks.s]\ntype = \"stdout\"\nservers = []",
        "[journal]\nmemory = 64",
        "[journal]\nmemory = \"64 sheep\"",
        "[journal]\nsync = \"abc\"",
        "[journal]\nsync = \"50\"",
        "[journal]\nmax_age = \"always\"",
        "[journal]\ndir = \"\"",
        "drain_timeout = \"off\"",
        "[sinks.s]\ntype = \"nats\"\nservers = []",
        "[sinks.s]\ntype = \"kafka\"\nbrokers = []",
        "[sinks.s]\ntype = \"stdout\"\nheartbeat = \"never\"",
        "[sinks.s]\ntype = \"stdout\"\n[[sinks.s.routes]]\ndrop = true",
        "[sinks.s]\ntype = \"stdout\"\n[[sinks.s.routes]]\nmatch = { event = 4 }",
        "[sinks.s]\ntype = \"stdout\"\n[[sinks.s.routes]]\nmatch = { where = [{ path = \"/a\" }] }",
        "[sinks.s]\ntype = \"stdout\"\n[[sinks.s.routes]]\nmatch = { where = [{ path = \"/a\", in = [[]] }] }",
        "[sinks.s]\ntype = \"stdout\"\n[[sinks.s.routes]]\nname = \"a b\"\nmatch = {}",
    ] {
        assert!(!validator.is_valid(&json(wrong)), "{wrong}");
    }
}

#[test]
fn the_schema_accepts_every_notation_of_a_quantity() {
    let validator = jsonschema::validator_for(app::config::schema().as_value()).unwrap();
    for right in [
        "drain_timeout = \" 1m 30s \"",
        "drain_timeout = \"1.5h\"",
        "drain_timeout = \"500 µs\"",
        "[journal]\nsync = \"always\"",
        "[journal]\nsync = \"2min10sec\"",
        "[journal]\nmax_age = \"off\"",
        "[journal]\nmemory = \"1.5 GiB\"",
        "[journal]\nmemory = \"1500000\"",
        "[journal]\nmemory = \"2gb\"",
        "[journal]\nmemory = \"64M\"",
        "[sinks.s]\ntype = \"stdout\"\nheartbeat = \"0\"",
    ] {
        let right = format!("{right}\n");
        assert!(validator.is_valid(&json(&right)), "{right}");
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        fs::write(&file, right).unwrap();
        let flags = Flags { config: Some(file), ..Flags::default() };
        let Err(problems) = app::config::load_with(&flags, []) else { continue };
        assert!(!problems.to_string().contains("is not a valid "), "{problems}");
    }
}

#[cfg(unix)]
fn restrict(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn restrict(_: &std::path::Path) {}
