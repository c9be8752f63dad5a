//! What a stream or a topic holds, read back by a plain client.

use std::collections::HashSet;

use jiff::Timestamp;

/// A notice that events may be missing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gap {
    /// How many events are stored before it.
    pub(crate) place: usize,
    /// Microseconds; nothing if the bridge did not know.
    pub(crate) from: Option<u64>,
    pub(crate) to: u64,
}

/// What the stream holds.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// The numbers of the events, as they are stored.
    pub(crate) numbers: Vec<usize>,
    pub(crate) gaps: Vec<Gap>,
    /// Ids that were there before.
    pub(crate) ids_again: usize,
    /// Sequences that are not above the one before.
    pub(crate) sequences_back: usize,
}

/// Takes messages in, in the order in which they are stored.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    stored: Stored,
    ids: HashSet<String>,
    newest: u64,
}

impl Reading {
    /// The next one; `header` finds the header of an attribute.
    pub(crate) fn take(&mut self, header: impl Fn(&str) -> Option<String>, payload: &[u8]) {
        let stored = &mut self.stored;
        if let Some(id) = header("id") {
            stored.ids_again += usize::from(!self.ids.insert(id));
        }
        if let Some(sequence) = header("sequence") {
            let sequence: u64 = sequence.parse().unwrap();
            stored.sequences_back += usize::from(sequence <= self.newest);
            self.newest = sequence;
        }
        if header("type").as_deref() == Some("cti.bridge.gap.v1") {
            stored.gaps.push(gap(payload, stored.numbers.len()));
        } else if let Some(number) = number(payload) {
            stored.numbers.push(number);
        }
    }

    pub(crate) fn end(self) -> Stored {
        self.stored
    }
}

fn gap(payload: &[u8], place: usize) -> Gap {
    let data: serde_json::Value = serde_json::from_slice(payload).unwrap();
    let micros = |name: &str| {
        let time: Timestamp = data[name].as_str()?.parse().unwrap();
        u64::try_from(time.as_microsecond()).ok()
    };
    Gap { place, from: micros("from"), to: micros("to").unwrap() }
}

/// The number behind `"n":`.
pub(crate) fn number(payload: &[u8]) -> Option<usize> {
    let from = memchr::memmem::find(payload, b"\"n\":")? + 4;
    let digits = payload[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&payload[from..from + digits]).ok()?.parse().ok()
}
