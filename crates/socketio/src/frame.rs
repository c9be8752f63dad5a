//! An event as received.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use jiff::Timestamp;

/// A Socket.IO event: its text frame, and the ranges of its name and arguments.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The time of receipt.
    pub at: Timestamp,
    /// The text frame as received, in its own allocation.
    pub bytes: Bytes,
    /// The name's JSON text, without its quotes.
    pub name: Range<u32>,
    /// From the first argument to the end of the last; empty without arguments.
    pub args: Range<u32>,
    /// Number of arguments.
    pub argc: u16,
    /// Binary attachments, in order.
    pub attachments: Box<[Bytes]>,
}

impl Frame {
    /// The name, unescaped. `None` if it has a lone surrogate: then it is valid JSON, but not text.
    pub fn name(&self) -> Option<Cow<'_, str>> {
        let start = (self.name.start as usize).checked_sub(1)?;
        let quoted = self.bytes.get(start..self.name.end as usize + 1)?;
        let plain = std::str::from_utf8(self.bytes.get(range(&self.name))?).ok()?;
        if plain.contains('\\') {
            return serde_json::from_slice(quoted).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(plain))
    }

    /// The JSON text of the arguments, separated by commas; a slice of the frame.
    pub fn args(&self) -> Bytes {
        let range = range(&self.args);
        if self.bytes.get(range.clone()).is_some() { self.bytes.slice(range) } else { Bytes::new() }
    }

    /// The arguments, each parsed as a value.
    ///
    /// # Errors
    /// If an argument does not fit [`serde_json::Value`], such as a string with a lone surrogate.
    pub fn values(&self) -> serde_json::Result<Vec<serde_json::Value>> {
        let mut array = Vec::with_capacity(self.args.len() + 2);
        array.push(b'[');
        array.extend_from_slice(&self.args());
        array.push(b']');
        serde_json::from_slice(&array)
    }
}

fn range(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{Event, Packet, decode};

    fn frame(text: &'static str) -> Frame {
        let Ok(Packet::Event(Event { name, args, argc, .. })) = decode(text.as_bytes()) else {
            unreachable!()
        };
        let bytes = Bytes::from_static(text.as_bytes());
        Frame { at: Timestamp::UNIX_EPOCH, bytes, name, args, argc, attachments: Box::default() }
    }

    #[test]
    fn names_are_unescaped() {
        assert_eq!(frame(r#"42["a b",1]"#).name().unwrap(), "a b");
        assert_eq!(frame(r#"42["\ud83d\ude00\""]"#).name().unwrap(), "😀\"");
        assert_eq!(frame(r#"42["\ud800"]"#).name(), None);
    }

    #[test]
    fn arguments_are_parsed_on_demand() {
        let frame = frame(r#"42["a", {"b": [1]} , null]"#);
        assert_eq!(frame.values().unwrap(), [serde_json::json!({"b": [1]}), serde_json::Value::Null]);
    }
}
