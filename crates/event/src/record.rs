//! One record of the line.

use std::borrow::Cow;

use bytes::Bytes;
use jiff::Timestamp;

use crate::{LossReason, Notice, Position, RawEvent, Seq, SourceId, slug};

/// Something that happened, numbered. Envelope and destination are derived when it is delivered, so a
/// changed route applies to what waits.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its place on the line.
    pub position: Position,
    /// Whose event it is.
    pub source: SourceId,
    /// Its source's number.
    pub seq: Seq,
    /// When the frame was read, or the notice made.
    pub at: Timestamp,
    /// The session it belongs to, counted since the start of the process; 0 for none.
    pub session: u32,
    /// Where it comes from.
    pub origin: Origin,
    /// Its source's newest notice of loss, itself included.
    pub gap: Seq,
    /// What happened.
    pub body: Body,
}

/// Where a record comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Origin {
    /// The PBX sent it as an event.
    #[default]
    Live,
    /// The bridge made it from an answer of the PBX's REST interface.
    Snapshot,
    /// `journal replay` publishes it again. Records of the journal never have it.
    Replay,
}

impl Origin {
    /// The value of `ctiorigin`; none when live.
    pub fn attribute(self) -> Option<&'static str> {
        match self {
            Self::Live => None,
            Self::Snapshot => Some("snapshot"),
            Self::Replay => Some("replay"),
        }
    }
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Body {
    /// A Socket.IO event, as received.
    Event(RawEvent),
    /// An event of the bridge itself.
    Notice(EncodedNotice),
}

/// The `CloudEvents` type of an event of the PBX.
pub fn event_type(slug: &str) -> String {
    format!("cti.event.{slug}.v1")
}

/// The `CloudEvents` type of an event of the bridge itself.
pub fn notice_type(name: &str) -> String {
    format!("cti.bridge.{name}.v1")
}

/// A notice as it is published. It is fixed when it is appended, so a later version tells an old one unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedNotice {
    /// Its name: type `cti.bridge.<name>.v1`.
    pub name: Cow<'static, str>,
    /// JSON text.
    pub data: Bytes,
}

impl From<&Notice> for EncodedNotice {
    fn from(notice: &Notice) -> Self {
        // A notice holds numbers and text only: that can't fail.
        let data = serde_json::to_vec(notice).unwrap_or_default().into();
        Self { name: notice.name().into(), data }
    }
}

impl EncodedNotice {
    /// The sink and the reason of a `lost`.
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
    /// Its `CloudEvents` type, `cti.event.<slug>.v1` or `cti.bridge.<name>.v1`: the same at every sink.
    pub fn ty(&self) -> String {
        match &self.body {
            Body::Event(frame) => event_type(&slug(&frame.name())),
            Body::Notice(notice) => notice_type(&notice.name),
        }
    }

    /// Bytes it holds in memory, for the journal's bound.
    pub fn size(&self) -> usize {
        let payload = match &self.body {
            Body::Event(frame) => frame.size(),
            Body::Notice(notice) => notice.data.len(),
        };
        size_of::<Self>() + payload
    }
}
