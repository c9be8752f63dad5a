//! Notices about the bridge and its sessions with a PBX.

use serde::{Deserialize, Serialize};

/// The bridge has started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BridgeStarted {
    /// Version of the bridge.
    pub version: String,
}

/// A session with the PBX is live.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BridgeConnected {
    /// Number of the session, counted per source since the bridge was started.
    pub session: u64,
    /// User name of the service account.
    pub user: String,
    /// Name of the account's profile on the PBX; null if the account has none.
    pub profile: Option<String>,
    /// Rights of the profile that open events or snapshots.
    pub sees: Vec<String>,
    /// True if the PBX masks numbers and names for the account; null if unknown.
    pub privacy: Option<bool>,
}

/// A session has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BridgeDisconnected {
    /// Number of the session, counted per source since the bridge was started.
    pub session: u64,
    /// Why the session ended. Known values: `connection_closed`, `connection_failed`, `silent`,
    /// `namespace_closed`, `login_refused`, `server_reloaded`, `taken_over`, `feed_silent`, `requested`,
    /// `stopping`, `internal`.
    pub reason: String,
    /// The reason in words, for people. Its text may change between versions.
    pub detail: String,
}

/// Events may have been missed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BridgeGap {
    /// Why events may have been missed. Known values: `started`, `disconnected`, `server_reloaded`,
    /// `taken_over`, `feed_silent`, `requested`, `restarted`, `crashed`.
    pub reason: String,
    /// Last moment at which the feed was certainly complete; null if unknown. RFC 3339 in UTC with six
    /// decimals.
    pub from: Option<String>,
    /// Moment from which events are received again. RFC 3339 in UTC with six decimals.
    pub to: String,
    /// Last sequence before the gap; null if unknown.
    pub last_sequence: Option<u64>,
    /// First and last sequence that were never given to an event; null if there are none.
    pub skipped: Option<Vec<u64>>,
    /// True if records are known to be lost, false if they may be.
    pub certain: bool,
    /// State events that may have been missed, among those that the account can see.
    pub may_have_missed: Vec<String>,
}

/// A login failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BridgeAuthFailed {
    /// Why the login failed. `credentials_refused` also occurs while the PBX starts.
    pub reason: String,
    /// The reason in words with the remedy, for people. Its text may change between versions.
    pub detail: String,
    /// True if somebody must act.
    pub operator: bool,
    /// Number of consecutive refusals.
    pub failures: u64,
    /// True if attempts are now minutes apart, because more of them might lock the account.
    pub slow: bool,
    /// Time until the next attempt, in seconds.
    pub retry_in: u64,
}

/// Another session of the same account and `ua_type` has asked for this session's place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BridgeTakenover {
    /// Number of the session, counted per source since the bridge was started.
    pub session: u64,
    /// Policy in effect (`on_takeover`); null if none applies, because the session has no `ua_type`. The
    /// request is then ignored. Known values: `stand-by`, `yield`, `reclaim`.
    pub policy: Option<String>,
    /// When the bridge reconnects; null if it keeps the session, or waits for an operator. RFC 3339 in UTC with
    /// six decimals.
    pub until: Option<String>,
    /// True if the sessions compete: the place has changed hands several times recently.
    pub contested: bool,
}

/// The session is up, but has delivered nothing for longer than a PBX with queues is ever quiet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BridgeFeedSilent {
    /// Number of the session, counted per source since the bridge was started.
    pub session: u64,
    /// Start of the session. RFC 3339 in UTC with six decimals.
    pub since: String,
    /// Time of the PBX's last event; null if the session has delivered none. RFC 3339 in UTC with six decimals.
    pub last_event: Option<String>,
}

/// The bridge stops.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BridgeStopping {
    /// Why the bridge stops: the name of a signal, or a short sentence. Known values: `SIGTERM`, `SIGINT`,
    /// `task exited unexpectedly`, `the limit is reached`, `drained`, `undelivered`, `a sink's destination is
    /// gone`.
    pub reason: String,
}
