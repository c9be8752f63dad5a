//! Conferences.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The participants of a conference have changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfBridgeUpdate {
    /// Id of the conference: the extension of its owner.
    pub id: String,
    /// Participants of the conference.
    pub users: BTreeMap<String, ConferenceUser>,
}

/// A participant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConferenceUser {
    /// Number of the participant within the conference, from 1. A number as a string.
    pub id: String,
    /// Name of the participant.
    pub name: String,
    /// True if the participant owns the conference.
    pub owner: bool,
    /// True if the participant is muted.
    pub muted: bool,
    /// Extension of the participant.
    pub exten_id: String,
    /// Remote site of the participant. Absent or null for this site.
    pub site: Option<Value>,
    /// Prefix to dial for the remote site. Absent or null for this site.
    pub prefix: Option<String>,
}

/// A conference has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfBridgeEnd {
    /// Id of the conference: the extension of its owner.
    pub id: String,
}

/// The participants of a conference have changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeetmeConfUpdate {
    /// Id of the conference: the extension of its owner.
    pub id: String,
    /// Participants of the conference.
    pub users: BTreeMap<String, ConferenceUser>,
}

/// A conference has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeetmeConfEnd {
    /// Id of the conference: the extension of its owner.
    pub id: String,
}
