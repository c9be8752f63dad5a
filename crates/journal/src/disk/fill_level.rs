//! Fill level of the journal, and the changes that compaction makes to its segments.

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

/// A fraction of a bound.
#[derive(Debug, Clone, Copy)]
struct Fraction(u64, u64);

impl Fraction {
    fn of(self, bound: u64) -> u64 {
        bound / self.1 * self.0
    }
}

/// Fill level above which incoming events wait briefly for compaction.
const THROTTLE_ABOVE: Fraction = Fraction(7, 8);
/// Fill level of undelivered events at which compaction starts.
const COMPACT_ABOVE: Fraction = Fraction(3, 4);
/// Fill level of undelivered events at which compaction stops.
const COMPACT_UNTIL: Fraction = Fraction(5, 8);
/// Fraction of its quota at which compaction of a name stops.
const QUOTA_UNTIL: Fraction = Fraction(7, 8);

/// Segments that a copy may replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Those that some sink has not passed.
    Undelivered,
    /// All.
    Any,
}

/// Snapshot of the journal for the compactor.
#[derive(Debug)]
pub(crate) struct View {
    /// Position that every sink has reached.
    pub(crate) passed: Position,
    /// Whether undelivered events take too much space.
    pub(crate) is_over_threshold: bool,
    /// Names over their quota, with the excess in bytes.
    pub(crate) over: HashMap<u32, u64>,
    /// Segments that can be rewritten, contiguous, oldest first.
    pub(crate) segments: Vec<Sealed>,
    pub(crate) names: NameIds,
    /// Bytes that the journal may still grow.
    pub(crate) room: u64,
    pub(crate) segment_bytes: u64,
    /// Maximum time span of a segment; `None` sets no limit.
    pub(crate) longest: Option<Duration>,
}

impl View {
    /// Returns whether events have to be removed.
    pub(crate) fn is_needed(&self) -> bool {
        self.is_over_threshold || !self.over.is_empty()
    }

    /// Returns the generation of the segment that holds a position, if the segment can be rewritten.
    pub(crate) fn segment_of(&self, position: Position) -> Option<u64> {
        let at = self.segments.partition_point(|segment| segment.range.end <= position);
        let found = self.segments.get(at).map(|segment| &segment.range);
        let found = found.filter(|_| position >= self.passed);
        found.filter(|range| range.start.position <= position).map(|range| range.generation)
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

    /// Returns whether the fill level is far below the compaction threshold.
    pub(crate) fn is_mostly_empty(&self) -> bool {
        self.undelivered() < self.limits.max_bytes / 4 && !self.is_over_threshold()
    }

    /// Returns whether the journal is almost full.
    pub(crate) fn is_nearly_full(&self) -> bool {
        self.undelivered() > THROTTLE_ABOVE.of(self.limits.max_bytes)
    }

    /// Returns whether compaction may be worthwhile.
    pub(crate) fn is_over_threshold(&self) -> bool {
        self.limits.compacts
            && (self.undelivered() > COMPACT_ABOVE.of(self.limits.max_bytes)
                || self.over(self.limits.per_name).next().is_some())
    }

    /// Returns the segments to compact and the bounds that apply. `was_over_threshold` and `were_over_quota` are the
    /// previous results: they provide hysteresis, so that compaction goes on below the threshold.
    pub(crate) fn view(
        &self,
        passed: Position,
        was_over_threshold: bool,
        were_over_quota: &HashSet<u32>,
    ) -> View {
        let limits = &self.limits;
        let bound = if was_over_threshold { COMPACT_UNTIL } else { COMPACT_ABOVE }.of(limits.max_bytes);
        let mut over: HashMap<u32, u64> = self.over(limits.per_name).collect();
        let is_over = |name: &u32| were_over_quota.contains(name) || over.contains_key(name);
        over = self.over(QUOTA_UNTIL.of(limits.per_name)).filter(|(name, _)| is_over(name)).collect();
        let sealed = self.segments.len().saturating_sub(usize::from(!self.sealed));
        let segments = self.segments.iter().take(sealed);
        let segments = segments
            .filter(|segment| segment.passed.is_none() && segment.end > passed && segment.end <= self.synced);
        View {
            passed,
            is_over_threshold: self.undelivered() > bound,
            segments: segments.map(|segment| segment.sealed(&over)).collect(),
            over,
            names: self.names.clone(),
            room: limits.max_bytes.saturating_sub(self.bytes()),
            segment_bytes: limits.segment_bytes,
            longest: limits.max_age.map(|age| age / SPANS),
        }
    }

    /// Seals the newest segment, so that it can be rewritten.
    pub(crate) fn seal(&mut self) {
        // An empty segment has nothing to rewrite, and two of them would start at the same position.
        self.sealed |= self.segments.back().is_some_and(|newest| newest.end > newest.first);
    }

    /// Returns whether entries before `end` are in the segment that is appended to.
    pub(crate) fn is_open_before(&self, end: Position) -> bool {
        !self.sealed && self.segments.back().is_some_and(|newest| newest.first < end)
    }

    /// Returns the first sealed segment that holds positions from `from` on, if it starts before `end`.
    pub(crate) fn between(&self, from: Position, end: Position) -> Option<Sealed> {
        let sealed = self.segments.len().saturating_sub(usize::from(!self.sealed));
        let first = self.segments.iter().take(sealed).find(|segment| segment.end > from);
        first.filter(|segment| segment.first < end).map(|segment| segment.sealed(&HashMap::new()))
    }

    fn place(&self, run: &[(u64, u32)]) -> Option<usize> {
        let (first, _) = run.first()?;
        let at = self.segments.iter().position(|segment| segment.generation == *first)?;
        let found = self.segments.range(at..).map(|segment| (segment.generation, segment.revision));
        found.take(run.len()).eq(run.iter().copied()).then_some(at)
    }

    /// Pins these files if they are unchanged and wanted. Only [`Store::swap`] and [`Store::unpin`] release them for
    /// removal.
    pub(crate) fn pin(&mut self, run: &[(u64, u32)], wanted: Wanted) -> bool {
        let is_needed = self
            .place(run)
            .and_then(|at| self.segments.get(at + run.len() - 1))
            .is_some_and(|last| wanted == Wanted::Any || last.passed.is_none());
        if is_needed {
            self.pinned = run.iter().map(|(generation, _)| *generation).collect();
        }
        is_needed
    }

    /// Replaces these files by a copy. Returns the generations whose files can be removed.
    pub(crate) fn swap(&mut self, run: &[(u64, u32)], copy: Copy) -> Vec<u64> {
        // If the first was dropped meanwhile, the others are unchanged.
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

    /// Unpins these files. Returns the generations that were dropped meanwhile.
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
            range: self.range(),
            created: self.created,
            newest: self.newest,
            over: over.keys().filter_map(of).collect(),
        }
    }

    /// Merges two adjacent segments.
    fn join(self, next: Self) -> Self {
        let known = [self.known, next.known].concat();
        Self { end: next.end, newest: self.newest.max(next.newest), passed: next.passed, known, ..self }
    }
}
