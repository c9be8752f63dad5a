//! Names of events and fields from the PBX, made fit to publish: cut, and without personal data.

use std::borrow::Cow;

use crate::route::privacy;

/// Maximum length of a name, in characters.
const LONGEST: usize = 64;
/// Bytes of a name that are read.
const READ: usize = 1024;
/// The replacement for a name that is data.
const MASK: &str = "xxx";
/// Digits of the longest internal number.
const OWN: usize = 5;

/// Returns the name of an event.
pub(super) fn event(name: &[u8]) -> String {
    shown(&String::from_utf8_lossy(name.get(..READ).unwrap_or(name)))
}

/// Returns the JSON Pointer of a place, and of an unknown field there.
pub(super) fn path(mut path: String, field: Option<&str>) -> String {
    if let Some(field) = field {
        let name = if is_identifier(field) { Cow::Owned(shown(field)) } else { Cow::Borrowed(MASK) };
        path.push('/');
        path.push_str(&name.replace('~', "~0").replace('/', "~1"));
    }
    path
}

/// Returns whether a key may be the name of a field. Otherwise it is data, such as a number, an address or a person's name.
fn is_identifier(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || "_-.:$/~".contains(c))
}

/// Cuts a name and masks numbers and addresses in it.
fn shown(name: &str) -> String {
    let is_address = |c: char| c.is_ascii_alphanumeric() || ".:".contains(c);
    let mut head = start(name, 2 * LONGEST);
    if head.len() < name.len() {
        // Half an address is not recognised as one. A longer word is none.
        let words = head.trim_end_matches(is_address);
        if head.len() - words.len() < LONGEST {
            head = words;
        }
    }
    let masked = privacy::outside_text(head);
    let is_number = masked == head && head.chars().filter(char::is_ascii_digit).count() > OWN;
    if is_number || head.contains('@') { MASK.to_owned() } else { start(&masked, LONGEST).to_owned() }
}

/// Returns the first characters of a text.
fn start(text: &str, most: usize) -> &str {
    let end = text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_cut_at_a_character_and_masked() {
        let field = |name: &str| path("/a".to_owned(), Some(name));
        for (name, shown) in [
            ("transport", "/a/transport"),
            ("x-cti_2.$id", "/a/x-cti_2.$id"),
            ("durée", "/a/durée"),
            ("a/b~c", "/a/a~1b~0c"),
            ("201", "/a/201"),
            ("0721000111", "/a/0721000xxx"),
            ("line0721000111", "/a/line0721000xxx"),
            ("0721-000-111", "/a/xxx"),
            ("0721 000 111", "/a/xxx"),
            ("+390721000111", "/a/xxx"),
            ("10.1.2.9", "/a/xxx"),
            ("2001:db8::9", "/a/xxx"),
            ("00:15:65:aa:0b:cc", "/a/xxx"),
            ("ada@example.org", "/a/xxx"),
            ("Ada Neri", "/a/xxx"),
            ("a\u{1b}[2J", "/a/xxx"),
            ("", "/a/"),
        ] {
            assert_eq!(field(name), shown, "{name}");
        }
        assert_eq!(path("/a/*".to_owned(), None), "/a/*");
        assert_eq!(field(&"è".repeat(100)), format!("/a/{}", "è".repeat(64)));
        for (name, shown) in [
            ("huntGroupUpdate.v2", "huntGroupUpdate.v2"),
            ("satellite/summary", "satellite/summary"),
            ("call 0721000111 now", "call 0721000xxx now"),
            ("sip:ada@example.org", "xxx"),
        ] {
            assert_eq!(event(name.as_bytes()), shown);
        }
        assert_eq!(event("😀".repeat(500).as_bytes()), "😀".repeat(64));
        assert_eq!(event(b"a\xed\xa0\x80"), "a\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn no_half_of_an_address_is_left_at_the_cut() {
        for length in 0..140 {
            for address in ["2001:db8:1111:2222:3333:4444:5555:6666", "192.0.2.77", "0721000111"] {
                let name = format!("{}_{address}_{address}_{}", "x".repeat(length), "y".repeat(100));
                let shown = event(name.as_bytes());
                assert!(shown.chars().count() <= LONGEST);
                for part in ["2001", "db8", "3333", "192", "000111"] {
                    assert!(!shown.contains(part), "{length}: {shown}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_name_is_short_and_has_no_long_number(name in "[^0-9x]{0,80}", digits in "[0-9]{6,300}") {
            for shown in [event(format!("{name}{digits}").as_bytes()), event(format!("{digits}{name}").as_bytes())] {
                prop_assert!(shown.chars().count() <= LONGEST);
                prop_assert!(!shown.contains(&digits));
            }
        }
    }
}
