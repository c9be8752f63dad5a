//! Bounds of the log: what is dropped when a bound is exceeded, and what need not be retained.

use std::time::Instant;

use event::{Body, LossReason, Position};
use jiff::Timestamp;

use super::Log;

use crate::{disk::head::Head, entry::Entry, options::WhenFull};

/// Bytes kept in memory for readers although they are on disk.
const TAIL: usize = 8 << 20;

impl Log {
    /// Returns why an event must be refused, if so. Drops the oldest records first, if `when_full` allows it.
    pub(super) fn refuses(&mut self, body: &Body) -> Option<LossReason> {
        let passed = self.passed();
        let (memory, used) = (self.memory, self.tail_bytes);
        let newest_goes = self.when_full == WhenFull::DropNewest;
        let Some(store) = &mut self.store else {
            return (newest_goes && used > memory && !self.tail.is_empty() && self.tail_first() >= passed)
                .then_some(LossReason::JournalFull);
        };
        if store.failure.is_some() {
            return (newest_goes && used > memory).then_some(LossReason::Disk);
        }
        if newest_goes && store.over_quota(body) {
            store.tidy(passed, Instant::now());
            if store.over_quota(body) {
                return Some(LossReason::Quota);
            }
        }
        if store.bytes() <= store.limits.max_bytes {
            return None;
        }
        store.tidy(passed, Instant::now());
        while let Some(store) = self.store.as_ref().filter(|store| store.bytes() > store.limits.max_bytes) {
            if newest_goes {
                return Some(LossReason::JournalFull);
            }
            if store.segments.len() < 2 {
                return None;
            }
            self.drop_oldest(LossReason::JournalFull);
        }
        None
    }

    /// Drops segments older than `max_age`. Returns whether any was dropped.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.flush();
        if let Some(store) = self
            .store
            .as_mut()
            .filter(|store| store.failure.is_none() && !store.is_buffering() && store.is_stale(now))
        {
            // The next write reports a failing disk.
            let _ = store.begin(self.end, &self.written, Head::of(&self.derives).as_ref());
        }
        while self.store.as_ref().is_some_and(|store| store.segments.len() > 1 && store.has_expired(now)) {
            self.drop_oldest(LossReason::Expired);
        }
    }

    /// Frees space for the copy of a segment, delivered segments first. Returns whether any was freed.
    pub(crate) fn make_room(&mut self) -> bool {
        let Some(store) = self.store.as_mut().filter(|store| store.segments.len() > 1) else { return false };
        if store.segments.front().is_some_and(|oldest| oldest.passed.is_some()) {
            store.remove_oldest();
        } else {
            self.drop_oldest(LossReason::JournalFull);
        }
        true
    }

    /// Drops the oldest segment and charges it to the sinks that have not read it.
    pub(crate) fn drop_oldest(&mut self, reason: LossReason) {
        let Some(store) = &mut self.store else { return };
        store.remove_oldest();
        let Some((first, progress)) =
            store.segments.front().map(|oldest| (oldest.first, oldest.progress.clone()))
        else {
            return;
        };
        self.skip_to(first, &progress, reason);
        while self.tail.front().is_some_and(|entry| entry.position() < first) {
            self.pop();
        }
    }

    /// Trims entries that are on disk or that every sink has passed; then, while over the bound, the oldest.
    pub(super) fn trim(&mut self) {
        if self.tail_bytes <= self.memory.min(TAIL) {
            return;
        }
        let passed = self.passed();
        let (kept, reason) = match &self.store {
            None => (passed, LossReason::JournalFull),
            Some(store) if store.failure.is_none() => (store.synced, LossReason::Disk),
            Some(store) => (store.written, LossReason::Disk),
        };
        let limit = if self.store.is_some() { TAIL.min(self.memory) } else { self.memory };
        while self.tail_bytes > limit && self.tail.front().is_some_and(|oldest| oldest.end() <= kept) {
            self.pop();
        }
        // When memory runs out, entries that are written but not synced may go as well.
        let written = self.store.as_ref().map_or(Position(0), |store| store.written);
        while self.tail_bytes > self.memory {
            let Some(oldest) = self.pop() else { return };
            if oldest.end() > written.max(if self.store.is_none() { passed } else { Position(0) }) {
                self.lose(oldest, reason);
            }
        }
    }

    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.tail.pop_front()?;
        self.tail_bytes -= entry.size();
        Some(entry)
    }
}
