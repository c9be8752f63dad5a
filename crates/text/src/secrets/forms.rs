//! The forms in which a secret may be echoed: verbatim, in base64, or in hexadecimal digits. Escapes are decoded before
//! the search: see `views`.

use std::{collections::BTreeSet, ops::Range};

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use memchr::memmem;
use secrecy::{ExposeSecret as _, SecretString};
use url::form_urlencoded;

/// The longest secret, in bytes, of which encoded forms are masked: a peer would not encode a longer one.
const ENCODED: usize = 8 * 1024;
/// The minimum length of a base64 form, in characters: a shorter one also occurs by chance.
const STRETCH: usize = 4;

/// One form of a secret.
pub(super) struct Form {
    text: SecretString,
    /// True if the secret may be a part of the encoded text, as in `user:password`: so all of that is masked.
    in_base64: bool,
}

impl Form {
    /// The ranges where it occurs.
    pub(super) fn places<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
        let form = self.text.expose_secret().as_bytes();
        memmem::find_iter(text, form).map(|at| {
            let place = at..at + form.len();
            if self.in_base64 { whole_base64(text, place) } else { place }
        })
    }

    /// The range at the end of a text that is truncated within it, of at least `least` bytes.
    pub(super) fn cut_off(&self, text: &[u8], least: usize) -> Option<Range<usize>> {
        let form = self.text.expose_secret().as_bytes();
        let longest = text.len().min(form.len().saturating_sub(1));
        let ends_with = |length: &usize| form.get(..*length).is_some_and(|start| text.ends_with(start));
        (least..=longest).rev().find(ends_with).map(|length| text.len() - length..text.len())
    }
}

/// All distinct forms. For a short secret, forms that could be a part of other text are omitted.
pub(super) fn forms(raw: &str, is_short: bool) -> Vec<Form> {
    let mut plain = BTreeSet::from([raw.to_owned()]);
    let mut base64 = BTreeSet::new();
    if !is_short && raw.len() <= ENCODED {
        plain.extend([HEXLOWER.encode(raw.as_bytes()), HEXUPPER.encode(raw.as_bytes())]);
        // OAuth's form in `Authorization: Basic` (RFC 6749, section 2.3.1).
        let form: String = form_urlencoded::byte_serialize(raw.as_bytes()).collect();
        base64.extend([raw, &form].into_iter().flat_map(|text| in_base64(text.as_bytes())));
    }
    let form = |in_base64| move |text: String| Form { text: text.into(), in_base64 };
    plain.into_iter().map(form(false)).chain(base64.into_iter().map(form(true))).collect()
}

/// The part that the base64 of any text with these bytes contains, for each of the three offsets in a group of three.
fn in_base64(bytes: &[u8]) -> Vec<String> {
    let stretch = |encoded: &str, before: usize| {
        let (start, end) = ((before * 8).div_ceil(6), (before + bytes.len()) * 8 / 6);
        encoded.get(start..end).filter(|stretch| stretch.len() >= STRETCH).map(str::to_owned)
    };
    let at = |before: usize| {
        let padded = [&[0; 2][..before], bytes].concat();
        [BASE64_NOPAD.encode(&padded), BASE64URL_NOPAD.encode(&padded)]
            .map(|encoded| stretch(&encoded, before))
    };
    (0..3).flat_map(at).flatten().collect()
}

/// Extends the range to all base64 around it.
fn whole_base64(bytes: &[u8], place: Range<usize>) -> Range<usize> {
    let is_base64 = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let before = bytes.get(..place.start).unwrap_or_default().iter().rev().take_while(is_base64).count();
    let rest = bytes.get(place.end..).unwrap_or_default();
    let after = rest.iter().take_while(is_base64).count();
    let padding = rest.iter().skip(after).take_while(|byte| **byte == b'=').take(2).count();
    place.start - before..place.end + after + padding
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use data_encoding::{BASE64, BASE64URL};

    use super::*;

    /// Removes the masked ranges from a text.
    fn left(secret: &str, text: &str) -> String {
        let forms = forms(secret, false);
        let places: Vec<_> = forms.iter().flat_map(|form| form.places(text.as_bytes())).collect();
        let hidden = |at: &usize| places.iter().any(|place| place.contains(at));
        text.char_indices().filter(|(at, _)| !hidden(at)).map(|(_, ch)| ch).collect()
    }

    #[test]
    fn base64_is_masked_completely_at_any_offset() {
        for secret in ["hunter2-hunter2", "pass", "ÿþ?>"] {
            for user in ["", "a:", "ab:", "abc:", "ada@example.org:"] {
                for after in ["", "x", "xy", ":xyz"] {
                    let text = format!("{user}{secret}{after}");
                    for encoded in [
                        BASE64.encode(text.as_bytes()),
                        BASE64_NOPAD.encode(text.as_bytes()),
                        BASE64URL.encode(text.as_bytes()),
                    ] {
                        let said = format!("Basic {encoded}, sorry");
                        assert_eq!(left(secret, &said), "Basic , sorry", "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn other_text_stays() {
        let text = "c2VjcmV0 sekret %73 the quick brown fox";
        assert_eq!(left("quack-quack", text), text);
    }
}
