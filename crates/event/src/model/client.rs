//! Commands to a user's clients, and messages that concern the whole PBX.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A command to the `NethLink` desktop client: open a link that controls the user's desk telephone.
pub type ActionNethLink = Vec<String>;

/// A command to the user's browser telephone: answer the ringing call.
pub type AnswerWebrtc = String;

/// A command to the user's browser telephone: call a number.
pub type CallWebrtc = String;

/// The user has chosen another telephone as the default one.
pub type UpdateDefaultDevice = String;

/// A message that one client sent to another through the PBX.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Kind of the message. Clients send `videoCallStart`, `screenSharingStart` and `screenSharingStop`, among
    /// others; any text is possible.
    pub message: Option<String>,
    /// User whom the message is for.
    pub dest_user: Option<String>,
    /// User on the other side of the call. Absent in some messages.
    pub call_user: Option<String>,
    /// Id of the video room. Absent in some messages.
    pub room_id: Option<String>,
}

/// The PBX has applied a new configuration.
pub type ServerReloaded = Vec<Value>;
