//! The last notices and events, as `/status` shows them.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    event::{Seq, SourceId},
    journal::Stats,
};

/// A notice of the bridge.
#[derive(Debug, Clone, Serialize)]
pub struct NoticeStatus {
    /// The time of the notice.
    pub at: Timestamp,
    /// The source it is about.
    pub source: String,
    /// Its name.
    pub what: String,
    /// Its data.
    pub data: Option<Box<RawValue>>,
}

/// An event of a PBX, without its arguments.
#[derive(Debug, Serialize)]
pub struct EventStatus {
    /// The time of receipt.
    pub at: Timestamp,
    /// The source.
    pub source: String,
    /// Its sequence number.
    pub sequence: Seq,
    /// Its slug.
    pub event: String,
}

/// The notices, newest first; `names` are the names of the sources.
pub(super) fn notices(stats: &Stats, names: &[String]) -> Vec<NoticeStatus> {
    let notices = stats.notices.iter().rev().map(|notice| NoticeStatus {
        at: notice.at,
        source: name(names, notice.source),
        what: notice.content.name.to_string(),
        data: serde_json::from_slice(&notice.content.data).ok(),
    });
    notices.collect()
}

/// The events, newest first.
pub(super) fn events(stats: &Stats, names: &[String]) -> Vec<EventStatus> {
    let events = stats.events.iter().rev().map(|event| EventStatus {
        at: event.at,
        source: name(names, event.source),
        sequence: event.sequence,
        event: event.event.to_string(),
    });
    events.collect()
}

fn name(names: &[String], id: SourceId) -> String {
    names.get(id.index()).cloned().unwrap_or_default()
}
