//! Reads answers as leniently as the PBX's own clients do: fields that the bridge does not use must not prevent a session.
//!
//! Only the requested fields are parsed. A byte order mark is skipped (RFC 8259, section 8.1), of a duplicate key the
//! last one counts, and invalid Unicode becomes U+FFFD: bytes that are not UTF-8, and the escape of a lone
//! surrogate, which is half a character of a truncated text.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Value, value::RawValue};

const BOM: &[u8] = "\u{feff}".as_bytes();

/// The body without a byte order mark.
pub(super) fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(BOM).unwrap_or(body)
}

/// The object in `body`, with those of `keys` that it has. `None` if it is not exactly one object. A value
/// that can't be parsed is null.
pub(super) fn object(body: &[u8], keys: &[&str]) -> Option<Value> {
    let text = unicode(body);
    serde_json::from_str(&text).ok().map(|fields| select(&fields, keys))
}

/// The object as a type whose fields are `keys`. `None` also if a required field is missing or of another type.
pub(super) fn read<T: DeserializeOwned>(body: &[u8], keys: &[&str]) -> Option<T> {
    serde_json::from_value(object(body, keys)?).ok()
}

/// Same as [`object`], for the first of several concatenated objects; the rest of the body may be anything.
pub(super) fn first_object(body: &[u8], keys: &[&str]) -> Option<Value> {
    let text = unicode(body);
    let mut documents = serde_json::Deserializer::from_str(&text).into_iter();
    documents.next()?.ok().map(|fields| select(&fields, keys))
}

fn select(fields: &BTreeMap<String, &RawValue>, keys: &[&str]) -> Value {
    let field = |key: &&str| {
        let value: Value = serde_json::from_str(fields.get(*key)?.get()).unwrap_or_default();
        Some(((*key).to_owned(), value))
    };
    keys.iter().filter_map(field).collect()
}

/// The body as text that a JSON parser accepts.
fn unicode(body: &[u8]) -> String {
    let mut bytes = String::from_utf8_lossy(without_bom(body)).into_owned().into_bytes();
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        at += found;
        let skip = match (escaped(&bytes, at), escaped(&bytes, at + 6)) {
            (Some(0xD800..0xDC00), Some(0xDC00..0xE000)) => 12,
            (Some(0xD800..0xE000), _) => {
                if let Some(digits) = bytes.get_mut(at + 2..at + 6) {
                    digits.copy_from_slice(b"fffd");
                }
                6
            }
            (Some(_), _) => 6,
            (None, _) => 2,
        };
        at += skip;
    }
    // ASCII was replaced by ASCII.
    String::from_utf8(bytes).unwrap_or_default()
}

/// The code unit of the escape `\uXXXX` at this place.
fn escaped(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn unused_fields_prevent_nothing() {
        let expected = Some(json!({"a": "1"}));
        for body in [
            &br#"{"a":"1"}"#[..],
            b"\xef\xbb\xbf{\"a\":\"1\"}",
            br#"{"a":"0","b":2,"a":"1","b":3}"#,
            br#"{"a":"1","b":"cut \ud83d"}"#,
            br#"{"a":"1","\ude00":1e999}"#,
            b"{\"a\":\"1\",\"b\":\"\xff\xfe\"}",
            b" {\"a\":\"1\"}\r\n",
        ] {
            assert_eq!(object(body, &["a"]), expected, "{}", String::from_utf8_lossy(body));
        }
        let deep = format!(r#"{{"a":"1","b":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(object(deep.as_bytes(), &["a"]), expected);
    }

    #[test]
    fn half_a_character_is_replaced_and_a_complete_one_is_not() {
        let read = |text: &str| object(format!(r#"{{"a":"{text}"}}"#).as_bytes(), &["a"]);
        for (text, expected) in [
            (r"Team \ud83d", "Team \u{fffd}"),
            (r"\ude00\ud83d\ude00", "\u{fffd}😀"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
            (r"\\ud83d", r"\ud83d"),
            (r"\u00e8\n", "è\n"),
        ] {
            assert_eq!(read(text), Some(json!({"a": expected})), "{text}");
        }
    }

    #[test]
    fn anything_but_one_object_is_rejected() {
        for body in [&b""[..], b"[]", b"7", b"null", br#"{"a":1"#, br#"{"a":1}{}"#, br#"{"a":1}x"#] {
            assert_eq!(object(body, &["a"]), None, "{}", String::from_utf8_lossy(body));
        }
        assert_eq!(first_object(br#"{"a":1}{"a":2}x"#, &["a"]), Some(json!({"a": 1})));
        assert_eq!(object(b"{}", &["a"]), Some(json!({})));
        assert_eq!(object(br#"{"a":1e999}"#, &["a"]), Some(json!({"a": null})));
    }

    proptest! {
        #[test]
        fn text_of_any_kind_comes_through(text in any::<String>()) {
            let body = json!({"a": text}).to_string();
            prop_assert_eq!(object(body.as_bytes(), &["a"]), Some(json!({"a": text})));
        }

        #[test]
        fn never_panics(body in "[\\\\ud80c\"{}a:]{0,24}") {
            let _ = object(body.as_bytes(), &["a"]);
        }
    }
}
