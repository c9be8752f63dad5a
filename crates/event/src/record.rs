//! A record of the journal.

use std::borrow::Cow;

use bytes::Bytes;
use jiff::Timestamp;

use crate::{LossReason, Notice, Position, RawEvent, Seq, SourceId, slug};

/// A numbered event. Envelope and destination are derived at delivery, so a changed route applies to pending
/// records.
#[derive(Debug, Clone)]
pub struct Record {
    /// Position in the journal.
    pub position: Position,
    /// Source of the event.
    pub source: SourceId,
    /// Number within the source.
    pub seq: Seq,
    /// Receive time of the frame, or creation time of the notice.
    pub at: Timestamp,
    /// Number of the session, counted since the start of the process; 0 for none.
    pub session: u32,
    /// Origin of the event.
    pub origin: Origin,
    /// Number of the source's newest notice of loss, this record included.
    pub gap: Seq,
    /// True if the data equals that of the source's previous record of this name and entity, volatile fields of the
    /// catalogue aside. Always false for notices, and while nobody tracks changes.
    pub unchanged: bool,
    /// Content.
    pub body: Body,
}

/// Origin of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Origin {
    /// The PBX sent it as an event.
    #[default]
    Live,
    /// Derived by the bridge from a response of the PBX's REST interface.
    Snapshot,
    /// Published again by `journal replay`. Never stored in the journal.
    Replay,
    /// Derived by the bridge from events of the PBX.
    Derived,
}

impl Origin {
    /// Returns the value of `ctiorigin`; `None` for live events.
    pub fn attribute(self) -> Option<&'static str> {
        match self {
            Self::Live => None,
            Self::Snapshot => Some("snapshot"),
            Self::Replay => Some("replay"),
            Self::Derived => Some("derived"),
        }
    }
}

/// Content of a record.
#[derive(Debug, Clone)]
pub enum Body {
    /// A Socket.IO event, as received.
    Event(RawEvent),
    /// An event of the bridge itself.
    Notice(EncodedNotice),
    /// An event of a call.
    Call(EncodedCall),
}

/// Returns the `CloudEvents` type of an event of the PBX.
pub fn event_type(slug: &str) -> String {
    format!("cti.event.{slug}.v1")
}

/// Returns the `CloudEvents` type of an event of the bridge itself.
pub fn notice_type(name: &str) -> String {
    format!("cti.bridge.{name}.v1")
}

/// Returns the `CloudEvents` type of an event of a call.
pub fn call_type(step: &str) -> String {
    format!("cti.call.{step}.v1")
}

/// An event of a call as published. It is derived once, when its cause is appended, and never recomputed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedCall {
    /// Step of the call, as in the type `cti.call.<step>.v1`.
    pub step: Cow<'static, str>,
    /// Key of the call: the last token of the subject.
    pub key: Box<str>,
    /// Number of the record that it follows from.
    pub cause: Seq,
    /// Data as JSON text.
    pub data: Bytes,
}

/// A notice as published. It is encoded when it is appended, so that later versions publish old notices
/// unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedNotice {
    /// Name of the notice, as in the type `cti.bridge.<name>.v1`.
    pub name: Cow<'static, str>,
    /// Data as JSON text.
    pub data: Bytes,
}

impl From<&Notice> for EncodedNotice {
    fn from(notice: &Notice) -> Self {
        // A notice holds numbers and text only, which can't fail to serialize.
        let data = serde_json::to_vec(notice).unwrap_or_default().into();
        Self { name: notice.name().into(), data }
    }
}

impl EncodedNotice {
    /// Returns the sink and the reason of a `lost` notice.
    pub fn loss(&self) -> Option<(String, LossReason)> {
        #[derive(serde::Deserialize)]
        struct Lost {
            sink: String,
            reason: LossReason,
        }
        if self.name != "lost" {
            return None;
        }
        let lost: Lost = serde_json::from_slice(&self.data).ok()?;
        Some((lost.sink, lost.reason))
    }
}

impl Record {
    /// Returns the `CloudEvents` type, `cti.event.<slug>.v1` or `cti.bridge.<name>.v1`: the same at every
    /// sink.
    pub fn ty(&self) -> String {
        match &self.body {
            Body::Event(frame) => event_type(&slug(&frame.name())),
            Body::Notice(notice) => notice_type(&notice.name),
            Body::Call(call) => call_type(&call.step),
        }
    }

    /// Returns the memory use in bytes, for the journal's bound.
    pub fn size(&self) -> usize {
        let payload = match &self.body {
            Body::Event(frame) => frame.size(),
            Body::Notice(notice) => notice.data.len(),
            Body::Call(call) => call.data.len() + call.key.len(),
        };
        size_of::<Self>() + payload
    }
}
