//! Closed sets of words in the events of calls.

use serde::{Deserialize, Serialize};

/// Step of a call. The CloudEvents type is `cti.call.<step>.v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The first leg or waiting caller is seen.
    Started,
    /// A leg begins to alert.
    Ringing,
    /// The caller enters a queue.
    Queued,
    /// The caller leaves a queue.
    Dequeued,
    /// The first called leg connects.
    Answered,
    /// Another leg connects.
    Joined,
    /// A leg puts the other party on hold.
    Held,
    /// A leg takes the other party off hold.
    Resumed,
    /// The call enters a parking slot.
    Parked,
    /// The call leaves a parking slot.
    Unparked,
    /// A party is replaced while the other stays.
    Transferred,
    /// Another call has joined this one.
    Merged,
    /// The complete call again, after a loss that may have hidden a step.
    State,
    /// Nothing of the call has been visible for three seconds.
    Ended,
}

impl Step {
    /// All steps.
    pub const ALL: [Self; 14] = [
        Self::Started,
        Self::Ringing,
        Self::Queued,
        Self::Dequeued,
        Self::Answered,
        Self::Joined,
        Self::Held,
        Self::Resumed,
        Self::Parked,
        Self::Unparked,
        Self::Transferred,
        Self::Merged,
        Self::State,
        Self::Ended,
    ];

    /// Returns the name in the CloudEvents type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ringing => "ringing",
            Self::Queued => "queued",
            Self::Dequeued => "dequeued",
            Self::Answered => "answered",
            Self::Joined => "joined",
            Self::Held => "held",
            Self::Resumed => "resumed",
            Self::Parked => "parked",
            Self::Unparked => "unparked",
            Self::Transferred => "transferred",
            Self::Merged => "merged",
            Self::State => "state",
            Self::Ended => "ended",
        }
    }
}

/// Direction of a call, as the company sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// An outside party calls.
    Inbound,
    /// An extension calls an outside party.
    Outbound,
    /// An extension calls an extension or a queue.
    Internal,
    /// Not visible yet.
    #[default]
    Unknown,
}

impl Direction {
    /// All directions.
    pub const ALL: [Self; 4] = [Self::Inbound, Self::Outbound, Self::Internal, Self::Unknown];
}

/// State of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// The caller dials; no called party is visible yet.
    #[default]
    Initiated,
    /// A called party rings.
    Ringing,
    /// The caller waits in a queue.
    Queued,
    /// Two parties talk.
    Connected,
    /// A party is on hold.
    Held,
    /// The call is in a parking slot.
    Parked,
    /// The call is no longer visible.
    Ended,
}

/// Connection state of a leg (ECMA-269).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegState {
    /// The extension dials.
    Initiated,
    /// The extension rings.
    Alerting,
    /// The extension talks.
    Connected,
    /// The extension has put the other party on hold.
    Hold,
    /// The leg has ended.
    Null,
}

/// Outcome of a leg or a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was answered.
    Answered,
    /// It rang and was not answered.
    Missed,
    /// The caller left a queue without an answer.
    Abandoned,
    /// It joined another call.
    Merged,
    /// It was not visible.
    Unknown,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 5] = [Self::Answered, Self::Missed, Self::Abandoned, Self::Merged, Self::Unknown];
}

/// Kind of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// The new party rings after the transferring one has left.
    Blind,
    /// The transferring party had called the new one.
    Attended,
    /// Not visible.
    Unknown,
}
