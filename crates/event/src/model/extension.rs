//! Events of extensions and of their calls.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The complete state of one extension, with its conversations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtenUpdate {
    /// Number of the extension.
    pub exten: String,
    /// Name of the extension, usually that of its user.
    pub name: String,
    /// User who owns the extension. Absent if nobody does.
    pub username: Option<String>,
    /// State of the extension. `onhold` says that a call is held, but not which one if there are several. Known
    /// values: `online`, `offline`, `busy`, `ringing`, `busy_ringing`, `onhold`, `dnd`.
    pub status: String,
    /// IP address of the telephone; `''` or absent if it is not registered.
    pub ip: Option<String>,
    /// Port of the telephone, a number as a string; `''` or absent if it is not registered.
    pub port: Option<String>,
    /// MAC address of the telephone; `''` or absent if unknown. With or without colons.
    pub mac: Option<String>,
    /// Channel technology. Known values: `sip`, `pjsip`.
    pub chan_type: String,
    /// User agent of the telephone: model and firmware. `''` or absent if it is not registered. Some models
    /// append their MAC address.
    pub sipuseragent: Option<String>,
    /// Codecs that the extension may use.
    pub codecs: Vec<String>,
    /// Dialplan context of the extension.
    pub context: String,
    /// True if the telephone is a browser or an app that connects over WebSocket (WebRTC).
    pub use_websocket: bool,
    /// True if do not disturb is on.
    pub dnd: bool,
    /// Number to which all calls are forwarded. `''` means off. If the PBX masks numbers for the account, the
    /// last three characters are `xxx`.
    pub cf: String,
    /// Number to which calls are forwarded while the extension is busy. `''` means off. If the PBX masks
    /// numbers for the account, the last three characters are `xxx`.
    pub cfb: String,
    /// Number to which calls are forwarded while the extension is unavailable or does not answer. `''` means
    /// off. If the PBX masks numbers for the account, the last three characters are `xxx`.
    pub cfu: String,
    /// Mailbox to which all calls are forwarded. `''` means off.
    pub cf_vm: String,
    /// Mailbox to which calls are forwarded while the extension is busy. `''` means off.
    pub cfb_vm: String,
    /// Mailbox to which calls are forwarded while the extension is unavailable or does not answer. `''` means
    /// off.
    pub cfu_vm: String,
    /// The extension's current conversations; `{}` if it is idle.
    pub conversations: BTreeMap<String, Conversation>,
}

/// The channel of one side of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// Side of the call: `source` is the calling channel, `dest` the called one. Known values: `source`,
    /// `dest`.
    pub r#type: String,
    /// Name of the Asterisk channel, such as `PJSIP/201-0000000a`. It can contain `/`, `@`, `;` and a telephone
    /// number.
    pub channel: String,
    /// Number of the party on this channel. If the PBX masks numbers for the account, the last three characters
    /// are `xxx`.
    pub caller_num: String,
    /// Name of the party on this channel; `''` if unknown. If the PBX masks names for the account, it is `xxx`.
    pub caller_name: String,
    /// Number of the party on the other channel; `<unknown>` if Asterisk does not know it. If the PBX masks
    /// numbers for the account, the last three characters are `xxx`.
    pub bridged_num: String,
    /// Name of the party on the other channel; `''` or `<unknown>` if unknown. If the PBX masks names for the
    /// account, it is `xxx`.
    pub bridged_name: String,
    /// Name of the other channel; `''` or absent until both are connected.
    pub bridged_channel: Option<String>,
    /// State of the channel in Asterisk. Known values: `down`, `reserved`, `offhook`, `dialing`, `ring`,
    /// `ringing`, `up`, `busy`, `dialing_offhook`, `prering`.
    pub channel_status: String,
    /// True if the channel is in a conference.
    pub in_conference: Option<bool>,
    /// When the channel was created: Unix time in milliseconds, rounded down to a second.
    pub start_time: i64,
}

/// A conversation: the extension's view of one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversation {
    /// Id of the conversation: the names of its two channels, `source>dest`. Either side can be empty. It
    /// changes when a channel is replaced, as in a transfer.
    pub id: String,
    /// Extension that this view belongs to.
    pub owner: String,
    /// `out` if the extension called, `in` if it was called. Known values: `in`, `out`.
    pub direction: String,
    /// True once both sides talk. False while it rings.
    pub connected: bool,
    /// Age of the conversation in seconds, ringing included. The PBX computes it each time it writes the event,
    /// so it differs between two otherwise equal events.
    pub duration: i64,
    /// When the conversation began: Unix time in milliseconds.
    pub start_time: i64,
    /// Asterisk's unique id of the extension's channel: Unix seconds, a dot and a counter. It is a string. It
    /// matches `uniqueid` in the call detail records.
    pub unique_id: String,
    /// Id shared by all channels of one call, in the form of `uniqueId`. It can change when two calls are
    /// joined.
    pub linked_id: String,
    /// Number of the queue that the call came through; `''` or absent if none.
    pub queue_id: Option<String>,
    /// True if the call came through a queue.
    pub through_queue: bool,
    /// True if the other party is outside. Absent until the PBX knows.
    pub through_trunk: Option<bool>,
    /// True if the call is part of a conference.
    pub in_conference: bool,
    /// State of the recording, **as a string**: `"false"`, `"true"`, or `"mute"` while it is paused. In many
    /// languages the string `"false"` counts as true: compare the text. Known values: `false`, `true`, `mute`.
    pub recording: String,
    /// Number of the other party, inside or outside. If the PBX masks numbers for the account, the last three
    /// characters are `xxx`.
    pub counterpart_num: String,
    /// Name of the other party; `''` if unknown. If the PBX masks names for the account, it is `xxx`.
    pub counterpart_name: String,
    /// The calling channel. Null if the conversation has none: while it is being set up, or because the call
    /// was already ringing when the PBX server started.
    pub ch_source: Option<Channel>,
    /// The called channel. Null if the conversation has none: while it is being set up, or because the call was
    /// already ringing when the PBX server started.
    pub ch_dest: Option<Channel>,
}

/// An extension of the account's user rings, with what the PBX knows about the caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtenRinging {
    /// Extension that rings.
    pub num_called: String,
    /// Number of the caller.
    pub caller_num: String,
    /// Name of the caller; `''` if unknown.
    pub caller_name: String,
    /// True if the caller has a conference.
    pub caller_has_conf: bool,
    /// The caller's record in the address book. Its fields depend on the PBX. Absent if there is none, or if
    /// the user may not see it.
    pub pb_contact: Option<Map<String, Value>>,
    /// Notes about the caller that the user may see. Absent if there are none.
    pub caller_notes: Option<Vec<Map<String, Value>>>,
}

/// A call of one of the account's own extensions was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtenConnected {
    /// The extension.
    pub exten_connected: String,
}

/// A call of one of the account's own extensions was answered, with both parties.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtenConvConnected {
    /// Number of one party, usually the account's own extension.
    pub num1: String,
    /// Number of the other party.
    pub num2: String,
    /// `out` if the extension called, `in` if it was called. Known values: `in`, `out`.
    pub direction: String,
    /// Asterisk's unique id of the channel: Unix seconds, a dot and a counter, as a string.
    pub uniqueid: String,
    /// Id shared by all channels of one call, in the same form.
    pub linkedid: String,
    /// True if the other party is outside.
    pub through_trunk: bool,
}

/// A channel of one of the account's own extensions was hung up, with the cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtenHangup {
    /// Cause of the hang-up: a Q.850 cause in words. Absent if the PBX has no word for it.
    pub cause: Option<String>,
    /// Number of the party on the channel.
    pub caller_num: String,
    /// Extension that the channel belongs to.
    pub channel_exten: String,
    /// Number of the connected party; `<unknown>` if Asterisk does not know it.
    pub called_num: String,
}
