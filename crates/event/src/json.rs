//! Walks JSON text without parsing values.
//!
//! The text has passed the packet codec, so it is well-formed. On malformed text the walk ends early and
//! never panics.

use std::borrow::Cow;

/// Returns the raw text of `object[key]`, trimmed; the first one if there are several. Keys are compared
/// without unescaping.
pub fn field<'a>(object: &'a [u8], key: &str) -> Option<&'a [u8]> {
    fields(object).find(|(name, _)| *name == key.as_bytes()).map(|(_, value)| value)
}

/// Returns the raw key and value of the first field.
pub(crate) fn first_field(object: &[u8]) -> Option<(&[u8], &[u8])> {
    fields(object).next()
}

/// Returns a string or a number as an entity's name; `None` for other values.
pub(crate) fn scalar(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    match value.first()? {
        b'"' if value.contains(&b'\\') => {
            serde_json::from_slice::<String>(value).ok().map(|text| Cow::Owned(text.into_bytes()))
        }
        b'"' => value.get(1..value.len().checked_sub(1)?).map(Cow::Borrowed),
        b'0'..=b'9' | b'-' => Some(Cow::Borrowed(value)),
        _ => None,
    }
}

/// Iterates over raw keys, without their quotes, and raw values.
pub fn fields(object: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = object.trim_ascii().strip_prefix(b"{").unwrap_or_default();
    std::iter::from_fn(move || {
        let at = rest.trim_ascii_start();
        let at = at.strip_prefix(b",").unwrap_or(at).trim_ascii_start();
        let (key, after) = at.split_at_checked(string_end(at)?)?;
        let at = after.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let (value, after) = at.split_at_checked(value_end(at)?)?;
        rest = after;
        Some((key.get(1..key.len().checked_sub(1)?)?, value.trim_ascii_end()))
    })
}

/// Iterates over the raw elements of an array.
pub fn elements(array: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = array.trim_ascii().strip_prefix(b"[").unwrap_or_default();
    std::iter::from_fn(move || {
        let at = rest.trim_ascii_start();
        let at = at.strip_prefix(b",").unwrap_or(at).trim_ascii_start();
        let (value, after) = at.split_at_checked(value_end(at)?)?;
        rest = after;
        let value = value.trim_ascii_end();
        (!value.is_empty()).then_some(value)
    })
}

/// Iterates over the raw values of a list without brackets, such as the arguments of an event.
pub fn arguments(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let at = rest.trim_ascii_start();
        let at = at.strip_prefix(b",").unwrap_or(at).trim_ascii_start();
        let (value, after) = at.split_at_checked(value_end(at).unwrap_or(at.len()))?;
        rest = after;
        let value = value.trim_ascii_end();
        (!value.is_empty()).then_some(value)
    })
}

/// Returns the length of the string literal at the start.
fn string_end(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    loop {
        let found = at + memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(found) == Some(&b'"') {
            return Some(found + 1);
        }
        at = found + 2;
    }
}

/// Returns the length of the value at the start, which ends before `,` or `}` at its own level.
fn value_end(text: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0usize);
    loop {
        match text.get(at)? {
            b'"' => {
                at += string_end(text.get(at..)?)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return Some(at),
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => return Some(at),
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &[u8] =
        br#" {"a" : {"exten":"1","x":[1,{"y":"}]"}]}, "q\"":"\\\"", "exten": "201" ,"n":-4.5,"exten":"2"} "#;

    #[test]
    fn finds_the_first_field_of_that_name_at_the_top_level() {
        assert_eq!(field(TEXT, "exten"), Some(&b"\"201\""[..]));
        assert_eq!(field(TEXT, "n"), Some(&b"-4.5"[..]));
        assert_eq!(field(TEXT, "y"), None);
        assert_eq!(field(b"{}", "y"), None);
        assert_eq!(field(b"[\"y\",1]", "y"), None);
        assert_eq!(first_field(br#"{"201":{"inbox":"2"}}"#), Some((&b"201"[..], &br#"{"inbox":"2"}"#[..])));
    }

    #[test]
    fn elements_are_found_at_the_top_level() {
        let found: Vec<_> = elements(br#" [ 1 , [2,"]"] , {"a":[3]},"x" ] "#).collect();
        assert_eq!(found, [&b"1"[..], br#"[2,"]"]"#, br#"{"a":[3]}"#, br#""x""#]);
        assert_eq!(elements(b"[ ]").count(), 0);
        assert_eq!(elements(b"{}").count(), 0);
        let found: Vec<_> = arguments(br#" "a,b" , {"a":[3]},4 "#).collect();
        assert_eq!(found, [&b"\"a,b\""[..], br#"{"a":[3]}"#, b"4"]);
        assert_eq!(arguments(b" ").count(), 0);
    }

    #[test]
    fn only_text_and_numbers_name_an_entity() {
        assert_eq!(scalar(br#""201""#).as_deref(), Some(&b"201"[..]));
        assert_eq!(scalar(br#""\u0061\n""#).as_deref(), Some(&b"a\n"[..]));
        assert_eq!(scalar(b"7").as_deref(), Some(&b"7"[..]));
        assert_eq!(scalar(b"null"), None);
        assert_eq!(scalar(b"{}"), None);
        assert_eq!(scalar(b"\""), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in proptest::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), Just(b'"'), Just(b'\\'), Just(b','), Just(b':'), Just(b'a')], 0..24)) {
            let _ = field(&text, "a");
            let _ = elements(&text).map(|element| elements(element).count()).sum::<usize>();
            let _ = arguments(&text).count();
            let _ = first_field(&text).and_then(|(key, value)| scalar(value).or(scalar(key)));
        }
    }
}
