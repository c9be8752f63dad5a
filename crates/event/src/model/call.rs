//! Calls.

use serde::{Deserialize, Serialize};

/// A step of a call, with the complete call after it. The CloudEvents type names the step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Key of the call: the number of the event that began it, with `-` and a counter if that event began several. Unique
    /// within the source.
    pub call: String,
    /// Linked ids that the PBX has given the call, the first one first.
    pub linked_ids: Vec<String>,
    /// Who called whom. Known values: `inbound`, `outbound`, `internal`, `unknown`.
    pub direction: String,
    /// The calling party.
    pub from: CallParty,
    /// The called party: the one that answered, before that the one that was called.
    pub to: CallParty,
    /// The first calling party. It never changes.
    pub original_from: CallParty,
    /// Number of the queue that the caller waits in or has waited in. Absent if there was none.
    pub queue: Option<String>,
    /// Parking slot that the call is in. Absent if it is in none.
    pub parking: Option<String>,
    /// True if a party is outside the PBX.
    pub through_trunk: bool,
    /// State of the call after the step. Known values: `initiated`, `ringing`, `queued`, `connected`, `held`, `parked`,
    /// `ended`.
    pub state: String,
    /// Start of the call. RFC 3339 in UTC with six decimals.
    pub started_at: String,
    /// When the call was answered. Absent until then. RFC 3339 in UTC with six decimals.
    pub answered_at: Option<String>,
    /// When the last leg, queue entry or parking slot disappeared. Only with the step `ended`. RFC 3339 in UTC with six
    /// decimals.
    pub ended_at: Option<String>,
    /// Seconds from the start to the answer; for a call without an answer, to the end or to the step.
    pub wait_seconds: f64,
    /// Seconds from the answer to the end or to the step, including hold; 0 without an answer.
    pub talk_seconds: f64,
    /// Legs in the order of their appearance, ended ones included.
    pub legs: Vec<CallLeg>,
    /// True while a leg is being recorded.
    pub recording: bool,
    /// False if the bridge had to infer a part.
    pub certain: bool,
    /// Channel of the leg that the step is about, as in `legs`. Absent if the step is about the call.
    pub leg: Option<String>,
    /// The transfer. Only with the step `transferred`.
    pub transfer: Option<CallTransfer>,
    /// Key of the call that has joined this one. Only with the step `merged`.
    pub absorbed: Option<String>,
    /// Key of the call that this one has joined. Only with the outcome `merged`.
    pub into: Option<String>,
    /// How the call ended. Only with the step `ended`. Known values: `answered`, `missed`, `abandoned`, `merged`, `unknown`.
    pub outcome: Option<String>,
    /// Earliest and latest time of an end that a gap has hidden. Absent if the end was seen.
    pub ended_between: Option<[String; 2]>,
}

/// A party of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallParty {
    /// Number, as the PBX shows it. Absent if unknown.
    pub number: Option<String>,
    /// Name, as the PBX shows it. Absent if unknown.
    pub name: Option<String>,
    /// Extension of the PBX. Absent for an outside party and for a queue.
    pub extension: Option<String>,
    /// User who owns the extension. Absent if unknown.
    pub user: Option<String>,
}

/// A leg: one extension's part in the call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallLeg {
    /// Number of the extension.
    pub extension: String,
    /// User who owns the extension. Absent if nobody does.
    pub user: Option<String>,
    /// Connection state as in ECMA-269 (CSTA). Known values: `initiated`, `alerting`, `connected`, `hold`, `null`.
    pub state: String,
    /// Name of the extension's Asterisk channel, or its unique id if the PBX does not name the channel.
    pub channel: String,
    /// Asterisk's unique id of the channel. It matches `uniqueid` in the PBX's call detail records.
    pub uniqueid: String,
    /// When the state of the leg changed last. RFC 3339 in UTC with six decimals.
    pub since: String,
    /// How the leg ended. Absent while it goes on. Known values: `answered`, `missed`, `unknown`.
    pub outcome: Option<String>,
}

/// A transfer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallTransfer {
    /// The party that transferred the call.
    pub by: CallParty,
    /// The party that was replaced.
    pub from: CallParty,
    /// The party that replaced it.
    pub to: CallParty,
    /// Kind of the transfer. Known values: `blind`, `attended`, `unknown`.
    pub kind: String,
}
