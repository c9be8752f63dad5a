//! The forms in which a secret comes back: as it is, and as JSON, a URL, base64 or hexadecimal digits have it.

use std::{collections::BTreeSet, fmt::Write as _, ops::Range};

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use memchr::memmem;
use secrecy::{ExposeSecret as _, SecretString};
use url::form_urlencoded;

/// Of a longer secret, in bytes, only what was read is masked: it is no password that a peer would encode.
const ENCODED: usize = 8 * 1024;
/// A shorter stretch of base64, in characters, also occurs by chance.
const STRETCH: usize = 4;

/// One form of a secret.
pub(super) struct Form {
    text: SecretString,
    /// The secret may be a part of what was encoded, as in `user:password`: so all of that goes.
    in_base64: bool,
}

impl Form {
    /// Where it stands.
    pub(super) fn places<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        let form = self.text.expose_secret().as_bytes();
        memmem::find_iter(text.as_bytes(), form).map(|at| match self.in_base64 {
            true => whole_base64(text, at..at + form.len()),
            false => at..at + form.len(),
        })
    }

    /// Where the text ends within it, of at least `least` bytes.
    pub(super) fn cut_off(&self, text: &str, least: usize) -> impl Iterator<Item = Range<usize>> {
        let form = self.text.expose_secret();
        let longest = text.len().min(form.len().saturating_sub(1));
        let length = (least..=longest)
            .rev()
            .find(|length| form.get(..*length).is_some_and(|start| text.ends_with(start)));
        length.map(|length| text.len() - length..text.len()).into_iter()
    }
}

/// All forms, each once. A short secret has none that could as well be a part of something else.
pub(super) fn forms(raw: &str, is_short: bool) -> Vec<Form> {
    let mut plain = BTreeSet::from([raw.to_owned()]);
    let mut base64 = BTreeSet::new();
    if raw.len() <= ENCODED {
        let in_urls = in_urls(raw);
        if !is_short {
            plain.extend([HEXLOWER.encode(raw.as_bytes()), HEXUPPER.encode(raw.as_bytes())]);
            for bytes in in_urls.iter().map(String::as_str).chain([raw]) {
                base64.extend(in_base64(bytes.as_bytes()));
            }
        }
        plain.extend(in_urls);
        plain.extend(in_json(raw));
        plain.insert(raw.escape_debug().to_string());
    }
    let form = |in_base64| move |text: String| Form { text: text.into(), in_base64 };
    plain.into_iter().map(form(false)).chain(base64.into_iter().map(form(true))).collect()
}

/// Percent-encoded: all but RFC 3986's unreserved characters, as `encodeURIComponent` does, and as a form; in either case.
fn in_urls(raw: &str) -> Vec<String> {
    let encode = |kept: &str| {
        raw.bytes().fold(String::new(), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
                out.push(char::from(byte));
            } else {
                // Writing to a String can't fail.
                let _ = write!(out, "%{byte:02X}");
            }
            out
        })
    };
    let form = form_urlencoded::byte_serialize(raw.as_bytes()).collect();
    let upper = [encode("-._~"), encode("-._~!*'()"), form];
    upper.into_iter().flat_map(|text| [lower_percent(&text), text]).collect()
}

/// With `%2f` for `%2F`.
fn lower_percent(text: &str) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        out.extend(["%", &digits.to_ascii_lowercase(), rest]);
    }
    out
}

/// Within a JSON string: with the fewest escapes, with `\/`, safe for HTML, and in ASCII alone.
fn in_json(raw: &str) -> [String; 4] {
    let json = serde_json::to_string(raw).unwrap_or_default();
    let json = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
    let escaped = |is_escaped: fn(char) -> bool| {
        json.chars().fold(String::new(), |mut out, ch| {
            if is_escaped(ch) {
                let mut units = [0; 2];
                for unit in ch.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            } else {
                out.push(ch);
            }
            out
        })
    };
    [
        json.to_owned(),
        json.replace('/', "\\/"),
        escaped(|ch| matches!(ch, '<' | '>' | '&' | '\'')),
        escaped(|ch| !ch.is_ascii()),
    ]
}

/// What is sure to be in the base64 of anything that holds these bytes, at each of the three places in a group of three.
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

/// The place with all base64 around it.
fn whole_base64(text: &str, place: Range<usize>) -> Range<usize> {
    let is_base64 = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let bytes = text.as_bytes();
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

    /// What is left of a text.
    fn left(secret: &str, text: &str) -> String {
        let forms = forms(secret, false);
        let places: Vec<_> = forms.iter().flat_map(|form| form.places(text)).collect();
        let hidden = |at: &usize| places.iter().any(|place| place.contains(at));
        text.char_indices().filter(|(at, _)| !hidden(at)).map(|(_, ch)| ch).collect()
    }

    #[test]
    fn a_secret_is_found_in_whatever_form_it_comes_back() {
        let secret = "pä\"s/s\\w&o+r d'";
        let json = serde_json::to_string(secret).unwrap();
        let (quoted, ascii) = (json.trim_matches('"'), "p\\u00e4\\\"s/s\\\\w&o+r d'");
        let mut password = url::Url::parse("http://pbx.example").unwrap();
        password.set_password(Some("p/s?s:w@r d")).unwrap();
        for text in [
            secret,
            quoted,
            &quoted.replace('/', "\\/"),
            &quoted.replace('&', "\\u0026").replace('\'', "\\u0027"),
            ascii,
            &format!("{secret:?}"),
            "p%C3%A4%22s%2Fs%5Cw%26o%2Br%20d%27",
            "p%c3%a4%22s%2fs%5cw%26o%2br%20d%27",
            "p%C3%A4%22s%2Fs%5Cw%26o%2Br%20d'",
            "p%C3%A4%22s%2Fs%5Cw%26o%2Br+d%27",
            &HEXLOWER.encode(secret.as_bytes()),
            &HEXUPPER.encode(secret.as_bytes()),
        ] {
            let text = text.trim_matches('"');
            assert_eq!(left(secret, &format!("<{text}>")), "<>", "{text}");
        }
        assert_eq!(left("p/s?s:w@r d", password.as_str()), "http://:@pbx.example/");
    }

    #[test]
    fn base64_goes_as_a_whole_wherever_in_it_the_secret_stands() {
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
