//! `/status` as a client reads it: the part of [`super::status::Status`] that commands show.
//!
//! A newer bridge may have more fields and values; an older one lacks some. So unknown fields are ignored, missing ones
//! have a default, and enums that may differ are strings.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

/// The state of the bridge.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServedStatus {
    pub(crate) instance: String,
    pub(crate) version: String,
    pub(crate) commit: String,
    pub(crate) started: Option<Timestamp>,
    pub(crate) now: Option<Timestamp>,
    pub(crate) ready: bool,
    pub(crate) reload: Option<ServedReload>,
    pub(crate) journal: ServedJournal,
    pub(crate) sources: Vec<ServedSource>,
    pub(crate) sinks: Vec<ServedSink>,
}

/// The state of a component; empty for a journal in memory.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServedHealth {
    pub(crate) state: Option<String>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) reason: Option<String>,
    pub(crate) never_active: bool,
    pub(crate) warnings: BTreeMap<String, String>,
    pub(crate) missing_rights: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServedReload {
    pub(crate) successful: bool,
    pub(crate) last_success: Option<Timestamp>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServedJournal {
    pub(crate) id: String,
    pub(crate) place: String,
    pub(crate) bytes: u64,
    pub(crate) max_bytes: u64,
    #[serde(flatten)]
    pub(crate) health: ServedHealth,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServedSource {
    pub(crate) name: String,
    pub(crate) events: u64,
    pub(crate) last_seen: Option<Timestamp>,
    pub(crate) account: Option<ServedAccount>,
    pub(crate) calls: Option<ServedCalls>,
    pub(crate) drift: Vec<ServedFinding>,
    #[serde(flatten)]
    pub(crate) health: ServedHealth,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServedCalls {
    pub(crate) going_on: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServedFinding {
    pub(crate) event: String,
    pub(crate) path: String,
    pub(crate) kind: String,
    pub(crate) count: u64,
    pub(crate) first_seen: Option<Timestamp>,
    pub(crate) last_seen: Option<Timestamp>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServedAccount {
    pub(crate) token_expires: Option<Timestamp>,
    pub(crate) token_renews: Option<Timestamp>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServedSink {
    pub(crate) name: String,
    pub(crate) lag_events: u64,
    pub(crate) lag_seconds: f64,
    pub(crate) generation: u64,
    pub(crate) new_rules: Option<ServedNewRules>,
    pub(crate) heartbeat: Option<Timestamp>,
    /// By route.
    pub(crate) filtered: BTreeMap<String, u64>,
    /// By source.
    pub(crate) ledger: BTreeMap<String, ServedLedger>,
    #[serde(flatten)]
    pub(crate) health: ServedHealth,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServedNewRules {
    pub(crate) since: Option<Timestamp>,
    pub(crate) waits_for_events: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServedLedger {
    pub(crate) received: u64,
    pub(crate) published: u64,
    pub(crate) filtered: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) pending: u64,
    /// By reason.
    pub(crate) lost: BTreeMap<String, u64>,
}
