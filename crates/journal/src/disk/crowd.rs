//! A journal that is filling up: what compacting sees of it, and what it changes.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use event::Position;

use super::{
    compact::{Copy, Sealed},
    names::{NO_NAME, NameIds},
    retention::SPANS,
    segment_state::Segment,
    store::{Store, on_demand},
};

/// A share of a bound.
#[derive(Debug, Clone, Copy)]
struct Share(u64, u64);

impl Share {
    fn of(self, bound: u64) -> u64 {
        bound / self.1 * self.0
    }
}

/// What comes waits a moment for compacting when they take more than this.
const BRIMMING: Share = Share(7, 8);
/// Compacting begins when undelivered events take more of the journal than this.
const FULL: Share = Share(3, 4);
/// It goes on until they take less than this,
const ROOMY: Share = Share(5, 8);
/// and until a name that is over its quota takes less of that than this.
const WITHIN: Share = Share(7, 8);

/// What compacting sees.
#[derive(Debug)]
pub(crate) struct View {
    /// Every sink has what is before.
    pub(crate) passed: Position,
    /// Whether undelivered events take too much.
    pub(crate) is_crowded: bool,
    /// Names that are over their quota, and by how many bytes.
    pub(crate) over: HashMap<u32, u64>,
    /// The segments that can be rewritten, oldest first, without a hole.
    pub(crate) segments: Vec<Sealed>,
    pub(crate) names: NameIds,
    /// Bytes that the journal may still take.
    pub(crate) room: u64,
    pub(crate) segment_bytes: u64,
    /// No segment may span more time than this.
    pub(crate) longest: Option<Duration>,
}

impl View {
    /// Whether something has to go.
    pub(crate) fn is_needed(&self) -> bool {
        self.is_crowded || !self.over.is_empty()
    }

    /// The generation of the segment that holds a position, if it can be rewritten.
    pub(crate) fn segment_of(&self, position: Position) -> Option<u64> {
        let at = self.segments.partition_point(|segment| segment.stretch.end <= position);
        let found = self.segments.get(at).map(|segment| &segment.stretch);
        let found = found.filter(|_| position >= self.passed);
        found.filter(|stretch| stretch.start.position <= position).map(|stretch| stretch.generation)
    }
}

impl Store {
    fn undelivered(&self) -> u64 {
        let waits = self.segments.iter().filter(|segment| segment.passed.is_none());
        waits.map(|segment| segment.length).sum()
    }

    fn over(&self, bound: u64) -> impl Iterator<Item = (u32, u64)> {
        let held = self.held.iter().filter(|(name, _)| **name != NO_NAME);
        held.filter(move |(_, held)| **held > bound).map(move |(name, held)| (*name, held - bound))
    }

    /// Whether there is so little that compacting is far off.
    pub(crate) fn is_light(&self) -> bool {
        self.undelivered() < self.limits.max_bytes / 4 && !self.is_crowded()
    }

    /// Whether there is hardly any room left.
    pub(crate) fn is_brimming(&self) -> bool {
        self.undelivered() > BRIMMING.of(self.limits.max_bytes)
    }

    /// Whether compacting may be worth it.
    pub(crate) fn is_crowded(&self) -> bool {
        self.limits.compacts
            && (self.undelivered() > FULL.of(self.limits.max_bytes)
                || self.over(self.limits.per_name).next().is_some())
    }

    /// What there is to compact, while the disk works. `is_crowded` and `over` are as they were found before: it is not over
    /// as soon as a bound is just kept.
    pub(crate) fn view(&self, passed: Position, was_crowded: bool, were_over: &HashSet<u32>) -> View {
        let limits = &self.limits;
        let bound = if was_crowded { ROOMY } else { FULL }.of(limits.max_bytes);
        let mut over: HashMap<u32, u64> = self.over(limits.per_name).collect();
        let is_over = |name: &u32| were_over.contains(name) || over.contains_key(name);
        over = self.over(WITHIN.of(limits.per_name)).filter(|(name, _)| is_over(name)).collect();
        let sealed = self.segments.len().saturating_sub(usize::from(!self.sealed));
        let segments = self.segments.iter().take(sealed);
        let segments = segments
            .filter(|segment| segment.passed.is_none() && segment.end > passed && segment.end <= self.synced);
        View {
            passed,
            is_crowded: self.undelivered() > bound,
            segments: segments.map(|segment| segment.sealed(&over)).collect(),
            over,
            names: self.names.clone(),
            room: limits.max_bytes.saturating_sub(self.bytes()),
            segment_bytes: limits.segment_bytes,
            longest: limits.max_age.map(|age| age / SPANS),
        }
    }

    fn place(&self, run: &[(u64, u32)]) -> Option<usize> {
        let (first, _) = run.first()?;
        let at = self.segments.iter().position(|segment| segment.generation == *first)?;
        let found = self.segments.range(at..).map(|segment| (segment.generation, segment.revision));
        found.take(run.len()).eq(run.iter().copied()).then_some(at)
    }

    /// Whether these files are still what they were, and some sink needs them. If so nobody removes them from here on.
    pub(crate) fn pin(&mut self, run: &[(u64, u32)]) -> bool {
        let is_needed = self
            .place(run)
            .and_then(|at| self.segments.get(at + run.len() - 1))
            .is_some_and(|last| last.passed.is_none());
        if is_needed {
            self.pinned = run.iter().map(|(generation, _)| *generation).collect();
        }
        is_needed
    }

    /// A copy has taken the place of these files. Yields the generations whose files are no longer needed.
    pub(crate) fn swap(&mut self, run: &[(u64, u32)], copy: Copy) -> Vec<u64> {
        // Where the first was dropped meanwhile, the others are still what they were.
        let Some(at) = self.place(run) else { return self.unpin(run) };
        self.pinned.clear();
        let old: Vec<Segment> = self.segments.drain(at..at + run.len()).collect();
        for segment in &old {
            self.release(segment);
        }
        self.total += copy.length;
        let Some(new) = old.into_iter().reduce(Segment::join) else { return Vec::new() };
        let is_needed = new.passed.is_none();
        let bytes_by_name = if is_needed { copy.bytes_by_name } else { HashMap::new() };
        for (name, size) in &bytes_by_name {
            *self.held.entry(*name).or_default() += size;
        }
        let (format, start, length, revision) = (copy.format, copy.start, copy.length, new.revision + 1);
        let file = on_demand(&self.fs, &self.dir, new.generation);
        self.segments.insert(at, Segment { revision, file, format, start, length, bytes_by_name, ..new });
        run.iter().skip(1).map(|(generation, _)| *generation).collect()
    }

    /// These files are no longer pinned. Yields the generations of those that were dropped meanwhile.
    pub(crate) fn unpin(&mut self, run: &[(u64, u32)]) -> Vec<u64> {
        self.pinned.clear();
        let is_gone = |of: &u64| self.segments.iter().all(|segment| segment.generation != *of);
        run.iter().map(|(generation, _)| *generation).filter(is_gone).collect()
    }
}

impl Segment {
    fn sealed(&self, over: &HashMap<u32, u64>) -> Sealed {
        let of = |name: &u32| Some((*name, *self.bytes_by_name.get(name)?));
        Sealed {
            stretch: self.stretch(),
            begun: self.begun,
            newest: self.newest,
            over: over.keys().filter_map(of).collect(),
        }
    }

    /// The segment of both, which follow each other.
    fn join(self, next: Self) -> Self {
        let known = [self.known, next.known].concat();
        Self { end: next.end, newest: self.newest.max(next.newest), passed: next.passed, known, ..self }
    }
}
