//! Events that follow from a record.

use event::{EncodedCall, Seq};
use jiff::Timestamp;

use crate::{
    call::{Call, Detail},
    model::{CallEvent, CallKey, Step},
};

/// Event to append after the record that caused it.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// Time of the event.
    pub at: Timestamp,
    /// Number of the record that it follows from.
    pub cause: Seq,
    /// Step of the call.
    pub step: Step,
    /// The event.
    pub event: CallEvent,
}

impl Derived {
    /// Encodes the event as it is stored and published.
    pub fn encode(&self) -> EncodedCall {
        let Self { cause, step, event, .. } = self;
        // Texts, numbers and times can't fail to serialize.
        let data = serde_json::to_vec(event).unwrap_or_default().into();
        EncodedCall { step: step.name().into(), key: event.call.to_string().into(), cause: *cause, data }
    }
}

/// Record that is being folded, and the events that follow from it so far.
#[derive(Debug)]
pub(super) struct Fold {
    pub(super) seq: Seq,
    pub(super) at: Timestamp,
    /// True if the record is live, and no gap precedes it.
    pub(super) certain: bool,
    /// Number of calls that the record has started.
    pub(super) started_calls: u16,
    /// True if a leg or a call has changed.
    pub(super) has_changed: bool,
    /// Calls that have grown too large.
    pub(super) oversized: Vec<CallKey>,
    pub(super) derived: Vec<Derived>,
}

impl Fold {
    pub(super) fn new(seq: Seq, at: Timestamp, certain: bool) -> Self {
        Self {
            seq,
            at,
            certain,
            started_calls: 0,
            has_changed: false,
            oversized: Vec::new(),
            derived: Vec::new(),
        }
    }

    pub(super) fn emit(&mut self, call: &Call, step: Step, detail: Detail) {
        let event = call.event(step, self.at, detail);
        self.derived.push(Derived { at: self.at, cause: self.seq, step, event });
    }
}
