//! Events of calls, as they are published.
//!
//! The states of a leg are the connection states of ECMA-269 (CSTA), clause 6.1.5.

mod words;

use event::{Seq, micros};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::words::{CallState, Direction, LegState, Outcome, Step, TransferKind};

/// Key of a call: the number of the record that began it, and a counter if that record began several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey {
    /// Number of the record.
    pub seq: Seq,
    /// 0 for the first call of the record.
    pub index: u16,
}

impl CallKey {
    pub(crate) const MIN: Self = Self { seq: Seq(0), index: 0 };
}

impl std::fmt::Display for CallKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.index {
            0 => write!(f, "{}", self.seq.0),
            index => write!(f, "{}-{index}", self.seq.0),
        }
    }
}

impl std::str::FromStr for CallKey {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (seq, index) = text.split_once('-').unwrap_or((text, "0"));
        Ok(Self { seq: Seq(seq.parse()?), index: index.parse()? })
    }
}

impl Serialize for CallKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CallKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A party of a call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Party {
    /// Number, as the PBX shows it; `None` if unknown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub number: Option<String>,
    /// Name; `None` if unknown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// Extension of the PBX; `None` for an outside party or a queue.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub extension: Option<String>,
    /// User who owns the extension; `None` if unknown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<String>,
}

/// A leg: one extension's part in a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LegView {
    /// Extension.
    pub extension: String,
    /// User who owns the extension; `None` if unknown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<String>,
    /// Connection state.
    pub state: LegState,
    /// The extension's channel; its unique id where the PBX does not name the channel.
    pub channel: String,
    /// Unique id of the channel, as in the PBX's call detail records.
    pub uniqueid: String,
    /// Time of the last change of state.
    #[serde(serialize_with = "micros::serialize")]
    pub since: Timestamp,
    /// Outcome; `None` while it goes on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<Outcome>,
}

/// A transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// The party that transferred the call.
    pub by: Party,
    /// The party that was replaced.
    pub from: Party,
    /// The party that replaced it.
    pub to: Party,
    /// Kind of the transfer.
    pub kind: TransferKind,
}

/// An event of a call: the step, and the call after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallEvent {
    /// Key of the call: the last token of the subject.
    pub call: CallKey,
    /// Linked ids that the PBX has given the call, the first one first.
    pub linked_ids: Vec<String>,
    /// Direction.
    pub direction: Direction,
    /// Calling party.
    pub from: Party,
    /// Called party: the one that answered, before that the one that was called.
    pub to: Party,
    /// The first calling party. Stays the same through transfers.
    pub original_from: Party,
    /// Number of the queue that the caller waits in, or has waited in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub queue: Option<String>,
    /// Parking slot that the call is in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parking: Option<String>,
    /// True if a party is outside.
    pub through_trunk: bool,
    /// State after the step.
    pub state: CallState,
    /// Start of the call: the PBX's own time where it gives one.
    #[serde(serialize_with = "micros::serialize")]
    pub started_at: Timestamp,
    /// Time of the answer.
    #[serde(serialize_with = "micros::option::serialize", skip_serializing_if = "Option::is_none", default)]
    pub answered_at: Option<Timestamp>,
    /// Time at which the last leg disappeared.
    #[serde(serialize_with = "micros::option::serialize", skip_serializing_if = "Option::is_none", default)]
    pub ended_at: Option<Timestamp>,
    /// Seconds from the start to the answer, or to the end of an unanswered call.
    pub wait_seconds: f64,
    /// Seconds from the answer to the end; 0 without an answer.
    pub talk_seconds: f64,
    /// Legs, in the order of their appearance.
    pub legs: Vec<LegView>,
    /// True while a leg is recorded.
    pub recording: bool,
    /// False if the bridge had to infer a part of it.
    pub certain: bool,
    /// Channel of the leg that the step is about, as in `legs`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub leg: Option<String>,
    /// The transfer; only with the step `transferred`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub transfer: Option<Transfer>,
    /// Call that has joined this one; only with the step `merged`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub absorbed: Option<CallKey>,
    /// Call that this one has joined; only with the outcome `merged`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub into: Option<CallKey>,
    /// Outcome of the call; only with the step `ended`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<Outcome>,
    /// Earliest and latest time of an end that a gap has hidden.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended_between: Option<[String; 2]>,
}
