//! Names that are safe on a bus.
//!
//! Event names and entities come from the PBX and may contain anything: dots, stars, spaces, control bytes,
//! or nothing at all. Escaping turns each into a single subject token without collisions.

use std::{borrow::Cow, fmt::Write as _};

use sha2::{Digest, Sha256};

/// Token of an event without an entity.
pub const NONE: &str = "_";

/// Name of an event whose own name is hidden from a sink, in its type, subject and key. The same for all profiles and keys, so
/// that an event is recognised after a change of either.
pub const HIDDEN_NAME: &str = "xxx";

const LONGEST: usize = 64;
const KEPT: usize = 40;

/// Escapes a name: bytes `[A-Za-z0-9_-]` stay, any other byte becomes `=XX` (upper-case hex), an empty name
/// becomes `=`. Reversible and collision-free.
pub fn escape(raw: &[u8]) -> Cow<'_, str> {
    if raw.is_empty() {
        return Cow::Borrowed("=");
    }
    if raw.iter().all(|&b| plain(b))
        && let Ok(text) = std::str::from_utf8(raw)
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(raw.len() + 16);
    for &byte in raw {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            let _ = write!(out, "={byte:02X}");
        }
    }
    Cow::Owned(out)
}

/// Returns the slug of an event name: escaped; if that exceeds 64 bytes, its first 40 (never cut inside
/// `=XX`), `==`, and 16 hex digits of the name's SHA-256. The long form is not reversible.
pub fn slug(name: &[u8]) -> Cow<'_, str> {
    let escaped = escape(name);
    if escaped.len() <= LONGEST {
        return escaped;
    }
    let kept = escaped.get(..KEPT).unwrap_or_default();
    // An escape in the last two bytes would be cut in half.
    let kept = match kept.get(KEPT - 2..).and_then(|end| end.find('=')) {
        Some(at) => kept.get(..KEPT - 2 + at).unwrap_or_default(),
        None => kept,
    };
    let mut out = format!("{kept}==");
    for byte in Sha256::digest(name).iter().take(8) {
        let _ = write!(out, "{byte:02x}");
    }
    Cow::Owned(out)
}

/// Returns the token of an entity: [`NONE`] without one, and `=5F` for an entity named `_`.
pub fn entity_token(entity: Option<&[u8]>) -> Cow<'_, str> {
    match entity {
        None => Cow::Borrowed(NONE),
        Some(b"_") => Cow::Borrowed("=5F"),
        Some(raw) => slug(raw),
    }
}

fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_names_stay_and_others_are_escaped() {
        assert_eq!(slug(b"extenUpdate"), "extenUpdate");
        assert_eq!(slug(b"satellite/summary"), "satellite=2Fsummary");
        assert_eq!(slug(b"401"), "401");
        assert_eq!(slug(b""), "=");
        assert_eq!(slug(b"a.b*c> d=\n"), "a=2Eb=2Ac=3E=20d=3D=0A");
        assert_eq!(slug("perché".as_bytes()), "perch=C3=A9");
    }

    #[test]
    fn a_long_name_is_cut_before_an_escape_and_keeps_a_digest() {
        let cut_inside = [b"x".repeat(39), b"/".repeat(20)].concat();
        let slug = slug(&cut_inside);
        assert!(slug.starts_with(&format!("{}==", "x".repeat(39))), "{slug}");
        assert_eq!(slug.len(), 39 + 2 + 16);
        let one = super::slug(&[b"y".repeat(100), b"1".to_vec()].concat()).into_owned();
        let other = super::slug(&[b"y".repeat(100), b"2".to_vec()].concat()).into_owned();
        assert_ne!(one, other);
    }

    #[test]
    fn an_entity_named_like_the_placeholder_is_escaped() {
        assert_eq!(entity_token(None), "_");
        assert_eq!(entity_token(Some(b"_")), "=5F");
        assert_eq!(entity_token(Some(b"401/201")), "401=2F201");
    }

    fn unescape(text: &str) -> Vec<u8> {
        if text == "=" {
            return Vec::new();
        }
        let mut out = Vec::new();
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            if byte == b'=' {
                let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
            } else {
                out.push(byte);
            }
        }
        out
    }

    proptest! {
        #[test]
        fn the_escape_is_reversible_and_one_token(raw in proptest::collection::vec(any::<u8>(), 0..40)) {
            let escaped = escape(&raw);
            prop_assert!(escaped.bytes().all(|b| plain(b) || b == b'='));
            prop_assert_eq!(unescape(&escaped), raw);
        }

        #[test]
        fn a_slug_is_never_long_nor_cut_inside_an_escape(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
            let slug = slug(&raw);
            prop_assert!(!slug.is_empty() && slug.len() <= LONGEST);
            let head = slug.split("==").next().unwrap();
            if !raw.is_empty() {
                prop_assert!(raw.starts_with(&unescape(head)));
            }
        }
    }
}
