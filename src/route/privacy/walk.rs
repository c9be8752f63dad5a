//! From place to place through JSON text. Only what must change is copied anew.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::rules::{self, Place};

/// Deeper than anything a PBX sends; what lies deeper is not shown at all.
const DEEPEST: usize = 64;

/// Borrowed if nothing is to be changed; none if this is no JSON.
pub(super) fn masked(text: &[u8], place: Place) -> Option<Cow<'_, [u8]>> {
    let mut walk = Walk { text, at: 0, copied: 0, out: Vec::new() };
    walk.value(place, 0)?;
    walk.blank();
    if walk.at != text.len() {
        return None;
    }
    if walk.copied == 0 {
        return Some(Cow::Borrowed(text));
    }
    walk.out.extend_from_slice(text.get(walk.copied..)?);
    Some(Cow::Owned(walk.out))
}

/// A string that holds one is no text.
struct LoneSurrogate;

struct Walk<'a> {
    text: &'a [u8],
    at: usize,
    /// Up to here the text is in `out`, changed or not.
    copied: usize,
    out: Vec<u8>,
}

impl<'a> Walk<'a> {
    fn value(&mut self, place: Place, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        self.blank();
        match self.text.get(self.at)? {
            b'{' => self.object(place, depth),
            b'[' => self.array(place, depth),
            b'"' => {
                let start = self.at;
                let text = self.string()?;
                self.replace(start, place.text(text.as_deref().ok()));
                Some(())
            }
            b'0'..=b'9' | b'-' => {
                let start = self.at;
                let number =
                    self.run(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))?;
                well_formed(number.as_bytes())?;
                self.replace(start, place.number(number));
                Some(())
            }
            b't' | b'f' | b'n' => {
                matches!(self.run(|byte| byte.is_ascii_lowercase())?, "true" | "false" | "null").then_some(())
            }
            _ => None,
        }
    }

    fn object(&mut self, place: Place, depth: usize) -> Option<()> {
        self.at += 1;
        self.blank();
        if self.eat(b'}') {
            return Some(());
        }
        loop {
            self.blank();
            let start = self.at;
            let key = self.string()?;
            let key = key.as_deref().ok();
            self.replace(start, rules::key(key));
            self.blank();
            self.eat(b':').then_some(())?;
            self.value(place.under(key), depth + 1)?;
            self.blank();
            if self.eat(b'}') {
                return Some(());
            }
            self.eat(b',').then_some(())?;
        }
    }

    fn array(&mut self, place: Place, depth: usize) -> Option<()> {
        self.at += 1;
        self.blank();
        if self.eat(b']') {
            return Some(());
        }
        loop {
            self.value(place, depth + 1)?;
            self.blank();
            if self.eat(b']') {
                return Some(());
            }
            self.eat(b',').then_some(())?;
        }
    }

    /// The string here, unescaped.
    fn string(&mut self) -> Option<Result<String, LoneSurrogate>> {
        let start = self.at;
        self.eat(b'"').then_some(())?;
        loop {
            match self.text.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                0..0x20 => return None,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        let raw = self.text.get(start..self.at)?;
        well_formed(raw)?;
        Some(serde_json::from_slice(raw).map_err(|_| LoneSurrogate))
    }

    fn run(&mut self, belongs: impl Fn(u8) -> bool) -> Option<&'a str> {
        let start = self.at;
        while self.text.get(self.at).is_some_and(|byte| belongs(*byte)) {
            self.at += 1;
        }
        std::str::from_utf8(self.text.get(start..self.at)?).ok()
    }

    /// What began at `start` becomes this text, quoted.
    fn replace(&mut self, start: usize, with: Option<String>) {
        let Some(with) = with else { return };
        self.out.extend_from_slice(self.text.get(self.copied..start).unwrap_or_default());
        // Text can't fail to serialize, nor a Vec to be written to.
        let _ = serde_json::to_writer(&mut self.out, &with);
        self.copied = self.at;
    }

    fn blank(&mut self) {
        while self.text.get(self.at).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }
}

/// As JSON's grammar goes: a lone surrogate is, a number beyond any type too.
fn well_formed(scalar: &[u8]) -> Option<()> {
    serde_json::from_slice::<&RawValue>(scalar).ok().map(|_| ())
}
