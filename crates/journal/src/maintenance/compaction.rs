//! Compaction: frees space in a journal that fills up while a sink is away, so that the newest state
//! survives.
//!
//! First it removes events that a newer one of the same entity supersedes (`superseded`), starting with the
//! oldest segments; then the oldest events of names over their quota (`quota`). Small segments that remain
//! are merged. A dedicated thread reads and writes segments without the journal's lock, so neither appends
//! nor syncs wait for it. Readers continue in the old file.
//!
//! A session whose events outrun compaction waits briefly. If appends still outrun it, or if there is no
//! space for a copy, the oldest segment is dropped with reason `journal_full`.

use std::{
    collections::{HashMap, HashSet},
    io,
    ops::Range,
    time::{Duration, Instant},
};

use event::Record;

use super::{OnDisk, Shared, replace::put_in_place};
use crate::{
    disk::{
        compact::{Omit, Sealed, rewrite, walk},
        fill_level::{View, Wanted},
        segment::file_name,
        store::Store,
        superseded::Index,
    },
    entry::Kind,
};

/// Minimum number of adjacent segments to merge, if the result does not exceed the segment size.
const JOINED: usize = 4;

/// Longest time that a session waits for space.
const PATIENCE: Duration = Duration::from_secs(1);

/// State of the compactor.
#[derive(Debug, Default)]
pub(super) struct Compactor {
    index: Index,
    was_over_threshold: bool,
    were_over_quota: HashSet<u32>,
    /// Files that are damaged or not worth rewriting.
    left_alone: HashSet<(u64, u32)>,
    is_failing: bool,
}

/// Segments to rewrite.
#[derive(Debug)]
struct Job {
    /// Indexes of the segments in the view.
    run: Range<usize>,
    kind: JobKind,
    /// Maximum size of the copy in bytes.
    needs: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum JobKind {
    /// Removes superseded events.
    Superseded,
    /// Also removes the oldest events of names over their quota.
    Oldest,
    /// Merges several segments into one.
    Join,
}

impl Shared {
    /// Runs the compaction thread.
    pub(super) fn run_compaction(&self) {
        let Some(disk) = &self.disk else { return };
        while !self.is_stopped() {
            disk.wakeup.wait();
            self.compact();
            disk.wakeup.done();
            self.compacted.send_replace(());
        }
    }

    /// Waits while compaction frees space in an almost full journal, so that appends don't outrun it. The
    /// wait is bounded, because a slow disk must not stall a session. Cancel safe.
    pub(crate) async fn wait_for_space(&self) {
        let Some(wakeup) = self.disk.as_ref().map(|disk| &disk.wakeup).filter(|wakeup| wakeup.is_pending())
        else {
            return;
        };
        let is_nearly_full = || self.log().store.as_ref().is_some_and(Store::is_nearly_full);
        let mut compacted = self.compacted.subscribe();
        let has_room = compacted.wait_for(|()| !wakeup.is_pending() || !is_nearly_full());
        let _ = tokio::time::timeout(PATIENCE, has_room).await;
    }

    /// Compacts while there is something to gain. Blocks.
    pub(crate) fn compact(&self) {
        let Some(disk) = &self.disk else { return };
        while !self.is_stopped() {
            let mut compactor = disk.compactor.lock();
            match compactor.step(self, disk) {
                Ok(true) => {
                    self.compacted.send_replace(());
                }
                Ok(false) => {
                    compactor.is_failing = false;
                    return;
                }
                Err(error) => {
                    if !std::mem::replace(&mut compactor.is_failing, true) {
                        tracing::warn!(
                            %error,
                            "cannot compact the journal: the oldest events are dropped when it is full; free disk space"
                        );
                    }
                    return;
                }
            }
        }
    }

    /// Returns the segments to compact; `None` if there is no need or the disk is failing.
    fn view(&self, compactor: &Compactor) -> Option<View> {
        let is_worth = |was_over_threshold: bool| {
            let mut log = self.log();
            let passed = log.passed();
            let store = log.store.as_mut().filter(|store| store.failure.is_none())?;
            store.tidy(passed, Instant::now());
            let is_worth = store.limits.compacts && (was_over_threshold || store.is_over_threshold());
            is_worth.then_some(!store.unsynced.is_empty())
        };
        let was_over_threshold = compactor.was_over_threshold || !compactor.were_over_quota.is_empty();
        // A superseding event must be on stable storage before the superseded one is removed.
        if is_worth(was_over_threshold)? {
            self.sync();
        }
        let log = self.log();
        let store = log.store.as_ref().filter(|store| store.failure.is_none())?;
        Some(store.view(log.passed(), compactor.was_over_threshold, &compactor.were_over_quota))
    }
}

impl Compactor {
    /// Releases the compactor's memory.
    pub(super) fn forget(&mut self) {
        self.index.clear();
        self.left_alone.clear();
    }

    /// Reads or rewrites one segment, or merges some. Returns whether there may be more to do.
    fn step(&mut self, shared: &Shared, disk: &OnDisk) -> io::Result<bool> {
        let Some(view) = shared.view(self) else { return Ok(false) };
        self.was_over_threshold = view.is_over_threshold;
        self.were_over_quota = view.over.keys().copied().collect();
        if view.is_needed() {
            let scanned = self.index.scanned;
            if let Some(segment) = view.segments.iter().find(|segment| segment.range.end > scanned) {
                return self.scan(segment, &view).map(|()| true);
            }
        }
        let Some(job) = self.choose(&view) else {
            (self.was_over_threshold, self.were_over_quota) = (false, HashSet::new());
            return Ok(false);
        };
        if job.needs <= view.room {
            return self.carry_out(&job, &view, shared, disk).map(|()| true);
        }
        Ok(job.kind != JobKind::Join && shared.log().make_room())
    }

    /// Indexes the events of a segment.
    fn scan(&mut self, segment: &Sealed, view: &View) -> io::Result<()> {
        let end = segment.range.end;
        let first = view.segments.first().map_or(end, |segment| segment.range.start.position);
        if self.index.is_full() {
            self.index.prune(first.max(view.passed));
        }
        let from = self.index.scanned.max(view.passed);
        // Events after a damaged entry supersede nothing.
        walk(&segment.range, from, |entry| {
            if let Some(record) = entry.record().filter(|record| record.position >= from) {
                self.index.note(record, view.names.known(&record.body), |at| view.segment_of(at));
            }
            Ok(())
        })?;
        self.index.scanned = end;
        Ok(())
    }

    fn choose(&self, view: &View) -> Option<Job> {
        let usable = || {
            let all = view.segments.iter().enumerate();
            all.filter(|(_, segment)| !self.left_alone.contains(&segment.file()))
        };
        let one = |at: usize, kind: JobKind, needs: u64| Job { run: at..at + 1, kind, needs };
        if view.is_needed() {
            let shares = || {
                usable().map(|(at, segment)| {
                    let garbage = self.index.garbage(segment.range.generation, |name| is_meant(view, name));
                    (at, garbage, segment.range.length)
                })
            };
            // Prefer the oldest segment that is worth rewriting; otherwise the most profitable one.
            let oldest = shares().find(|(_, garbage, length)| garbage * 4 >= *length);
            let best = || shares().max_by_key(|(_, garbage, length)| garbage * 1024 / length.max(&1));
            if let Some((at, garbage, length)) =
                oldest.or_else(best).filter(|(_, garbage, length)| garbage * 16 >= *length)
            {
                return Some(one(at, JobKind::Superseded, length.saturating_sub(garbage)));
            }
            let over = usable()
                .find(|(_, segment)| segment.over.values().any(|bytes| bytes * 64 >= segment.range.length));
            if let Some((at, segment)) = over {
                return Some(one(at, JobKind::Oldest, segment.range.length));
            }
        }
        self.join(view)
    }

    /// Finds adjacent segments that fit into one.
    fn join(&self, view: &View) -> Option<Job> {
        for from in 0..view.segments.len() {
            let rest = view.segments.get(from..)?;
            let first = rest.first()?;
            let mut needs = 0;
            let run = rest.iter().take_while(|segment| {
                needs += segment.range.length;
                let span = segment.newest.map(|newest| newest.duration_since(first.created).unsigned_abs());
                let is_short = view.longest.is_none_or(|longest| span.is_none_or(|span| span <= longest));
                needs <= view.segment_bytes && is_short && !self.left_alone.contains(&segment.file())
            });
            let count = run.count();
            if count >= JOINED {
                return Some(Job { run: from..from + count, kind: JobKind::Join, needs: view.segment_bytes });
            }
        }
        None
    }

    fn carry_out(&mut self, job: &Job, view: &View, shared: &Shared, disk: &OnDisk) -> io::Result<()> {
        let run = view.segments.get(job.run.clone()).unwrap_or_default();
        let Some(first) = run.first() else { return Ok(()) };
        let is_join = job.kind == JobKind::Join;
        let over: Vec<u32> = view.over.keys().copied().collect();
        let only = if is_join { Some(&[][..]) } else { (!view.is_over_threshold).then_some(&*over) };
        let oldest = if job.kind == JobKind::Oldest { view.over.clone() } else { HashMap::new() };
        let mut omit = Omit { index: &self.index, passed: view.passed, only, oldest };
        let dir = disk.dir.join("segments");
        let path = dir.join(file_name(first.range.generation)).with_extension("new");
        let mut replace = |record: &Record, name| omit.reason(record, name).map(Kind::Lost);
        let copy = rewrite(&*disk.fs, &path, run, &view.names, &mut replace)?;
        let files: Vec<(u64, u32)> = run.iter().map(Sealed::file).collect();
        let length: u64 = run.iter().map(|segment| segment.range.length).sum();
        let Some(copy) = copy.filter(|copy| copy.length < length) else {
            let _ = disk.fs.remove(&path);
            self.left_alone.extend(files);
            return Ok(());
        };
        tracing::debug!(from = length, to = copy.length, first = %file_name(first.range.generation), segments = run.len(), "journal segment compacted");
        put_in_place(shared, &*disk.fs, &files, copy, Wanted::Undelivered)?;
        let generations: Vec<u64> = files.iter().map(|(generation, _)| *generation).collect();
        if is_join {
            self.index.joined(&generations);
        } else {
            for generation in generations {
                self.index.cleaned(generation, |name| is_meant(view, name));
            }
        }
        Ok(())
    }
}

/// Returns whether to remove superseded events of a name: of all names in a crowded journal, otherwise only
/// of names over their quota.
fn is_meant(view: &View, name: u32) -> bool {
    view.is_over_threshold || view.over.contains_key(&name)
}
