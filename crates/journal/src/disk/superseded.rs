//! Finds events that a newer one supersedes, in the segments that are on stable storage.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher as _, RandomState},
};

use event::{Body, Position, Record, state_entity};

/// The most memory that the index takes, in bytes.
const BOUND: usize = 4 << 20;
/// What one entity takes of it, right after the table has doubled.
const EACH: usize = 2 * (size_of::<(Key, Newest)>() + 1) * 8 / 7;
/// Bytes of the absence that takes the place of an event.
const ABSENCE: u64 = 90;

/// A hash of source, event name and entity. Its seeds are random, so that no sender can make two entities collide.
type Key = [u64; 2];

/// The newest event of an entity.
#[derive(Debug, Clone, Copy)]
struct Newest {
    position: Position,
    size: u64,
}

/// The newest event of each entity, as far as they fit. An entity that does not fit is not superseded.
#[derive(Debug, Default)]
pub(crate) struct Index {
    seeds: [RandomState; 2],
    newest: HashMap<Key, Newest>,
    /// By generation and name: at least so many bytes would be freed.
    garbage: BTreeMap<(u64, u32), u64>,
    /// Everything before was noted.
    pub(crate) scanned: Position,
}

impl Index {
    /// Forgets everything, and its memory.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whose state an event carries.
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

    /// Whether a newer event of the same entity was noted.
    pub(crate) fn supersedes(&self, record: &Record) -> bool {
        let newest = self.key(record).and_then(|key| self.newest.get(&key));
        newest.is_some_and(|newest| newest.position > record.position)
    }

    /// Notes an event; they come in order. `segment` is where another position is, unless it is no longer needed.
    pub(crate) fn note(&mut self, record: &Record, name: u32, segment: impl Fn(Position) -> Option<u64>) {
        let Some(key) = self.key(record) else { return };
        let new = Newest { position: record.position, size: stored(record) };
        if let Some(known) = self.newest.get_mut(&key) {
            // It was noted before a read failed.
            if known.position >= new.position {
                return;
            }
            let old = std::mem::replace(known, new);
            if let Some(generation) = segment(old.position) {
                *self.garbage.entry((generation, name)).or_default() += old.size.saturating_sub(ABSENCE);
            }
        } else if (self.newest.len() + 1) * EACH <= BOUND {
            self.newest.insert(key, new);
        }
    }

    /// Whether there is no room for another entity.
    pub(crate) fn is_full(&self) -> bool {
        (self.newest.len() + 1) * EACH > BOUND
    }

    /// Forgets entities whose newest event was delivered, or dropped.
    pub(crate) fn prune(&mut self, first: Position) {
        self.newest.retain(|_, newest| newest.position >= first);
    }

    /// At least so many bytes of a segment would be freed, if the events of these names that are superseded went.
    pub(crate) fn garbage(&self, generation: u64, is_meant: impl Fn(u32) -> bool) -> u64 {
        let of = self.garbage.range((generation, 0)..=(generation, u32::MAX));
        of.filter(|((_, name), _)| is_meant(*name)).map(|(_, bytes)| bytes).sum()
    }

    /// Segments became one, which has the first generation.
    pub(crate) fn joined(&mut self, generations: &[u64]) {
        let Some((first, others)) = generations.split_first() else { return };
        let moved = self.garbage.extract_if(.., |(of, _), _| others.contains(of)).collect::<Vec<_>>();
        for ((_, name), bytes) in moved {
            *self.garbage.entry((*first, name)).or_default() += bytes;
        }
    }

    /// A segment was rewritten without the superseded events of these names.
    pub(crate) fn cleaned(&mut self, generation: u64, is_meant: impl Fn(u32) -> bool) {
        self.garbage.retain(|(of, name), _| *of != generation || !is_meant(*name));
    }
}

/// About how many bytes an event takes on the disk.
pub(crate) fn stored(record: &Record) -> u64 {
    let body = match &record.body {
        Body::Event(frame) => 24 + 4 * frame.attachments.len() + frame.size(),
        Body::Notice(notice) => 1 + notice.name.len() + notice.data.len(),
    };
    (52 + body) as u64
}
