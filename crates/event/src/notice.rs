//! Notices: events of the bridge itself, numbered in the same log as the PBX's events.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DriftKind, Seq, micros};
use crate::OnTakeover;

/// A notice. Field names become the JSON of the event's `data`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Notice {
    /// The bridge has started.
    Started {
        /// Version of the bridge.
        version: &'static str,
    },
    /// A session is live.
    Connected {
        /// Number of the session, counted per source since the start.
        session: u64,
        /// The service account.
        #[serde(serialize_with = "text::serialize")]
        user: String,
        /// Name of the account's profile on the PBX.
        profile: Option<String>,
        /// What the profile allows the account to see.
        sees: Vec<String>,
        /// Whether the PBX masks numbers and names for the account; null if unknown.
        privacy: Option<bool>,
    },
    /// A session has ended.
    Disconnected {
        /// Number of the session.
        session: u64,
        /// Reason.
        reason: EndReason,
        /// Human-readable reason.
        #[serde(serialize_with = "text::serialize")]
        detail: String,
    },
    /// Events may have been missed. Precedes the first event of the following session.
    Gap {
        /// Reason.
        reason: GapReason,
        /// Last confirmed moment; null if unknown.
        #[serde(serialize_with = "micros::option::serialize")]
        from: Option<Timestamp>,
        /// Time from which events are received again.
        #[serde(serialize_with = "micros::serialize")]
        to: Timestamp,
        /// The last number before the gap; null if unknown.
        last_sequence: Option<Seq>,
        /// Numbers that were never assigned to an event, first and last; null if none were skipped.
        skipped: Option<(Seq, Seq)>,
        /// Whether events are known to be lost.
        certain: bool,
        /// Names of the events that may have been missed, limited to those visible to the account.
        may_have_missed: Vec<&'static str>,
    },
    /// The PBX refused a login or could not answer it.
    AuthFailed {
        /// Reason.
        reason: AuthFailure,
        /// Human-readable reason with the remedy.
        #[serde(serialize_with = "text::serialize")]
        detail: String,
        /// Whether an operator must act; the bridge keeps retrying regardless.
        operator: bool,
        /// Number of consecutive refusals.
        failures: u32,
        /// Whether attempts are now minutes apart, because more of them might lock the account.
        slow: bool,
        /// Seconds until the next attempt.
        retry_in: u64,
    },
    /// Another session of the same account and kind requested this one's place.
    Takenover {
        /// Number of the session.
        session: u64,
        /// Policy that applies; null if none does, because the session has no kind.
        policy: Option<OnTakeover>,
        /// Time of the reconnect; null if the bridge keeps the session, or waits for an operator.
        #[serde(serialize_with = "micros::option::serialize")]
        until: Option<Timestamp>,
        /// Whether the sessions compete: the place has changed hands several times recently.
        contested: bool,
    },
    /// A live session was silent for longer than a PBX with queues ever is. The bridge opens a new one.
    FeedSilent {
        /// Number of the session.
        session: u64,
        /// Start of the session.
        #[serde(serialize_with = "micros::serialize")]
        since: Timestamp,
        /// Time of the PBX's last event; null if the session brought none.
        #[serde(serialize_with = "micros::option::serialize")]
        last_event: Option<Timestamp>,
    },
    /// A resync of the PBX's state has started; the state is appended with the origin `snapshot`.
    ResyncStarted {
        /// Number of the session.
        session: u64,
        /// Reason.
        reason: ResyncReason,
        /// Snapshots to read.
        snapshots: Vec<&'static str>,
    },
    /// A resync of the PBX's state is complete.
    ResyncCompleted {
        /// Number of the session.
        session: u64,
        /// Number of appended events by name.
        counts: BTreeMap<&'static str, u64>,
        /// Entities that were left out because of a newer event.
        superseded: u64,
        /// Values that describe no entity.
        unusable: u64,
        /// Snapshots that the account is not allowed to read.
        refused: Vec<&'static str>,
        /// Snapshots that could not be read.
        failed: Vec<UnreadSnapshot>,
        /// Empty snapshots. They prove nothing, because a PBX that is starting returns them too.
        empty: Vec<&'static str>,
    },
    /// An entity no longer exists: two snapshots at least 10 s apart lack it, though an earlier one contained
    /// it. Its newest event is no longer its state.
    Vanished {
        /// Name of the event that carried its state.
        event: &'static str,
        /// The CloudEvents `subject` of those events: `extension/299`.
        #[serde(serialize_with = "text::serialize")]
        subject: String,
    },
    /// The PBX has sent something that the catalogue does not describe. It holds names only, never a value.
    Drift {
        /// Name of the event, cut and masked.
        #[serde(serialize_with = "text::serialize")]
        event: String,
        /// Place in the data: a JSON Pointer with `*` for keys of maps and indexes of arrays; unknown names are cut and
        /// masked.
        #[serde(serialize_with = "text::serialize")]
        path: String,
        /// Kind of the difference.
        kind: DriftKind,
        /// Number of sampled events that have shown it since its last notice, including this one.
        count: u64,
    },
    /// Records were dropped before a sink could deliver them.
    Lost {
        /// Sink that lost the records.
        sink: String,
        /// Number of records.
        count: u64,
        /// Reason.
        reason: LossReason,
        /// The first number; null if the owner of the records is unknown. Every source then gets the notice.
        from: Option<Seq>,
        /// The last number; null if `from` is.
        to: Option<Seq>,
    },
    /// A broker permanently refused an event.
    Deadlettered {
        /// Sink whose broker refused it.
        sink: String,
        /// Number of the event.
        sequence: Seq,
        /// Reason.
        #[serde(serialize_with = "text::serialize")]
        reason: String,
    },
    /// The broker lost events that it had acknowledged; they are sent again.
    Rewound {
        /// Name of the sink.
        sink: String,
        /// The first number that is sent again.
        from: Seq,
    },
    /// A sink has new rules from here on: a reload changed what it gets, or in which form.
    Reconfigured {
        /// Name of the sink.
        sink: String,
        /// Number of its rules since the start of the process; those of the start are 1.
        generation: u64,
    },
    /// The bridge is stopping.
    Stopping {
        /// Reason.
        reason: &'static str,
    },
}

/// Reason why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum EndReason {
    ConnectionClosed,
    ConnectionFailed,
    Silent,
    NamespaceClosed,
    LoginRefused,
    ServerReloaded,
    TakenOver,
    FeedSilent,
    /// An operator asked for a new session.
    Requested,
    Stopping,
    Internal,
}

/// Reason why a login failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthFailure {
    /// The PBX refused the user name and password. It also does so while it is starting.
    CredentialsRefused,
    /// The user name and password did not reach the PBX.
    CredentialsMissing,
    /// A one-time password is required, but none is configured.
    OtpRequired,
    /// The user is not enrolled for one-time passwords on the PBX.
    OtpNotEnrolled,
    /// The PBX refused the one-time passwords.
    OtpRefused,
    /// The configured secret is invalid.
    OtpSecretInvalid,
    /// The PBX no longer accepts the persistent token.
    TokenRefused,
    /// The CTI server behind the API does not recognise the persistent token.
    TokenUnrecognised,
    /// The token was revoked during the login.
    TokenWithdrawn,
    /// The PBX accepted the login but refuses the token it returned.
    SessionDead,
    /// The PBX refused the token on the websocket.
    #[default]
    SessionRefused,
    /// The PBX did not answer the login on the websocket.
    SessionUnanswered,
    /// The API is unreachable or did not answer in time.
    Unreachable,
    /// The PBX's certificate is not trusted.
    Untrusted,
    /// Too many requests.
    RateLimited,
    /// The API answered with an internal error.
    ServerError,
    /// No CTI API at the configured address.
    NoApi,
    /// The configuration is unusable: certificates, `proxy` or `url`.
    Configuration,
}

/// Reason why events may have been missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The bridge started and had seen nothing before.
    Started,
    /// The session was disconnected.
    Disconnected,
    /// The PBX applied a new configuration, so the session was reopened.
    ServerReloaded,
    /// Another session took its place.
    TakenOver,
    /// The session fell silent, so it was reopened.
    FeedSilent,
    /// An operator asked for a new session.
    Requested,
    /// The bridge was stopped and restarted.
    Restarted,
    /// The bridge or its machine crashed.
    Crashed,
}

impl EndReason {
    /// All reasons.
    pub const ALL: [Self; 11] = [
        Self::ConnectionClosed,
        Self::ConnectionFailed,
        Self::Silent,
        Self::NamespaceClosed,
        Self::LoginRefused,
        Self::ServerReloaded,
        Self::TakenOver,
        Self::FeedSilent,
        Self::Requested,
        Self::Stopping,
        Self::Internal,
    ];
}

impl GapReason {
    /// All reasons.
    pub const ALL: [Self; 8] = [
        Self::Started,
        Self::Disconnected,
        Self::ServerReloaded,
        Self::TakenOver,
        Self::FeedSilent,
        Self::Requested,
        Self::Restarted,
        Self::Crashed,
    ];
}

impl LossReason {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::JournalFull,
        Self::Quota,
        Self::Expired,
        Self::Disk,
        Self::Damaged,
        Self::Forgotten,
        Self::Superseded,
    ];
}

impl From<EndReason> for GapReason {
    /// Returns the reason of the gap that follows a session's end.
    fn from(end: EndReason) -> Self {
        match end {
            EndReason::ServerReloaded => Self::ServerReloaded,
            EndReason::TakenOver => Self::TakenOver,
            EndReason::FeedSilent => Self::FeedSilent,
            EndReason::Requested => Self::Requested,
            EndReason::ConnectionClosed
            | EndReason::ConnectionFailed
            | EndReason::Silent
            | EndReason::NamespaceClosed
            | EndReason::LoginRefused
            | EndReason::Stopping
            | EndReason::Internal => Self::Disconnected,
        }
    }
}

/// Reason of a resync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResyncReason {
    /// A session started.
    Connected,
    /// The periodic resync: a session that seemed gap-free may have lost events.
    Scheduled,
    /// An operator requested it.
    Requested,
    /// Snapshots that failed before were retried.
    Retried,
    /// A sink lost events that carry state, or some were damaged.
    Lost,
}

/// A snapshot that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreadSnapshot {
    /// Path below the API.
    pub snapshot: &'static str,
    /// Reason with the remedy.
    #[serde(serialize_with = "text::serialize")]
    pub reason: String,
}

/// Reason why records were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossReason {
    /// The journal was full.
    JournalFull,
    /// Events of this name exceeded their share of the journal.
    Quota,
    /// The record exceeded the journal's maximum age.
    Expired,
    /// The disk failed or was full, and so was the memory that replaced it.
    Disk,
    /// The record was damaged on disk.
    Damaged,
    /// The broker lost the record after acknowledging it, and the journal no longer had it.
    Forgotten,
    /// A newer event of the same entity carries the state, and the journal needed the space.
    Superseded,
}

impl Notice {
    /// Returns the name, as in the type `cti.bridge.<name>.v1`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Connected { .. } => "connected",
            Self::Disconnected { .. } => "disconnected",
            Self::Gap { .. } => "gap",
            Self::AuthFailed { .. } => "auth.failed",
            Self::Takenover { .. } => "takenover",
            Self::FeedSilent { .. } => "feed.silent",
            Self::ResyncStarted { .. } => "resync.started",
            Self::ResyncCompleted { .. } => "resync.completed",
            Self::Vanished { .. } => "vanished",
            Self::Drift { .. } => "drift",
            Self::Lost { .. } => "lost",
            Self::Deadlettered { .. } => "deadlettered",
            Self::Rewound { .. } => "rewound",
            Self::Reconfigured { .. } => "reconfigured",
            Self::Stopping { .. } => "stopping",
        }
    }

    /// Returns whether the notice announces a loss, so that `ctigap` refers to it.
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::Gap { .. } | Self::Lost { .. } | Self::Deadlettered { .. })
    }
}

/// Returns the name of an enum's variant as used in events.
pub fn word(variant: &impl Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
