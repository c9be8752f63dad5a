//! Notices about the PBX's state: resyncs, vanished entities, and differences from the catalogue.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The bridge reads the PBX's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BridgeResyncStarted {
    /// Number of the session, counted per source since the bridge was started.
    pub session: u64,
    /// Why the state is read. Known values: `connected`, `scheduled`, `requested`, `retried`, `lost`.
    pub reason: String,
    /// Snapshots to read.
    pub snapshots: Vec<String>,
}

/// The bridge has read the PBX's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BridgeResyncCompleted {
    /// Number of the session, counted per source since the bridge was started.
    pub session: u64,
    /// Snapshot events that were published.
    pub counts: BTreeMap<String, u64>,
    /// Entities that were left out because a newer live event has their state.
    pub superseded: u64,
    /// Values in the answers that describe no entity.
    pub unusable: u64,
    /// Snapshots that the account may not read.
    pub refused: Vec<String>,
    /// Snapshots that could not be read. They are retried.
    pub failed: Vec<FailedSnapshot>,
    /// Snapshots without any entity. They prove nothing: a PBX that is starting answers in the same way.
    pub empty: Vec<String>,
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedSnapshot {
    /// Path of the snapshot below the PBX's API. Known values: `/astproxy/extensions`, `/user/endpoints/all`,
    /// `/astproxy/queues`, `/astproxy/trunks`, `/astproxy/parkings`.
    pub snapshot: String,
    /// The reason in words with the remedy, for people. Its text may change between versions.
    pub reason: String,
}

/// An entity no longer exists on the PBX.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BridgeVanished {
    /// Name of the event that carried the state. Known values: `extenUpdate`, `newVoiceMessageCounter`,
    /// `parkingUpdate`, `queueMemberUpdate`, `queueUpdate`, `trunkUpdate`, `userMainPresenceUpdate`,
    /// `userPresenceUpdate`.
    pub event: String,
    /// CloudEvents `subject` of those events, such as `extension/299`.
    pub subject: String,
}

/// The PBX has sent something that this catalogue does not describe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BridgeDrift {
    /// Socket.IO name of the event, cut to 64 characters and masked.
    pub event: String,
    /// Place in the data: a JSON Pointer in which map keys and array indexes are replaced by `*`. Field names
    /// are cut to 64 characters and masked. `''` is the data itself.
    pub path: String,
    /// Kind of the difference. `new_value` is a word that is not among the known ones. Known values:
    /// `unknown_event`, `unknown_field`, `missing_field`, `other_type`, `new_value`.
    pub kind: String,
    /// Number of sampled events that had shown the difference when the notice was written.
    pub count: u64,
}
