//! Queues and their members.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The complete state of one queue: statistics, members and waiting callers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueUpdate {
    /// Number of the queue.
    pub queue: String,
    /// Name of the queue.
    pub name: String,
    /// Average time that callers wait, in seconds. A number as a string.
    pub avg_hold_time: String,
    /// Average duration of answered calls, in seconds. A number as a string.
    pub avg_talk_time: String,
    /// Answered calls since the statistics were last reset. A number as a string.
    pub completed_calls_count: String,
    /// Calls that ended before they were answered, since the statistics were last reset. A number as a string.
    pub abandoned_calls_count: String,
    /// Time within which a call should be answered, in seconds. A number as a string.
    pub service_level_time_period: String,
    /// Share of calls that were answered within that time, in percent with one decimal. A number as a string,
    /// such as `91.4`.
    pub service_level_percentage: String,
    /// Members of the queue.
    pub members: BTreeMap<String, QueueMember>,
    /// Callers who are waiting; `{}` if there are none.
    pub waiting_callers: BTreeMap<String, WaitingCaller>,
}

/// A member, as in `queueMemberUpdate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueMember {
    /// `static` members are always in the queue; `dynamic` and `realtime` ones log in and out. Known values:
    /// `static`, `dynamic`, `realtime`.
    pub r#type: String,
    /// Name of the member.
    pub name: String,
    /// Number of the queue.
    pub queue: String,
    /// Extension of the member.
    pub member: String,
    /// True if the member takes a break from this queue.
    pub paused: bool,
    /// True if the member is logged in to this queue.
    pub logged_in: bool,
    /// Calls that the member has taken since the queue's statistics were last reset.
    pub calls_taken_count: i64,
    /// Time of the member's last call from this queue: Unix time in seconds; 0 if there was none.
    pub last_call_timestamp: i64,
    /// Reason of the last break, as chosen or typed by a person; `''` if none was given.
    pub last_paused_in_reason: String,
    /// Start of the last break: Unix time in seconds; 0 if there was none. Some versions send milliseconds:
    /// values above 100000000000 are milliseconds.
    pub last_paused_in_timestamp: i64,
    /// End of the last break, in the unit of `lastPausedInTimestamp`; 0 if there was none. If it is older than
    /// the start, the break goes on.
    pub last_paused_out_timestamp: i64,
}

/// A waiting caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingCaller {
    /// Same as `channel`.
    pub id: String,
    /// Name of the caller's Asterisk channel. It can contain `/`, `@` and `;`.
    pub channel: String,
    /// Number of the caller. If the PBX masks numbers for the account, the last three characters are `xxx`.
    pub num: String,
    /// Name of the caller; `''` if unknown. If the PBX masks names for the account, it is `xxx`.
    pub name: String,
    /// Number of the queue.
    pub queue: String,
    /// Position in the queue, from 1. A number as a string.
    pub position: String,
    /// Time waited so far, in seconds. The PBX computes it each time it writes the event.
    pub waiting: i64,
    /// Not a duration: the time at which the caller began to wait, as Unix time in milliseconds.
    pub waiting_time: i64,
}

/// The complete state of one member in one queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueMemberUpdate {
    /// `static` members are always in the queue; `dynamic` and `realtime` ones log in and out. Known values:
    /// `static`, `dynamic`, `realtime`.
    pub r#type: String,
    /// Name of the member.
    pub name: String,
    /// Number of the queue.
    pub queue: String,
    /// Extension of the member.
    pub member: String,
    /// True if the member takes a break from this queue.
    pub paused: bool,
    /// True if the member is logged in to this queue.
    pub logged_in: bool,
    /// Calls that the member has taken since the queue's statistics were last reset.
    pub calls_taken_count: i64,
    /// Time of the member's last call from this queue: Unix time in seconds; 0 if there was none.
    pub last_call_timestamp: i64,
    /// Reason of the last break, as chosen or typed by a person; `''` if none was given.
    pub last_paused_in_reason: String,
    /// Start of the last break: Unix time in seconds; 0 if there was none. Some versions send milliseconds:
    /// values above 100000000000 are milliseconds.
    pub last_paused_in_timestamp: i64,
    /// End of the last break, in the unit of `lastPausedInTimestamp`; 0 if there was none. If it is older than
    /// the start, the break goes on.
    pub last_paused_out_timestamp: i64,
}

/// An alarm of the queue manager was raised, changed or cleared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QmAlarm {
    /// When the alarm was raised or cleared: ISO 8601 in UTC with milliseconds.
    pub date: String,
    /// Severity; `okay` clears the alarm. Known values: `failure`, `warning`, `okay`.
    pub status: String,
    /// Kind of the alarm. Known values: `queueload`.
    pub alarm: String,
    /// Number of the queue.
    pub queue: String,
}
