//! Hides personal data in JSON text, place by place. Copies it only if something changes.

use std::borrow::Cow;

use super::{redactor::Source, rules::Place};

/// The deepest nesting; deeper than anything a PBX sends. Deeper text is hidden completely.
const DEEPEST: usize = 64;

/// Hides personal data in a text; borrowed if nothing changes, `None` if it is not JSON.
///
/// By JSON's grammar: lone surrogates are well formed, and so are numbers beyond any type.
pub(super) fn walk<'a>(text: &'a [u8], place: Place, source: &mut Source<'_>) -> Option<Cow<'a, [u8]>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut walk = Walk { text, at: 0, copied: 0, out: Vec::new(), scratch: String::new(), source };
    walk.space();
    walk.value(place, 0)?;
    walk.space();
    if walk.at != text.len() {
        return None;
    }
    if walk.copied == 0 {
        return Some(Cow::Borrowed(text.as_bytes()));
    }
    walk.out.extend_from_slice(text.as_bytes().get(walk.copied..)?);
    Some(Cow::Owned(walk.out))
}

struct Walk<'a, 'r, 's> {
    text: &'a str,
    at: usize,
    /// The end of the text that is already in `out`, changed or not.
    copied: usize,
    out: Vec<u8>,
    /// The replacement, before it is quoted.
    scratch: String,
    source: &'r mut Source<'s>,
}

impl<'a> Walk<'a, '_, '_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn value(&mut self, place: Place, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        let start = self.at;
        match self.peek()? {
            b'{' => self.object(place, depth),
            b'[' => self.array(place, depth),
            b'"' => {
                let text = self.string()?;
                let is_replaced = self.source.text(place, text.as_deref(), &mut self.scratch);
                self.replace(start, is_replaced)
            }
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => {
                let number = self.number()?;
                let replaced = self.source.texts.unquoted(place, number);
                if let Some(replaced) = &replaced {
                    self.scratch.push_str(replaced);
                }
                self.replace(start, replaced.is_some())
            }
        }
    }

    fn object(&mut self, place: Place, depth: usize) -> Option<()> {
        self.at += 1;
        self.space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.space();
            let start = self.at;
            let key = self.string()?;
            let is_replaced = self.source.key(place, key.as_deref(), &mut self.scratch);
            self.replace(start, is_replaced)?;
            self.space();
            self.expect(b':')?;
            self.space();
            let inner = place.under(key.as_deref(), self.source.texts.rules.settings);
            self.value(inner, depth + 1)?;
            self.space();
            if self.peek()? == b'}' {
                self.at += 1;
                return Some(());
            }
            self.expect(b',')?;
        }
    }

    fn array(&mut self, place: Place, depth: usize) -> Option<()> {
        let inner = place.element(self.source.texts.rules.settings);
        self.at += 1;
        self.space();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.space();
            self.value(inner, depth + 1)?;
            self.space();
            if self.peek()? == b']' {
                self.at += 1;
                return Some(());
            }
            self.expect(b',')?;
        }
    }

    fn literal(&mut self, word: &str) -> Option<()> {
        self.text.get(self.at..)?.starts_with(word).then(|| self.at += word.len())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<&'a str> {
        let start = self.at;
        if self.peek()? == b'-' {
            self.at += 1;
        }
        if self.peek()? == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.text.get(start..self.at)
    }

    /// Reads a string literal. The inner `None` is one that is not text, as it holds a lone surrogate; the outer one is not a literal.
    #[allow(clippy::option_option, reason = "the inner one is a value that the rules handle")]
    fn string(&mut self) -> Option<Option<Cow<'a, str>>> {
        let start = self.at;
        self.expect(b'"')?;
        let mut is_escaped = false;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    is_escaped = true;
                    self.at += 1;
                    match self.peek()? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                        b'u' => {
                            let hex = self.text.as_bytes().get(self.at + 1..self.at + 5)?;
                            hex.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                        }
                        _ => return None,
                    }
                }
                0..0x20 => return None,
                _ => {}
            }
            self.at += 1;
        }
        self.at += 1;
        Some(if is_escaped {
            serde_json::from_str(self.text.get(start..self.at)?).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(self.text.get(start + 1..self.at - 1)?))
        })
    }

    /// Replaces what was read since `start` by the scratch text, quoted.
    fn replace(&mut self, start: usize, is_replaced: bool) -> Option<()> {
        if is_replaced {
            self.out.extend_from_slice(self.text.as_bytes().get(self.copied..start)?);
            // Neither serializing text nor writing to a Vec can fail.
            let _ = serde_json::to_writer(&mut self.out, &self.scratch);
            self.copied = self.at;
        }
        self.scratch.clear();
        Some(())
    }
}
