//! Reads a stream or a topic back with a plain client.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::collections::HashSet;

use jiff::Timestamp;

/// A notice that events may be missing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gap {
    /// The number of events stored before it.
    pub(crate) place: usize,
    /// In Unix microseconds; `None` if unknown to the bridge.
    pub(crate) from: Option<u64>,
    pub(crate) to: u64,
}

/// The content of the stream.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// The number and the sequence of each event, in stored order.
    pub(crate) numbers: Vec<usize>,
    pub(crate) sequences: Vec<u64>,
    pub(crate) gaps: Vec<Gap>,
    /// First and last sequence of each announced loss.
    pub(crate) losses: Vec<(u64, u64)>,
    /// The last stored sequence before a hole, and the larger one that the next message names as its predecessor.
    pub(crate) holes: Vec<(u64, u64)>,
    /// Repeated ids.
    pub(crate) ids_again: usize,
    /// Sequences that are not above the one before.
    pub(crate) sequences_back: usize,
}

impl Stored {
    /// Whether a missing event may be covered by an announced loss, according to the sequences of its neighbours.
    pub(crate) fn is_lost(&self, number: usize) -> bool {
        if self.losses.is_empty() {
            return false;
        }
        let next = self.numbers.iter().position(|stored| *stored > number);
        let before = next.unwrap_or(self.numbers.len()).checked_sub(1).map_or(0, |at| self.sequences[at]);
        let after = next.map_or(u64::MAX, |at| self.sequences[at]);
        self.losses.iter().any(|(from, to)| *from < after && before < *to)
    }

    /// The holes in the sequences that no notice announces.
    pub(crate) fn silent_holes(&self) -> usize {
        let is_told =
            |hole: &&(u64, u64)| self.losses.iter().any(|(from, to)| *from <= hole.1 && hole.0 < *to);
        self.holes.iter().filter(|hole| !is_told(hole)).count()
    }
}

/// Processes messages in stored order.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    stored: Stored,
    ids: HashSet<String>,
    newest: u64,
}

impl Reading {
    /// Processes the next message; `header` returns the header of an attribute.
    pub(crate) fn take(&mut self, header: impl Fn(&str) -> Option<String>, payload: &[u8]) {
        let stored = &mut self.stored;
        if let Some(id) = header("id") {
            stored.ids_again += usize::from(!self.ids.insert(id));
        }
        if let Some(sequence) = header("sequence") {
            let sequence: u64 = sequence.parse().unwrap();
            let before = header("ctiprev").and_then(|before| before.parse().ok());
            stored
                .holes
                .extend(before.filter(|before| *before > self.newest).map(|before| (self.newest, before)));
            stored.sequences_back += usize::from(sequence <= self.newest);
            self.newest = sequence;
        }
        match header("type").as_deref() {
            Some("cti.bridge.gap.v1") => stored.gaps.push(gap(payload, stored.numbers.len())),
            Some("cti.bridge.lost.v1") => stored.losses.push(loss(payload)),
            _ => {
                if let Some(number) = number(payload) {
                    stored.numbers.push(number);
                    stored.sequences.push(self.newest);
                }
            }
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

fn loss(payload: &[u8]) -> (u64, u64) {
    let data: serde_json::Value = serde_json::from_slice(payload).unwrap();
    (data["from"].as_u64().unwrap(), data["to"].as_u64().unwrap())
}

/// The number in the field `n`.
pub(crate) fn number(payload: &[u8]) -> Option<usize> {
    let from = memchr::memmem::find(payload, b"\"n\":")? + 4;
    let digits = payload[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&payload[from..from + digits]).ok()?.parse().ok()
}
