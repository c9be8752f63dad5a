//! Compares an event with its schema, on the raw text.

use std::borrow::Cow;

use serde::Serialize;

use super::{Schema, node::Node, vocabulary::Type};
use crate::{json, raw::unescape};

/// Maximum number of differences that are reported for one event.
const MOST: usize = 32;
/// Bytes of an unknown field's name that are kept, as sent.
const LONGEST: usize = 2048;
/// Maximum nesting that is compared; deeper than any schema.
const DEEPEST: usize = 16;

/// Kind of a difference between an event and the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// The catalogue has no event of this name.
    UnknownEvent,
    /// The schema has no such field.
    UnknownField,
    /// A field that is always present is absent.
    MissingField,
    /// The value has another type, or the event another number of arguments.
    OtherType,
    /// The text is none of the known values.
    NewValue,
}

impl DriftKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::UnknownEvent, Self::UnknownField, Self::MissingField, Self::OtherType, Self::NewValue];
}

/// A difference between an event and its schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Drift {
    /// Kind of the difference.
    pub kind: DriftKind,
    /// Place in the data, as a JSON Pointer (RFC 6901) with `*` for the keys of maps and for the indexes of arrays.
    /// It consists of names from the schema, so nothing in it comes from the PBX.
    pub path: String,
    /// Unescaped name of an unknown field, of which the PBX sent at most 2 KiB; `None` for the other kinds.
    pub field: Option<String>,
}

/// Returns the differences between an event and its schema, at most 32. `args` is the text between the name and the
/// closing bracket, `argc` the number of arguments in it.
pub fn drifts(schema: &Schema, argc: u16, args: &[u8]) -> Vec<Drift> {
    let mut found = Found::default();
    if argc == 1 && schema.args == 1 {
        found.value(&schema.data, args.trim_ascii(), 0);
    } else if argc != schema.args {
        found.add(DriftKind::OtherType, None);
    } else if let Some(node) = &schema.data.items {
        found.elements(node, json::arguments(args), 0);
    }
    found.drifts
}

#[derive(Default)]
struct Found<'a> {
    path: Vec<&'a str>,
    drifts: Vec<Drift>,
}

impl<'a> Found<'a> {
    fn is_full(&self) -> bool {
        self.drifts.len() >= MOST
    }

    fn add(&mut self, kind: DriftKind, field: Option<String>) {
        if self.is_full() {
            return;
        }
        let mut path = String::new();
        for segment in &self.path {
            path.push('/');
            path.push_str(segment);
        }
        let drift = Drift { kind, path, field };
        if !self.drifts.contains(&drift) {
            self.drifts.push(drift);
        }
    }

    fn value(&mut self, node: &'a Node, value: &[u8], depth: usize) {
        let Some(kind) = type_of(value) else { return };
        let accepts =
            |accepted: &Type| *accepted == kind || (*accepted == Type::Number && kind == Type::Integer);
        if !node.types.iter().any(accepts) {
            return self.add(DriftKind::OtherType, None);
        }
        if depth >= DEEPEST {
            return;
        }
        match kind {
            Type::Object if node.describes_fields() => self.fields(node, value, depth),
            Type::Array => {
                let count = json::elements(value).count();
                if count < node.min_items || count > node.max_items {
                    self.add(DriftKind::OtherType, None);
                } else if let Some(item) = &node.items {
                    self.elements(item, json::elements(value), depth);
                }
            }
            Type::String if !node.known.is_empty() && !is_known(node, value) => {
                self.add(DriftKind::NewValue, None);
            }
            _ => {}
        }
    }

    fn elements<'b>(&mut self, item: &'a Node, elements: impl Iterator<Item = &'b [u8]>, depth: usize) {
        self.path.push("*");
        for element in elements {
            if self.is_full() {
                break;
            }
            self.value(item, element, depth + 1);
        }
        self.path.pop();
    }

    fn fields(&mut self, node: &'a Node, object: &[u8], depth: usize) {
        let mut seen = 0u64;
        for (key, value) in json::fields(object) {
            if self.is_full() {
                return;
            }
            let key = name_of(key);
            let known = node.properties.iter().position(|(name, _)| name.as_bytes() == &*key);
            let (name, field) = match (known.and_then(|at| node.properties.get(at)), &node.additional) {
                (Some((name, field)), _) => (name.as_str(), field),
                (None, Some(field)) => ("*", &**field),
                (None, None) => {
                    self.add(DriftKind::UnknownField, Some(String::from_utf8_lossy(&key).into_owned()));
                    continue;
                }
            };
            seen |= known.map_or(0, |at| 1 << at);
            self.path.push(name);
            self.value(field, value, depth + 1);
            self.path.pop();
        }
        // A schema has at most 64 fields per object.
        for (at, (name, _)) in node.properties.iter().enumerate() {
            if seen & (1 << at) == 0 && node.required.contains(name) {
                self.path.push(name);
                self.add(DriftKind::MissingField, None);
                self.path.pop();
            }
        }
    }
}

/// Unescapes the start of a field's name.
fn name_of(key: &[u8]) -> Cow<'_, [u8]> {
    let key = key.get(..LONGEST).unwrap_or(key);
    match memchr::memchr(b'\\', key) {
        None => Cow::Borrowed(key),
        Some(first) => Cow::Owned(unescape(key, first)),
    }
}

fn type_of(value: &[u8]) -> Option<Type> {
    Some(match value.first()? {
        b'{' => Type::Object,
        b'[' => Type::Array,
        b'"' => Type::String,
        b't' | b'f' => Type::Boolean,
        b'n' => Type::Null,
        _ if value.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) => Type::Number,
        _ => Type::Integer,
    })
}

fn is_known(node: &Node, value: &[u8]) -> bool {
    json::scalar(value)
        .is_some_and(|text: Cow<'_, [u8]>| node.known.iter().any(|known| known.as_bytes() == &*text))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::{super::event_schema, *};

    fn found(name: &str, argc: u16, args: &str) -> Vec<(DriftKind, String)> {
        let drifts = drifts(event_schema(name.as_bytes()).unwrap(), argc, args.as_bytes());
        let path = |drift: &Drift| {
            drift.path.clone()
                + drift.field.as_deref().map_or("", |_| "/")
                + drift.field.as_deref().unwrap_or("")
        };
        drifts.iter().map(|drift| (drift.kind, path(drift))).collect()
    }

    fn one(kind: DriftKind, path: &str) -> Vec<(DriftKind, String)> {
        vec![(kind, path.to_owned())]
    }

    const PAUSED: &str = concat!(
        r#"{"type":"dynamic","name":"Ada","queue":"401","member":"201","paused":true,"loggedIn":true,"callsTakenCount":3,"#,
        r#""lastCallTimestamp":1,"lastPausedInReason":"lunch","lastPausedInTimestamp":2,"lastPausedOutTimestamp":0}"#
    );

    #[test]
    fn each_kind_of_difference_is_found_where_it_is() {
        use DriftKind::{MissingField, NewValue, OtherType, UnknownField};
        let member = |from: &str, to: &str| {
            assert!(PAUSED.contains(from));
            found("queueMemberUpdate", 1, &PAUSED.replace(from, to))
        };
        assert_eq!(member("dynamic", "dynamic"), []);
        assert_eq!(member("dynamic", "d\\u0079namic"), [], "an escape is the same text");
        assert_eq!(member("dynamic", "virtual"), one(NewValue, "/type"));
        assert_eq!(member("true,\"logged", "1,\"logged"), one(OtherType, "/paused"));
        assert_eq!(member("\"paused\":true,", ""), one(MissingField, "/paused"));
        assert_eq!(member("{", r#"{"skill":"é","#), one(UnknownField, "/skill"));
        assert_eq!(member("{", r#"{"sk\u0069ll":"é","#), one(UnknownField, "/skill"));
        assert_eq!(member("\"type", "\"t\\u0079pe"), [], "an escape is the same name");
        assert_eq!(member("3", "3.5"), one(OtherType, "/callsTakenCount"));
        let queue = |members: &str| {
            let drifts = found("queueUpdate", 1, &format!(r#"{{"members":{members}}}"#));
            drifts
                .into_iter()
                .filter(|(kind, path)| *kind != MissingField || path.starts_with("/members"))
                .collect::<Vec<_>>()
        };
        let wrong = PAUSED.replace("true,\"logged", "1,\"logged");
        assert_eq!(queue(&format!(r#"{{"201":{PAUSED},"202":{PAUSED}}}"#)), []);
        assert_eq!(
            queue(&format!(r#"{{"201":{wrong},"202":{wrong}}}"#)),
            one(OtherType, "/members/*/paused")
        );
        assert_eq!(queue("[]"), one(OtherType, "/members"));
    }

    #[test]
    fn the_number_of_arguments_is_compared() {
        assert_eq!(found("serverReloaded", 0, ""), []);
        assert_eq!(found("serverReloaded", 1, "1"), one(DriftKind::OtherType, ""));
        assert_eq!(found("answerWebrtc", 1, "\"201\""), []);
        assert_eq!(found("answerWebrtc", 2, "\"201\",2"), one(DriftKind::OtherType, ""));
        assert_eq!(found("answerWebrtc", 1, "{}"), one(DriftKind::OtherType, ""));
        assert_eq!(found("actionNethLink", 2, r#""http://192.0.2.7/","url""#), []);
        assert_eq!(found("actionNethLink", 2, r#""http://192.0.2.7/",7"#), one(DriftKind::OtherType, "/*"));
    }

    #[test]
    fn the_differences_of_an_event_are_bounded() {
        let fields: Vec<_> = (0..1000).map(|n| format!("\"f{n}\":1")).collect();
        assert_eq!(found("extenUpdate", 1, &format!("{{{}}}", fields.join(","))).len(), MOST);
        let long = format!(r#"{{"f{}":1}}"#, "\\u0041".repeat(1000));
        let unknown = |drift: &&Drift| drift.kind == DriftKind::UnknownField;
        let found = drifts(event_schema(b"extenUpdate").unwrap(), 1, long.as_bytes());
        assert!(found.iter().find(unknown).unwrap().field.as_ref().unwrap().len() < LONGEST);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in proptest::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), Just(b'['), Just(b'"'), Just(b'\\'), Just(b','), Just(b':'), Just(b'a'), Just(b'1')], 0..24), argc in 0u16..3) {
            for schema in super::super::schemas() {
                let _ = drifts(schema, argc, &text);
            }
        }
    }
}
