//! Masks JSON text place by place. Only what must change is copied.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::rules::{self, Place};
use crate::event::{elements, fields};

/// Deeper than anything a PBX sends; a text that goes deeper is not shown at all.
const DEEPEST: usize = 64;

/// Borrowed if nothing is to be changed; `None` if this is not JSON.
pub(super) fn masked(text: &[u8], place: Place) -> Option<Cow<'_, [u8]>> {
    // As JSON's grammar goes: a lone surrogate is well formed, a number beyond any type too.
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
    /// Up to here the text is in `out`, changed or not.
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
                    self.value(element, place, depth + 1)?;
                }
            }
            b'"' => self.replace(value, place.text(unescaped(value).as_deref())),
            b'0'..=b'9' | b'-' => self.replace(value, place.number(std::str::from_utf8(value).ok()?)),
            // true, false or null
            _ => {}
        }
        Some(())
    }

    /// Puts this text, quoted, in the place of a part.
    fn replace(&mut self, part: &'a [u8], with: Option<String>) {
        let Some(with) = with else { return };
        let start = self.offset(part);
        self.out.extend_from_slice(self.text.get(self.copied..start).unwrap_or_default());
        // Text can't fail to serialize, nor a Vec to be written to.
        let _ = serde_json::to_writer(&mut self.out, &with);
        self.copied = start + part.len();
    }

    /// Where a part of the text begins in it.
    fn offset(&self, part: &[u8]) -> usize {
        part.as_ptr().addr() - self.text.as_ptr().addr()
    }
}

/// The text of a string literal. `None` if it holds a lone surrogate, and so is not text.
fn unescaped(quoted: &[u8]) -> Option<String> {
    serde_json::from_slice(quoted).ok()
}
