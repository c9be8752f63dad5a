//! Index of superseded events in the segments on stable storage.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry as Slot},
    hash::{BuildHasher as _, RandomState},
};

use event::{Body, Position, Record, state_entity};

/// Maximum memory of the index in bytes.
const BOUND: usize = 4 << 20;
/// Memory per entity right after the table has doubled.
const EACH: usize = 2 * (size_of::<(Key, Newest)>() + 1) * 8 / 7;
/// Size in bytes of the absence that replaces an event.
const ABSENCE: u64 = 90;

/// A hash of source, event name and entity. The seeds are random, so no sender can make two entities collide.
type Key = [u64; 2];

/// The newest changed event of an entity, and the newest unchanged one after it.
#[derive(Debug, Clone, Copy, Default)]
struct Newest([Event; 2]);

/// An event; at position 0, none.
#[derive(Debug, Clone, Copy, Default)]
struct Event {
    position: Position,
    size: u64,
}

impl Newest {
    /// Returns the events that a record supersedes, if it is newer: an unchanged one only those of its kind. A sink may
    /// filter unchanged events, so the event that they equal must stay.
    fn superseded_by(&mut self, record: &Record) -> &mut [Event] {
        let Self(events) = self;
        if record.unchanged { events.split_at_mut(1).1 } else { events }
    }

    /// Returns the position of the newest event that supersedes a record, if that is older.
    fn superseding(&self, record: &Record) -> Position {
        let [changed, unchanged] = self.0;
        if record.unchanged { changed.position.max(unchanged.position) } else { changed.position }
    }

    fn position(&self) -> Position {
        let [changed, unchanged] = self.0;
        changed.position.max(unchanged.position)
    }
}

/// The newest events of each entity, within the memory bound. Entities beyond it are never superseded.
#[derive(Debug, Default)]
pub(crate) struct Index {
    seeds: [RandomState; 2],
    newest: HashMap<Key, Newest>,
    /// Lower bound of the bytes that could be freed, by generation and name.
    garbage: BTreeMap<(u64, u32), u64>,
    /// Position before which everything is indexed.
    pub(crate) scanned: Position,
}

impl Index {
    /// Clears the index and releases its memory.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the key of the entity whose state an event carries.
    fn key(&self, record: &Record) -> Option<Key> {
        let Body::Event(frame) = &record.body else { return None };
        if frame.argc != 1 {
            return None;
        }
        let (name, args) = (frame.name(), frame.args());
        let entity = state_entity(&name, &args)?;
        let of = (record.source.0, &*name, entity.key());
        Some([0, 1].map(|seed: usize| self.seeds.get(seed).map_or(0, |seed| seed.hash_one(&of))))
    }

    /// Returns whether a newer event of the same entity is indexed.
    pub(crate) fn supersedes(&self, record: &Record) -> bool {
        let newest = self.key(record).and_then(|key| self.newest.get(&key));
        newest.is_some_and(|newest| newest.superseding(record) > record.position)
    }

    /// Indexes an event; called in order. `segment` returns the segment that holds a position, if it is still
    /// needed.
    pub(crate) fn note(&mut self, record: &Record, name: u32, segment: impl Fn(Position) -> Option<u64>) {
        let Some(key) = self.key(record) else { return };
        let is_full = self.is_full();
        let known = match self.newest.entry(key) {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(_) if is_full => return,
            Slot::Vacant(slot) => slot.insert(Newest::default()),
        };
        // Indexed before a failed read.
        if known.position() >= record.position {
            return;
        }
        for old in known.superseded_by(record) {
            let old = std::mem::take(old);
            if let Some(generation) = segment(old.position) {
                *self.garbage.entry((generation, name)).or_default() += old.size.saturating_sub(ABSENCE);
            }
        }
        if let Some(newest) = known.superseded_by(record).first_mut() {
            *newest = Event { position: record.position, size: stored(record) };
        }
    }

    /// Returns whether there is no room for another entity.
    pub(crate) fn is_full(&self) -> bool {
        (self.newest.len() + 1) * EACH > BOUND
    }

    /// Removes entities whose newest event was delivered or dropped.
    pub(crate) fn prune(&mut self, first: Position) {
        self.newest.retain(|_, newest| newest.position() >= first);
    }

    /// Returns a lower bound of the bytes that removing the superseded events of these names would free in a
    /// segment.
    pub(crate) fn garbage(&self, generation: u64, is_meant: impl Fn(u32) -> bool) -> u64 {
        let of = self.garbage.range((generation, 0)..=(generation, u32::MAX));
        of.filter(|((_, name), _)| is_meant(*name)).map(|(_, bytes)| bytes).sum()
    }

    /// Updates the index after segments were merged into the first.
    pub(crate) fn joined(&mut self, generations: &[u64]) {
        let Some((first, others)) = generations.split_first() else { return };
        let moved = self.garbage.extract_if(.., |(of, _), _| others.contains(of)).collect::<Vec<_>>();
        for ((_, name), bytes) in moved {
            *self.garbage.entry((*first, name)).or_default() += bytes;
        }
    }

    /// Updates the index after the superseded events of these names were removed from a segment.
    pub(crate) fn cleaned(&mut self, generation: u64, is_meant: impl Fn(u32) -> bool) {
        self.garbage.retain(|(of, name), _| *of != generation || !is_meant(*name));
    }
}

/// Estimates the size of an event on disk.
pub(crate) fn stored(record: &Record) -> u64 {
    let body = match &record.body {
        Body::Event(frame) => 24 + 4 * frame.attachments.len() + frame.size(),
        Body::Notice(notice) => 1 + notice.name.len() + notice.data.len(),
        Body::Call(call) => 10 + call.step.len() + call.key.len() + call.data.len(),
    };
    (52 + body) as u64
}
