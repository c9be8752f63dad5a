//! Masks JSON text place by place. Copies it only if something changes.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::rules::{self, Place};
use crate::event::{elements, fields};

/// The deepest nesting; deeper than anything a PBX sends. Deeper text is masked completely.
const DEEPEST: usize = 64;

/// Masks a text; borrowed if nothing changes, `None` if it is not JSON.
pub(super) fn masked(text: &[u8], place: Place) -> Option<Cow<'_, [u8]>> {
    // By JSON's grammar: lone surrogates are well formed, and so are numbers beyond any type.
    serde_json::from_slice::<&RawValue>(text).ok()?;
    let mut copy = Copy { text, copied: 0, out: Vec::new() };
    copy.value(text.trim_ascii(), place, 0)?;
    if copy.copied == 0 {
        return Some(Cow::Borrowed(text));
    }
    copy.out.extend_from_slice(text.get(copy.copied..)?);
    Some(Cow::Owned(copy.out))
}

struct Copy<'a> {
    text: &'a [u8],
    /// The end of the text that is already in `out`, changed or not.
    copied: usize,
    out: Vec<u8>,
}

impl<'a> Copy<'a> {
    fn value(&mut self, value: &'a [u8], place: Place, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        match value.first()? {
            b'{' => {
                for (key, value) in fields(value) {
                    let quoted =
                        self.text.get(self.offset(key).checked_sub(1)?..=self.offset(key) + key.len())?;
                    let key = unescaped(quoted);
                    self.replace(quoted, rules::key(key.as_deref()));
                    self.value(value, place.under(key.as_deref()), depth + 1)?;
                }
            }
            b'[' => {
                for element in elements(value) {
                    self.value(element, place.element(), depth + 1)?;
                }
            }
            b'"' => self.replace(value, place.text(unescaped(value).as_deref())),
            b'0'..=b'9' | b'-' => self.replace(value, place.number(std::str::from_utf8(value).ok()?)),
            // true, false or null
            _ => {}
        }
        Some(())
    }

    /// Replaces a part by this text, quoted.
    fn replace(&mut self, part: &'a [u8], with: Option<String>) {
        let Some(with) = with else { return };
        let start = self.offset(part);
        self.out.extend_from_slice(self.text.get(self.copied..start).unwrap_or_default());
        // Neither serializing text nor writing to a Vec can fail.
        let _ = serde_json::to_writer(&mut self.out, &with);
        self.copied = start + part.len();
    }

    /// The offset of a part in the text.
    fn offset(&self, part: &[u8]) -> usize {
        part.as_ptr().addr() - self.text.as_ptr().addr()
    }
}

/// Decodes a string literal. `None` if it holds a lone surrogate, and so is not text.
fn unescaped(quoted: &[u8]) -> Option<String> {
    serde_json::from_slice(quoted).ok()
}
