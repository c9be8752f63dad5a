//! An event as received from the PBX.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use jiff::Timestamp;

/// A Socket.IO event: its text frame, and the ranges of its name and arguments.
#[derive(Debug, Clone)]
pub struct RawEvent {
    /// Receive time.
    pub at: Timestamp,
    /// Text frame as received, in its own allocation.
    pub bytes: Bytes,
    /// JSON text of the name, without quotes.
    pub name: Range<u32>,
    /// Range from the first argument to the end of the last; empty without arguments.
    pub args: Range<u32>,
    /// Number of arguments.
    pub argc: u16,
    /// Binary attachments, in order.
    pub attachments: Box<[Bytes]>,
}

impl RawEvent {
    /// Returns the unescaped name. A lone surrogate becomes the three bytes of its generalized UTF-8.
    pub fn name(&self) -> Cow<'_, [u8]> {
        let text = self.bytes.get(place(&self.name)).unwrap_or_default();
        match memchr::memchr(b'\\', text) {
            None => Cow::Borrowed(text),
            Some(first) => Cow::Owned(unescape(text, first)),
        }
    }

    /// Returns the size in bytes, attachments included.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }

    /// Returns the JSON text of the arguments, comma-separated; a slice of the frame.
    pub fn args(&self) -> Bytes {
        let range = place(&self.args);
        if self.bytes.get(range.clone()).is_some() { self.bytes.slice(range) } else { Bytes::new() }
    }
}

fn place(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}

/// Unescapes the inside of a JSON string. `first` is the place of the first backslash.
pub(crate) fn unescape(text: &[u8], first: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut found = Some(first);
    while let Some(at) = found {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = match escape.get(1) {
            Some(b'u') => code_point(escape, &mut out),
            Some(&byte) => {
                out.push(match byte {
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => other,
                });
                escape.get(2..).unwrap_or_default()
            }
            None => &[],
        };
        found = memchr::memchr(b'\\', rest);
    }
    out.extend_from_slice(rest);
    out
}

/// Decodes the `\uXXXX` at the start, or a surrogate pair, appends it to `out`, and returns the remaining
/// text.
fn code_point<'a>(escape: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let Some(high) = hex(escape) else { return escape.get(2..).unwrap_or_default() };
    let after = escape.get(6..).unwrap_or_default();
    if (0xD800..0xDC00).contains(&high)
        && after.starts_with(b"\\u")
        && let Some(low @ 0xDC00..0xE000) = hex(after)
        && let Some(character) = char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    {
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        return after.get(6..).unwrap_or_default();
    }
    match char::from_u32(high) {
        Some(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        // A lone surrogate, encoded by the rule of UTF-8.
        None => out.extend(
            [0xE0 | high >> 12, 0x80 | high >> 6 & 0x3F, 0x80 | high & 0x3F].map(|byte| (byte & 0xFF) as u8),
        ),
    }
    after
}

fn hex(escape: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(escape.get(2..6)?).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_unescaped() {
        let read = |text: &str| unescape(text.as_bytes(), text.find('\\').unwrap_or(text.len()));
        assert_eq!(read(r#"a\"\\\/\n"#), b"a\"\\/\n");
        assert_eq!(read(r"\u0061\u00e8"), "aè".as_bytes());
        assert_eq!(read(r"\ud83d\ude00!"), "😀!".as_bytes());
        assert_eq!(read(r"x\ud800y"), b"x\xED\xA0\x80y");
        assert_eq!(read(r"\ud800\u0061"), b"\xED\xA0\x80a");
    }

    proptest! {
        #[test]
        fn agrees_with_a_parser(name in any::<String>()) {
            let quoted = serde_json::Value::from(name.as_str()).to_string();
            let text = &quoted[1..quoted.len() - 1];
            prop_assert_eq!(unescape(text.as_bytes(), text.find('\\').unwrap_or(text.len())), name.as_bytes());
        }

        #[test]
        fn never_panics(text in "[\\\\ud80cef\"n]{0,20}") {
            let _ = unescape(text.as_bytes(), text.find('\\').unwrap_or(text.len()));
        }
    }
}
