//! The outcome of a resync.

use std::collections::BTreeMap;

use super::{
    fetch::Unread,
    snapshot::{Key, Snapshot},
    superseded_keys::SupersededKeys,
};
use crate::event::{Notice, ResyncReason, UnreadSnapshot, word};

#[derive(Debug)]
pub(super) struct Report {
    session: u64,
    counts: BTreeMap<&'static str, u64>,
    superseded: u64,
    pub(super) unusable: u64,
    refused: Vec<&'static str>,
    failed: Vec<UnreadSnapshot>,
    pub(super) empty: Vec<&'static str>,
}

impl Report {
    pub(super) fn new(session: u64) -> Self {
        Self {
            session,
            counts: BTreeMap::new(),
            superseded: 0,
            unusable: 0,
            refused: Vec::new(),
            failed: Vec::new(),
            empty: Vec::new(),
        }
    }

    pub(super) fn started(&self, reason: ResyncReason, left: impl Iterator<Item = Snapshot>) -> Notice {
        let snapshots = left.map(Snapshot::name).collect();
        tracing::info!(session = self.session, reason = word(&reason), "reading the PBX's state");
        Notice::ResyncStarted { session: self.session, reason, snapshots }
    }

    /// Whether an event has newer state for the key; counts it either way.
    pub(super) fn supersedes(&mut self, superseded: &SupersededKeys, key: &Key) -> bool {
        let newer = superseded.has(key);
        if newer {
            self.superseded += 1;
        } else {
            *self.counts.entry(key.event).or_default() += 1;
        }
        newer
    }

    pub(super) fn unread(&mut self, snapshot: Snapshot, why: &Unread) {
        let snapshot = snapshot.name();
        match why {
            Unread::Refused => self.refused.push(snapshot),
            Unread::Failed(reason)
            | Unread::Transient(reason, _)
            | Unread::TokenDied(reason)
            | Unread::NoToken(reason) => {
                self.failed.push(UnreadSnapshot { snapshot, reason: reason.clone() });
            }
        }
    }

    pub(super) fn completed(self) -> Notice {
        let Self { session, counts, superseded, unusable, refused, failed, empty } = self;
        let appended: u64 = counts.values().sum();
        tracing::info!(
            session,
            appended,
            superseded,
            unusable,
            ?refused,
            failed = failed.len(),
            ?empty,
            "finished reading the PBX's state"
        );
        Notice::ResyncCompleted { session, counts, superseded, unusable, refused, failed, empty }
    }
}
