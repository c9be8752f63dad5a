//! What the endpoint reports about reloads of the configuration.

use jiff::Timestamp;
use serde::Serialize;

use crate::{journal::SinkStats, reload::LastReload, sink::SwitchState};

/// The last reload of the configuration. The start counts as one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReloadStatus {
    /// The configuration was valid. Otherwise the bridge continues with the one it has.
    pub successful: bool,
    /// When a valid configuration was last read.
    pub last_success: Timestamp,
}

/// Reloaded rules of a sink that are not in force yet.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewRulesStatus {
    /// When they were announced.
    pub since: Timestamp,
    /// Records before them that the sink has not settled.
    pub waits_for_events: u64,
}

impl NewRulesStatus {
    /// Returns `None` if all announced rules of the sink are in force.
    pub(super) fn of(rules: SwitchState, sink: &SinkStats) -> Option<Self> {
        let (from, since) = rules.outstanding?;
        Some(Self { since, waits_for_events: from.0.saturating_sub(sink.next.0) })
    }
}

impl From<LastReload> for ReloadStatus {
    fn from(last: LastReload) -> Self {
        Self { successful: last.is_successful, last_success: last.succeeded }
    }
}
