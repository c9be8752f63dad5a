//! Walks JSON text without building anything: where a value ends, and whether it is well formed.
//!
//! Iterative and bounded by the text alone: nesting of any depth, numbers of any size and lone
//! surrogates pass, as they are JSON (RFC 8259) and none of our business.

/// The byte order mark, in UTF-8.
pub(super) const BOM: &[u8] = "\u{feff}".as_bytes();

/// Why text is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotJson;

type Result<T> = std::result::Result<T, NotJson>;

/// A place in a text.
pub(super) struct Walk<'a> {
    text: &'a [u8],
    at: usize,
    /// Open containers, innermost last: one bit each, set for an object. Kept between values.
    open: Vec<bool>,
}

impl<'a> Walk<'a> {
    /// Starts at this place, behind a byte order mark there.
    pub(super) fn new(text: &'a [u8], at: usize) -> Self {
        let is_marked = text.get(at..).is_some_and(|rest| rest.starts_with(BOM));
        Self { text, at: if is_marked { at + BOM.len() } else { at }, open: Vec::new() }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next byte that is no white space, without taking it.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.text.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Takes this byte, after white space.
    pub(super) fn expect(&mut self, byte: u8) -> Result<()> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(NotJson)
        }
    }

    /// Takes a string literal.
    pub(super) fn string(&mut self) -> Result<()> {
        self.expect(b'"')?;
        loop {
            let rest = self.text.get(self.at..).ok_or(NotJson)?;
            // The bulk of every frame is strings without escapes: memchr walks them.
            let found = memchr::memchr2(b'"', b'\\', rest).ok_or(NotJson)?;
            let plain = rest.get(..found).ok_or(NotJson)?;
            if plain.iter().any(|&byte| byte < 0x20) {
                return Err(NotJson);
            }
            self.at += found + 1;
            if rest.get(found) == Some(&b'"') {
                return Ok(());
            }
            self.escape()?;
        }
    }

    fn escape(&mut self) -> Result<()> {
        let escaped = self.text.get(self.at).ok_or(NotJson)?;
        self.at += 1;
        match escaped {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                let hex = self.text.get(self.at..self.at + 4).ok_or(NotJson)?;
                self.at += 4;
                if hex.iter().all(u8::is_ascii_hexdigit) { Ok(()) } else { Err(NotJson) }
            }
            _ => Err(NotJson),
        }
    }

    /// Takes one value.
    pub(super) fn value(&mut self) -> Result<()> {
        self.open.clear();
        loop {
            match self.peek().ok_or(NotJson)? {
                b'{' => {
                    self.at += 1;
                    if self.peek() == Some(b'}') {
                        self.at += 1;
                    } else {
                        self.open.push(true);
                        self.key()?;
                        continue;
                    }
                }
                b'[' => {
                    self.at += 1;
                    if self.peek() == Some(b']') {
                        self.at += 1;
                    } else {
                        self.open.push(false);
                        continue;
                    }
                }
                b'"' => self.string()?,
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => self.number()?,
            }
            if self.close()? {
                return Ok(());
            }
        }
    }

    /// After a value: takes what closes, up to the next value. True when the outermost is done.
    fn close(&mut self) -> Result<bool> {
        loop {
            let Some(&object) = self.open.last() else { return Ok(true) };
            match (self.peek().ok_or(NotJson)?, object) {
                (b',', _) => {
                    self.at += 1;
                    if object {
                        self.key()?;
                    }
                    return Ok(false);
                }
                (b'}', true) | (b']', false) => {
                    self.at += 1;
                    self.open.pop();
                }
                _ => return Err(NotJson),
            }
        }
    }

    fn key(&mut self) -> Result<()> {
        self.string()?;
        self.expect(b':')
    }

    fn word(&mut self, word: &[u8]) -> Result<()> {
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            Ok(())
        } else {
            Err(NotJson)
        }
    }

    fn number(&mut self) -> Result<()> {
        if self.text.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        match self.text.get(self.at) {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(NotJson),
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<()> {
        let from = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at > from { Ok(()) } else { Err(NotJson) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_json(text: &str) -> bool {
        let mut walk = Walk::new(text.as_bytes(), 0);
        walk.value().is_ok() && walk.peek().is_none()
    }

    #[test]
    fn takes_what_is_json_and_nothing_else() {
        for text in [
            "{}",
            "[]",
            " [ 1 , {\"a\" : [ ] } ] ",
            "\"\\ud800\"",
            "1e999",
            "-0.5E-7",
            "true",
            "null",
            "{\"a\":{\"b\":[[],{}]},\"a\":\"\\\\\\\"\"}",
            "123456789012345678901234567890",
        ] {
            assert!(is_json(text), "{text}");
        }
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "01",
            "1.",
            ".5",
            "+1",
            "tru",
            "\"\\x\"",
            "\"\\u12\"",
            "\"a",
            "\"\n\"",
            "[1 2]",
            "{1:2}",
            "[}",
            "{]",
            "NaN",
            "1 1",
            "'a'",
        ] {
            assert!(!is_json(text), "{text}");
        }
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(is_json(&deep));
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                proptest::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_a_parser_on_values(value in json()) {
            prop_assert!(is_json(&value.to_string()));
            prop_assert!(is_json(&serde_json::to_string_pretty(&value).unwrap()));
        }

        #[test]
        fn agrees_with_a_parser_on_anything(text in "[\\[\\]{}:,\" \\\\0-9a-u.+-]{0,12}") {
            let parsed = serde_json::from_str::<Box<serde_json::value::RawValue>>(&text).is_ok();
            prop_assert_eq!(is_json(&text), parsed);
        }
    }
}
