//! Trunks and parking lots.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Channel;

/// The complete state of one trunk: registration and, where enabled, its conversations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrunkUpdate {
    /// Id of the trunk. Some sites name trunks after their telephone number.
    pub exten: String,
    /// Name of the trunk.
    pub name: String,
    /// IP address of the provider; `''` or absent if unknown.
    pub ip: Option<String>,
    /// Port of the provider, a number as a string; `''` or absent if unknown.
    pub port: Option<String>,
    /// Codecs that the trunk may use.
    pub codecs: Vec<String>,
    /// Whether the provider can be reached. `unmonitored` means that the PBX does not check. Known values:
    /// `online`, `offline`, `busy`, `unmonitored`.
    pub status: String,
    /// State of the registration at the provider. `unmonitored` is normal for a trunk that does not register.
    /// Absent until it is known. Known values: `registered`, `unregistered`, `unmonitored`, `sent`, `rejected`,
    /// `noauth`, `failed`.
    pub registration: Option<String>,
    /// Channel technology. Known values: `sip`, `pjsip`, `iax`.
    pub chan_type: String,
    /// Maximum number of concurrent calls.
    pub max_channels: i64,
    /// User agent of the provider; `''` or absent if unknown.
    pub sipuseragent: Option<String>,
    /// Conversations on the trunk. Stale unless `trunks_events` is enabled on the PBX.
    pub conversations: BTreeMap<String, TrunkConversation>,
}

/// A conversation: the trunk's view of one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrunkConversation {
    /// Id of the conversation: the names of its two channels, `source>dest`. Either side can be empty.
    pub id: String,
    /// Id of the trunk.
    pub owner: String,
    /// `in` for a call from outside, `out` for a call to the outside. Known values: `in`, `out`.
    pub direction: String,
    /// Age of the conversation in seconds, ringing included. The PBX computes it each time it writes the event.
    pub duration: i64,
    /// State of the recording, **as a string**: `"false"`, `"true"`, or `"mute"` while it is paused. Known
    /// values: `false`, `true`, `mute`.
    pub recording: String,
    /// True if the call came through a queue.
    pub through_queue: bool,
    /// Number of the party inside; a queue's number while the caller waits in it. Absent for a call that was
    /// already ringing when the PBX server started. If the PBX masks numbers for the account, the last three
    /// characters are `xxx`.
    pub internal_num: Option<String>,
    /// Name of the party inside; `''` or absent if unknown. If the PBX masks names for the account, it is
    /// `xxx`.
    pub internal_name: Option<String>,
    /// Number of the party outside. Absent for a call that was already ringing when the PBX server started. If
    /// the PBX masks numbers for the account, the last three characters are `xxx`.
    pub external_num: Option<String>,
    /// Name of the party outside; `''` or absent if unknown. If the PBX masks names for the account, it is
    /// `xxx`.
    pub external_name: Option<String>,
    /// The calling channel. Null if the conversation has none: while it is being set up, or because the call
    /// was already ringing when the PBX server started.
    pub ch_source: Option<Channel>,
    /// The called channel. Null if the conversation has none: while it is being set up, or because the call was
    /// already ringing when the PBX server started.
    pub ch_dest: Option<Channel>,
}

/// The complete state of one parking slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParkingUpdate {
    /// Name of the slot, usually its number.
    pub name: String,
    /// Number of the slot.
    pub parking: String,
    /// Time after which a parked call returns, in seconds, as configured.
    pub timeout: i64,
    /// The parked caller; `{}` if the slot is empty, and then without any of its fields.
    pub parked_caller: ParkedCaller,
}

/// The parked caller; `{}` if the slot is empty, and then without any of its fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParkedCaller {
    /// Number of the caller. If the PBX masks numbers for the account, the last three characters are `xxx`.
    pub num: Option<String>,
    /// Name of the caller; `''` if unknown. If the PBX masks names for the account, it is `xxx`.
    pub name: Option<String>,
    /// Number of the slot.
    pub parking: Option<String>,
    /// Name of the caller's Asterisk channel. It can contain `/`, `@` and `;`.
    pub channel: Option<String>,
    /// Time left until the call returns, in seconds. The PBX computes it each time it writes the event.
    pub timeout: Option<i64>,
    /// Extension that parked the call. If the PBX masks numbers for the account, the last three characters are
    /// `xxx`.
    pub parkee_num: Option<String>,
    /// Name of the extension that parked the call. If the PBX masks names for the account, it is `xxx`.
    pub parkee_name: Option<String>,
}
