//! Finds calls by name.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher, RandomState},
};

use super::{Fold, Tracker};
use crate::{
    call::{Call, LEGS},
    model::CallKey,
};

/// Index from names to calls: channels, linked ids, and numbers of queues and parking slots.
///
/// Holds hashes, so it returns candidates: the caller checks each of them. It is not saved but built again from the calls.
#[derive(Debug, Default)]
pub(super) struct Index {
    hasher: RandomState,
    entries: BTreeSet<(u64, CallKey)>,
    indexed: HashMap<CallKey, Indexed>,
    /// Estimated memory use of all calls.
    bytes: usize,
}

/// The part of the index that belongs to one call.
#[derive(Debug, Default)]
struct Indexed {
    /// Hashes, sorted.
    names: Vec<u64>,
    /// Estimated memory use of the call.
    bytes: usize,
}

impl Index {
    /// Replaces the names and the size of a call. Returns its size.
    pub(super) fn update(&mut self, call: &Call) -> usize {
        let mut names: Vec<u64> = call.names().map(|name| self.hasher.hash_one(name)).collect();
        names.sort_unstable();
        names.dedup();
        let known = self.indexed.entry(call.key).or_default();
        if known.names != names {
            for name in known.names.iter().filter(|name| names.binary_search(name).is_err()) {
                self.entries.remove(&(*name, call.key));
            }
            self.entries.extend(names.iter().map(|name| (*name, call.key)));
            known.names = names;
        }
        let bytes = call.size();
        self.bytes = self.bytes - known.bytes + bytes;
        known.bytes = bytes;
        bytes
    }

    /// Removes a call.
    pub(super) fn remove(&mut self, key: CallKey) {
        let Some(known) = self.indexed.remove(&key) else { return };
        self.bytes -= known.bytes;
        for name in known.names {
            self.entries.remove(&(name, key));
        }
    }

    /// Returns the calls that may have a name, the oldest first: all that have it, and rarely others.
    pub(super) fn candidates(&self, name: &str) -> impl Iterator<Item = CallKey> {
        let name = self.hasher.hash_one(name);
        let first = (name, CallKey::MIN);
        self.entries.range(first..).take_while(move |(hash, _)| *hash == name).map(|(_, key)| *key)
    }

    /// Returns the estimated memory use of all calls in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Tracker {
    /// Updates the index after names or texts of a call have changed.
    pub(super) fn reindex(&mut self, key: CallKey, fold: &mut Fold) {
        let Some(call) = self.calls.get(&key) else { return };
        if self.index.update(call) > super::CALL_BYTES || call.legs.len() > LEGS {
            fold.oversized.push(key);
        }
    }

    /// Returns the oldest call that has a name and matches.
    pub(super) fn find(&self, name: &str, matches: impl Fn(&Call) -> bool) -> Option<CallKey> {
        let mut candidates = self.index.candidates(name).filter_map(|key| self.calls.get(&key));
        let found = candidates.find(|call| matches(call)).map(|call| call.key);
        debug_assert_eq!(
            found,
            self.calls.values().find(|call| matches(call)).map(|call| call.key),
            "{name}"
        );
        found
    }

    /// Finds the call that a channel belongs to: as a leg, or as a waiting or parked caller.
    pub(super) fn by_channel(&self, channel: &str) -> Option<CallKey> {
        if channel.is_empty() {
            return None;
        }
        self.find(channel, |call| {
            let mut places = call.queue.iter().chain(&call.parking);
            call.leg(channel).is_some()
                || call.waiting_channel.as_deref() == Some(channel)
                || places.any(|place| place.channel == channel)
        })
    }

    /// Finds the call that talks to a channel which belongs to no extension.
    pub(super) fn by_partner(&self, channel: &str) -> Option<CallKey> {
        if channel.is_empty() {
            return None;
        }
        self.find(channel, |call| call.legs.iter().any(|leg| leg.partner == channel))
    }

    pub(super) fn by_linked_id(&self, id: &str) -> Option<CallKey> {
        if id.is_empty() {
            return None;
        }
        self.find(id, |call| call.has_linked_id(id))
    }
}
