//! A text with its escapes decoded, and the origin of each byte in the text: a secret may be escaped in many ways, but has
//! only one form without escapes.

use std::ops::Range;

/// The text, or its decoded form.
pub(super) struct View {
    pub(super) bytes: Vec<u8>,
    /// The offset of each byte in the text; at the end, the text's length.
    at: Vec<usize>,
}

impl View {
    /// The text itself, with JSON escapes decoded, with those of doubly escaped text decoded, and each with the
    /// percent-encoding decoded, also with `+` for a space. Only those that differ.
    pub(super) fn all(text: &str) -> Vec<Self> {
        let mut views = vec![Self { bytes: text.into(), at: (0..=text.len()).collect() }];
        for _ in 0..2 {
            views.extend(views.last().and_then(|view| view.without(unescaped)));
        }
        for at in 0..views.len() {
            let of = |plus| views.get(at).and_then(|view: &Self| view.without(|rest| decoded(rest, plus)));
            let found = [of(false), of(true)];
            views.extend(found.into_iter().flatten());
        }
        views
    }

    /// Maps a range to the text.
    pub(super) fn origin(&self, place: &Range<usize>) -> Range<usize> {
        let at = |index: usize| self.at.get(index).copied().unwrap_or_default();
        at(place.start)..at(place.end)
    }

    /// Decodes escapes: `undo` returns the length of an escape at the start, and its meaning. `None` if there is none.
    fn without<const N: usize>(
        &self,
        undo: impl Fn(&[u8]) -> Option<(usize, [u8; N], usize)>,
    ) -> Option<Self> {
        let mut view =
            Self { bytes: Vec::with_capacity(self.bytes.len()), at: Vec::with_capacity(self.at.len()) };
        let mut read = 0;
        while let Some(rest) = self.bytes.get(read..).filter(|rest| !rest.is_empty()) {
            let origin = self.at.get(read).copied().unwrap_or_default();
            if let Some((length, means, count)) = undo(rest) {
                view.bytes.extend(means.iter().take(count));
                view.at.extend(std::iter::repeat_n(origin, count));
                read += length;
            } else {
                view.bytes.extend(rest.first());
                view.at.push(origin);
                read += 1;
            }
        }
        view.at.extend(self.at.last());
        (view.bytes != self.bytes).then_some(view)
    }
}

/// Decodes `%41`; with `plus`, also `+`.
fn decoded(rest: &[u8], plus: bool) -> Option<(usize, [u8; 4], usize)> {
    match rest {
        [b'%', high, low, ..] => {
            let digit = |byte: &u8| char::from(*byte).to_digit(16);
            let byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
            Some((3, [byte, 0, 0, 0], 1))
        }
        [b'+', ..] if plus => Some((1, [b' ', 0, 0, 0], 1)),
        _ => None,
    }
}

/// Decodes the escapes of JSON strings, and Rust's (`\u{1b}`).
fn unescaped(rest: &[u8]) -> Option<(usize, [u8; 4], usize)> {
    let [b'\\', kind, after @ ..] = rest else { return None };
    let (length, ch) = match kind {
        b'n' => (2, '\n'),
        b'r' => (2, '\r'),
        b't' => (2, '\t'),
        b'b' => (2, '\u{8}'),
        b'f' => (2, '\u{c}'),
        b'"' | b'\\' | b'/' | b'\'' => (2, char::from(*kind)),
        b'u' => unicode(after)?,
        _ => return None,
    };
    let mut means = [0; 4];
    let count = ch.encode_utf8(&mut means).len();
    Some((length, means, count))
}

/// Decodes what follows `\u`: four digits, twice four for a surrogate pair, or digits in braces. Returns the full length.
fn unicode(after: &[u8]) -> Option<(usize, char)> {
    let number = |digits: &[u8]| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    if let [b'{', digits @ ..] = after {
        let count = digits.iter().take(7).position(|byte| *byte == b'}')?;
        return Some((4 + count, char::from_u32(number(digits.get(..count)?)?)?));
    }
    let first = number(after.get(..4)?)?;
    if let Some(ch) = char::from_u32(first) {
        return Some((6, ch));
    }
    let second = number(after.get(4..10)?.strip_prefix(b"\\u")?)?;
    let units = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
    Some((12, char::decode_utf16(units).next()?.ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_range_in_a_view_maps_to_the_text() {
        let secret = "pä\"s/s\\w&o+r d'\u{1f600}";
        let json = serde_json::to_string(secret).unwrap();
        let quoted = json.trim_matches('"').trim_end_matches('\\');
        let strict = |kept: &str| {
            secret.bytes().fold(String::new(), |text, byte| match char::from(byte) {
                ch if kept.contains(ch) => format!("{text}{ch}"),
                _ => format!("{text}%{byte:02x}"),
            })
        };
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for text in [
            secret,
            quoted,
            &quoted.replace('\\', "\\\\").replace('"', "\\\""),
            &quoted.replace('/', "\\/"),
            &quoted.replace('&', "\\u0026").replace('\'', "\\u0027"),
            "p\\u00e4\\\"s/s\\\\w&o+r d'\\uD83D\\ude00",
            &secret.escape_default().to_string(),
            &secret.escape_debug().to_string(),
            &strict(""),
            &strict("pswd"),
            &strict("pswd")
                .to_uppercase()
                .replace('P', "p")
                .replace('S', "s")
                .replace('W', "w")
                .replace("D%27", "d%27"),
            &form,
            &form.replace('%', "\\u0025"),
        ] {
            let text = format!("<{text}>");
            let found = View::all(&text).iter().any(|view| {
                let place = memchr::memmem::find(&view.bytes, secret.as_bytes());
                place.is_some_and(|at| view.origin(&(at..at + secret.len())) == (1..text.len() - 1))
            });
            assert!(found, "{text}");
        }
    }

    #[test]
    fn anything_but_an_escape_stays() {
        for text in ["", "100% of %zz%4", "a\\", "\\u12", "\\u{110000}\\u{", "\\ud800\\x"] {
            assert_eq!(View::all(text).len(), 1, "{text}");
        }
    }
}
