//! Events of the bridge itself: numbered, on the same line as the PBX's.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Seq, micros};
use crate::OnTakeover;

/// What the bridge has to say. Field names become the JSON of the event's `data`.
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
        /// Counts the sessions of this source since the start.
        session: u64,
        /// The service account.
        #[serde(serialize_with = "text::serialize")]
        user: String,
        /// Name of its profile on the PBX.
        profile: Option<String>,
        /// What the profile lets the account see.
        sees: Vec<String>,
        /// Whether the PBX masks numbers and names for it; null when unknown.
        privacy: Option<bool>,
    },
    /// A session has ended.
    Disconnected {
        /// Which one.
        session: u64,
        /// Why.
        reason: EndReason,
        /// The same for people.
        #[serde(serialize_with = "text::serialize")]
        detail: String,
    },
    /// Events may have been missed. Stands before the first event of the session that follows.
    Gap {
        /// Why.
        reason: GapReason,
        /// The last moment that was surely seen; null when unknown.
        #[serde(serialize_with = "micros::option::serialize")]
        from: Option<Timestamp>,
        /// From here on all is seen.
        #[serde(serialize_with = "micros::serialize")]
        to: Timestamp,
        /// The last number before the gap; null when unknown.
        last_sequence: Option<Seq>,
        /// Numbers that were never given to an event, first and last; null when none were skipped.
        skipped: Option<(Seq, Seq)>,
        /// Whether something was lost for certain.
        certain: bool,
        /// Names of the events that may have been missed: of those that the account may see.
        may_have_missed: Vec<&'static str>,
    },
    /// The PBX refused or could not answer a login.
    AuthFailed {
        /// What happened.
        reason: AuthFailure,
        /// The same for people, with the remedy.
        #[serde(serialize_with = "text::serialize")]
        detail: String,
        /// Whether an operator must act; the bridge goes on trying all the same.
        operator: bool,
        /// Refusals in a row.
        failures: u32,
        /// Whether attempts come minutes apart from now on, as more might lock the account.
        slow: bool,
        /// Seconds until the next attempt.
        retry_in: u64,
    },
    /// Another session of the same account and kind asked for this one's place.
    Takenover {
        /// Which session.
        session: u64,
        /// What is done about it; null when nothing is, as the session is of no kind.
        policy: Option<OnTakeover>,
        /// When the bridge comes back; null when it stays, or waits to be asked.
        #[serde(serialize_with = "micros::option::serialize")]
        until: Option<Timestamp>,
        /// Whether it has come to a fight: the place changed hands several times of late.
        contested: bool,
    },
    /// A session is up, and has brought nothing for longer than a PBX with queues is ever quiet. The bridge opens a
    /// new one; the next event means that the feed is back.
    FeedSilent {
        /// Which session.
        session: u64,
        /// When the session began.
        #[serde(serialize_with = "micros::serialize")]
        since: Timestamp,
        /// The last event of the PBX; null when the session brought none.
        #[serde(serialize_with = "micros::option::serialize")]
        last_event: Option<Timestamp>,
    },
    /// The PBX's state is read. What it was is appended as the events that would have told the same, with the origin
    /// `snapshot`, unless an event has told something newer.
    ResyncStarted {
        /// Of which session.
        session: u64,
        /// Why.
        reason: ResyncReason,
        /// What is read.
        snapshots: Vec<&'static str>,
    },
    /// The PBX's state has been read.
    ResyncCompleted {
        /// Of which session.
        session: u64,
        /// Events appended, by name.
        counts: BTreeMap<&'static str, u64>,
        /// Entities that an event had told something newer of, so that they were left out.
        superseded: u64,
        /// Values that told of no entity.
        unusable: u64,
        /// Snapshots that the account may not read.
        refused: Vec<&'static str>,
        /// Snapshots that could not be read.
        failed: Vec<UnreadSnapshot>,
        /// Snapshots that held nothing: that proves nothing, as a PBX that starts answers so too.
        empty: Vec<&'static str>,
    },
    /// An entity no longer exists: two snapshots, at least 10 s apart, lack it, though an earlier one held it. Its newest
    /// event is no longer its state.
    Vanished {
        /// The event that had its state.
        event: &'static str,
        /// As in the CloudEvents `subject` of those events: `extension/299`.
        #[serde(serialize_with = "text::serialize")]
        subject: String,
    },
    /// Records were dropped before a sink could deliver them.
    Lost {
        /// The sink that misses them.
        sink: String,
        /// How many.
        count: u64,
        /// Why.
        reason: LossReason,
        /// The first number; null when the owner of the records is unknown. Every source then gets the notice.
        from: Option<Seq>,
        /// The last number; null as `from` is.
        to: Option<Seq>,
    },
    /// A broker refused an event for good.
    Deadlettered {
        /// The sink that refused it.
        sink: String,
        /// The event's number.
        sequence: Seq,
        /// Why.
        #[serde(serialize_with = "text::serialize")]
        reason: String,
    },
    /// The broker had forgotten what it had acknowledged; it is sent again.
    Rewound {
        /// The sink.
        sink: String,
        /// The first number that is sent again.
        from: Seq,
    },
    /// The bridge stops.
    Stopping {
        /// Why.
        reason: &'static str,
    },
}

/// Why a session ended.
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

/// Why a login brought no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthFailure {
    /// The PBX refused user name and password. It answers so while it starts, too.
    CredentialsRefused,
    /// User name and password did not reach the PBX.
    CredentialsMissing,
    /// A one-time password is due, and none is configured.
    OtpRequired,
    /// The PBX has no secret for one-time passwords of this user.
    OtpNotEnrolled,
    /// The PBX refused the one-time passwords.
    OtpRefused,
    /// The configured secret makes no one-time passwords.
    OtpSecretInvalid,
    /// The PBX no longer accepts the persistent token.
    TokenRefused,
    /// The CTI server behind the API does not recognise the persistent token.
    TokenUnrecognised,
    /// The token was withdrawn during the login.
    TokenWithdrawn,
    /// The PBX accepted the login, and refuses the token that it returned.
    SessionDead,
    /// The PBX refused the token on the websocket.
    #[default]
    SessionRefused,
    /// The PBX did not answer the login on the websocket.
    SessionUnanswered,
    /// The API can't be reached, or did not answer in time.
    Unreachable,
    /// The PBX's certificate is not trusted.
    Untrusted,
    /// Too many requests.
    RateLimited,
    /// The API answered with an error of its own.
    ServerError,
    /// There is no CTI API at the configured address.
    NoApi,
    /// The configuration can't be used: certificates, `proxy` or `url`.
    Configuration,
}

/// Why events may have been missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The bridge has started; nothing was seen before.
    Started,
    /// The session was away.
    Disconnected,
    /// The PBX applied a new configuration, so the session was opened anew.
    ServerReloaded,
    /// Another session had taken its place.
    TakenOver,
    /// The session brought nothing any more, so it was opened anew.
    FeedSilent,
    /// An operator asked for a new session.
    Requested,
    /// The bridge was stopped, and has started again.
    Restarted,
    /// The bridge or its machine went down without a stop.
    Crashed,
}

impl EndReason {
    /// All of them.
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
    /// All of them.
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
    /// All of them.
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
    /// Of the gap that follows such an end.
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

/// Why the PBX's state is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResyncReason {
    /// A session has begun.
    Connected,
    /// It is time: what an event told may have been lost on a session that seemed whole.
    Scheduled,
    /// An operator asked for it.
    Requested,
    /// What could not be read before has been.
    Retried,
    /// A sink has lost events, or some were damaged, that told of the PBX's state.
    Lost,
}

/// A snapshot that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreadSnapshot {
    /// Its path below the API.
    pub snapshot: &'static str,
    /// Why, with the remedy.
    #[serde(serialize_with = "text::serialize")]
    pub reason: String,
}

/// Why records were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossReason {
    /// The journal was full.
    JournalFull,
    /// Events of this name had used up their share of the journal.
    Quota,
    /// It waited longer than the journal keeps anything.
    Expired,
    /// The disk failed or was full, and so was the memory that stood in for it.
    Disk,
    /// Its bytes on the disk were damaged.
    Damaged,
    /// The broker lost it after it had acknowledged it, and the journal no longer had it.
    Forgotten,
    /// A newer event of the same entity tells the same, and the journal needed the room.
    Superseded,
}

impl Notice {
    /// Its name: type `cti.bridge.<name>.v1`.
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
            Self::Lost { .. } => "lost",
            Self::Deadlettered { .. } => "deadlettered",
            Self::Rewound { .. } => "rewound",
            Self::Stopping { .. } => "stopping",
        }
    }

    /// Whether it tells of a loss, so that `ctigap` moves to it.
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::Gap { .. } | Self::Lost { .. } | Self::Deadlettered { .. })
    }
}

/// The name of an enum's variant, as events have it.
pub fn word(variant: &impl Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
