//! JSON Pointers (RFC 6901) into JSON text, without parsing more than the way to the value.

use std::{borrow::Cow, fmt, str::FromStr};

use crate::{
    json::{elements, fields},
    raw::unescape,
};

/// A JSON Pointer. Of several fields with one name it finds the first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pointer {
    steps: Vec<Step>,
}

/// One reference token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Step {
    name: String,
    /// The index that it names in an array. `None` if it is not an index.
    index: Option<usize>,
}

/// The text is not a JSON Pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON Pointer: it begins with `/`, and `~` is written `~0`, `/` within a name `~1`")]
pub struct InvalidPointer;

impl FromStr for Pointer {
    type Err = InvalidPointer;

    fn from_str(text: &str) -> Result<Self, InvalidPointer> {
        if text.is_empty() {
            return Ok(Self { steps: Vec::new() });
        }
        let tokens = text.strip_prefix('/').ok_or(InvalidPointer)?.split('/');
        tokens.map(Step::parse).collect::<Result<_, _>>().map(|steps| Self { steps })
    }
}

impl Step {
    fn parse(token: &str) -> Result<Self, InvalidPointer> {
        let is_escaped = |rest: &str| rest.starts_with(['0', '1']);
        if !token.split('~').skip(1).all(is_escaped) {
            return Err(InvalidPointer);
        }
        let name = token.replace("~1", "/").replace("~0", "~");
        let is_index =
            name == "0" || !name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit());
        let index = if is_index { name.parse().ok() } else { None };
        Ok(Self { name, index })
    }

    fn is(&self, key: &[u8]) -> bool {
        match memchr::memchr(b'\\', key) {
            None => key == self.name.as_bytes(),
            Some(first) => unescape(key, first) == self.name.as_bytes(),
        }
    }
}

impl Pointer {
    /// Returns the raw text of the value. `None` if there is no such value.
    pub fn find<'a>(&self, data: &'a [u8]) -> Option<&'a [u8]> {
        self.steps.iter().try_fold(data.trim_ascii(), |value, step| match value.first()? {
            b'{' => fields(value).find(|(key, _)| step.is(key)).map(|(_, value)| value),
            b'[' => elements(value).nth(step.index?),
            _ => None,
        })
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps
            .iter()
            .try_for_each(|Step { name, .. }| write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")))
    }
}

/// Returns the text of a scalar: that of a string without quotes and escapes, that of any other as it is written.
/// `None` for an object or array.
pub fn scalar_text(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    match value.first()? {
        b'{' | b'[' => None,
        b'"' => {
            let text = value.get(1..value.len().checked_sub(1)?)?;
            Some(match memchr::memchr(b'\\', text) {
                None => Cow::Borrowed(text),
                Some(first) => Cow::Owned(unescape(text, first)),
            })
        }
        _ => Some(Cow::Borrowed(value)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn found<'a>(pointer: &str, data: &'a str) -> Option<&'a str> {
        let pointer: Pointer = pointer.parse().unwrap();
        pointer.find(data.as_bytes()).map(|value| std::str::from_utf8(value).unwrap())
    }

    #[test]
    fn the_examples_of_the_rfc_are_found() {
        let data = r#"{ "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8 }"#;
        for (pointer, value) in [
            ("/foo", r#"["bar", "baz"]"#),
            ("/foo/0", r#""bar""#),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/e^f", "3"),
            ("/g|h", "4"),
            (r"/i\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
            ("", data),
        ] {
            assert_eq!(found(pointer, data), Some(value), "{pointer}");
        }
        for pointer in ["/foo/2", "/foo/00", "/foo/-", "/foo/x", "/bar", "/foo/0/1", "//"] {
            assert_eq!(found(pointer, data), None, "{pointer}");
        }
    }

    #[test]
    fn the_first_of_several_fields_counts_and_escapes_are_decoded() {
        let data = r#"{"qu\u0065ue":"4\u00301","queue":"402"}"#;
        let value = found("/queue", data).unwrap();
        assert_eq!(scalar_text(value.as_bytes()).as_deref(), Some(&b"401"[..]));
        assert_eq!(scalar_text(b"null").as_deref(), Some(&b"null"[..]));
        assert_eq!(scalar_text(b"-1.50").as_deref(), Some(&b"-1.50"[..]));
        assert_eq!(scalar_text(b"[1]"), None);
        assert_eq!(scalar_text(b"\""), None);
    }

    #[test]
    fn other_texts_are_rejected() {
        for text in ["a", "a/b", "/~", "/a~2", "/~/0"] {
            assert_eq!(text.parse::<Pointer>(), Err(InvalidPointer), "{text}");
        }
        assert_eq!("/a~1b/~0".parse::<Pointer>().unwrap().to_string(), "/a~1b/~0");
    }

    fn json() -> impl Strategy<Value = Value> {
        let key = || prop::sample::select(&["a", "b/", "~", "0", "1", "\u{e8}", "\""][..]);
        let leaf =
            prop_oneof![any::<i32>().prop_map(Value::from), key().prop_map(Value::from), Just(Value::Null)];
        leaf.prop_recursive(3, 20, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(key().prop_map(str::to_owned), inner, 0..4)
                    .prop_map(|fields| fields.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_a_parser(
            value in json(),
            steps in prop::collection::vec(prop::sample::select(&["a", "b~1", "~0", "0", "1", "\u{e8}", "\"", "01"][..]), 0..4),
            pretty in any::<bool>(),
        ) {
            let pointer: String = steps.iter().flat_map(|step| ["/", step]).collect();
            let text = if pretty { format!("{value:#}") } else { value.to_string() };
            let found = found(&pointer, &text).map(|found| serde_json::from_str::<Value>(found).unwrap());
            prop_assert_eq!(found.as_ref(), value.pointer(&pointer), "{}", pointer);
        }
    }
}
