//! Users and their presence.

use serde::{Deserialize, Serialize};

/// The effective presence of one user: the presence the user chose, combined with the state of the main
/// extension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserMainPresenceUpdate {
    /// The presence.
    pub main_presence: MainPresence,
}

/// The presence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MainPresence {
    /// The user.
    pub username: String,
    /// The presence. `busy`, `ringing` and `offline` come from the telephone, the others from the user's
    /// choice. Known values: `online`, `dnd`, `voicemail`, `cellphone`, `callforward`, `busy`, `ringing`,
    /// `offline`.
    pub status: String,
    /// Number to which calls are forwarded. Present only if the status is `callforward`. It can be an inside or
    /// an outside number.
    pub to: Option<String>,
}

/// One of the three presences that a user has chosen: the general one, the one for a busy line, or the one for
/// an unavailable telephone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserPresenceUpdate {
    /// The general presence. Absent if the event is about another of the three presences.
    pub presence: Option<Presence>,
    /// What happens to calls while the user is busy. `online` means that nothing special happens. Absent if the
    /// event is about another of the three presences.
    pub presence_onbusy: Option<PresenceOnBusy>,
    /// What happens to calls while the telephone is unreachable or nobody answers. `online` means that nothing
    /// special happens. Absent if the event is about another of the three presences.
    pub presence_onunavailable: Option<PresenceOnUnavailable>,
}

/// The general presence. Absent if the event is about another of the three presences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Presence {
    /// The user.
    pub username: String,
    /// The presence that the user chose. Known values: `online`, `dnd`, `voicemail`, `cellphone`,
    /// `callforward`.
    pub status: String,
    /// Number to which calls are forwarded. Present only if the presence forwards to a number. It can be an
    /// inside or an outside number.
    pub to: Option<String>,
}

/// What happens to calls while the user is busy. `online` means that nothing special happens. Absent if the
/// event is about another of the three presences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PresenceOnBusy {
    /// The user.
    pub username: String,
    /// The presence that the user chose. Known values: `online`, `voicemail`, `cellphone`, `callforward`.
    pub status: String,
    /// Number to which calls are forwarded. Present only if the presence forwards to a number. It can be an
    /// inside or an outside number.
    pub to: Option<String>,
}

/// What happens to calls while the telephone is unreachable or nobody answers. `online` means that nothing
/// special happens. Absent if the event is about another of the three presences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PresenceOnUnavailable {
    /// The user.
    pub username: String,
    /// The presence that the user chose. Known values: `online`, `voicemail`, `cellphone`, `callforward`.
    pub status: String,
    /// Number to which calls are forwarded. Present only if the presence forwards to a number. It can be an
    /// inside or an outside number.
    pub to: Option<String>,
}

/// The picture of a user has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserProfileAvatarUpdate {
    /// The user.
    pub username: String,
    /// The picture as a data URI, in Base64. Absent if it was removed.
    pub avatar: Option<String>,
}
