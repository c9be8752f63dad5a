//! Notices about the delivery to a sink, heartbeats and dead letters.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A broker has refused an event permanently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BridgeDeadlettered {
    /// Name of the sink whose broker refused it.
    pub sink: String,
    /// Sequence of the event.
    pub sequence: u64,
    /// The broker's reason in words. Its text may change between versions.
    pub reason: String,
}

/// Records will never reach a sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BridgeLost {
    /// Name of the sink.
    pub sink: String,
    /// Number of records.
    pub count: u64,
    /// Why they are lost. Known values: `journal_full`, `quota`, `expired`, `disk`, `damaged`, `forgotten`,
    /// `superseded`.
    pub reason: String,
    /// First sequence; null if the source of the records is unknown. Every source then gets the notice.
    pub from: Option<u64>,
    /// Last sequence; null if `from` is.
    pub to: Option<u64>,
}

/// A broker has lost events that it had acknowledged. The bridge sends them again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BridgeRewound {
    /// Name of the sink.
    pub sink: String,
    /// First sequence that is sent again.
    pub from: u64,
}

/// A sink has new rules: a reload of the configuration changed what it gets, or in which form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BridgeReconfigured {
    /// Name of the sink.
    pub sink: String,
    /// Number of its rules since the bridge started. The rules of the start are 1.
    pub generation: u64,
}

/// An event that a broker has refused permanently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DlqDeadletter {
    /// Name of the sink whose broker refused the event.
    pub sink: String,
    /// CloudEvents `id` of the event.
    pub id: String,
    /// Sequence of the event.
    pub sequence: u64,
    /// CloudEvents `source` of the event, `/cti/<source>`.
    pub source: String,
    /// CloudEvents `type` of the event.
    pub r#type: String,
    /// Subject or topic at the broker.
    pub destination: String,
    /// The broker's reason in words. Its text may change between versions.
    pub reason: String,
    /// When the bridge read the event: the CloudEvents `time`. RFC 3339 in UTC with six decimals.
    pub time: String,
    /// Size of the event's data in bytes.
    pub size: u64,
    /// SHA-256 of the event's data, in hexadecimal.
    pub sha256: String,
    /// The event's data, masked and filtered as this sink would have published it. Absent if it is not valid
    /// JSON or too large for the broker.
    pub payload: Option<Value>,
}

/// The bridge is alive, with its counters and the health of its components.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusHeartbeat {
    /// Version of the bridge.
    pub version: String,
    /// Sequence of the source's newest record.
    pub last_sequence: u64,
    /// Records of the source that this sink has not settled yet.
    pub pending: u64,
    /// Malformed frames of the source that were discarded.
    pub bad_frames: u64,
    /// Outcomes of the source's records at this sink, since the sink was added to the journal. `received` is
    /// the sum of the others and `pending`.
    pub counters: StatusHeartbeatCounters,
    /// Health of all components, those of other sources and sinks included.
    pub components: BTreeMap<String, Component>,
}

/// Outcomes of the source's records at this sink, since the sink was added to the journal. `received` is the
/// sum of the others and `pending`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusHeartbeatCounters {
    /// All records.
    pub received: u64,
    /// Records that the broker has acknowledged.
    pub published: u64,
    /// Records that a filter left out.
    pub filtered: u64,
    /// Records that the broker refused permanently.
    pub dead_lettered: u64,
    /// Records that were lost before delivery; `{}` if there are none.
    pub lost: BTreeMap<String, u64>,
}

/// Health of a component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// State: `pending` is starting or connecting without a failure so far, `active` works, `failing` does not
    /// work and is retried. Known values: `pending`, `active`, `failing`.
    pub state: String,
    /// Why it fails, in words with the remedy. Present only while it fails.
    pub reason: Option<String>,
    /// Time of the last change of state; for a failing component, the start of the outage. RFC 3339 in UTC with
    /// six decimals.
    pub since: String,
    /// True if the component has never worked since the bridge was started; otherwise absent.
    pub never_active: Option<bool>,
    /// Warnings that need attention although the component works; absent if there are none.
    pub warnings: Option<BTreeMap<String, String>>,
    /// Rights that the account lacks. Only for a source, after its first login.
    pub missing_rights: Option<Vec<String>>,
    /// True if the PBX masks numbers and names for the account. Only for a source, after its first login.
    pub privacy: Option<bool>,
    /// Time of the next attempt; absent if none is scheduled. RFC 3339 in UTC with six decimals.
    pub retry_at: Option<String>,
}
