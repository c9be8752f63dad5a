//! Retention: removes segments that every sink has passed after a while, and expired ones.

use std::{collections::HashMap, time::Instant};

use event::Position;
use jiff::Timestamp;

use super::{segment::file_name, segment_state::Segment, store::Store};

/// A segment spans at most this fraction of the maximum age, because expiry removes complete segments.
pub(super) const SPANS: u32 = 8;

impl Store {
    pub(super) fn release(&mut self, segment: &Segment) {
        self.total = self.total.saturating_sub(segment.length);
        self.subtract(&segment.bytes_by_name);
    }

    /// Releases these bytes from the totals by name.
    fn subtract(&mut self, bytes_by_name: &HashMap<u32, u64>) {
        for (name, size) in bytes_by_name {
            if let Some(held) = self.held.get_mut(name) {
                *held = held.saturating_sub(*size);
            }
        }
    }

    /// Notes which segments every sink has passed. Removes those that were retained long enough or whose
    /// space is needed.
    pub(crate) fn tidy(&mut self, passed: Position, now: Instant) {
        let mut newly = Vec::new();
        for segment in &mut self.segments {
            if segment.end <= passed && segment.passed.is_none() {
                segment.passed = Some(now);
                newly.push(std::mem::take(&mut segment.bytes_by_name));
            } else if segment.end > passed {
                segment.passed = None;
            }
        }
        for bytes_by_name in newly {
            self.subtract(&bytes_by_name);
        }
        while self.segments.len() > 1
            && self.segments.front().and_then(|oldest| oldest.passed).is_some_and(|since| {
                now.saturating_duration_since(since) >= self.limits.retain
                    || self.bytes() > self.limits.max_bytes
            })
        {
            self.remove_oldest();
        }
    }

    /// Returns whether the newest segment must be sealed, because it spans too much time to expire.
    pub(crate) fn is_stale(&self, now: Timestamp) -> bool {
        let (Some(age), Some(active)) = (self.limits.max_age, self.segments.back()) else { return false };
        active.end > active.first
            && now > active.created
            && now.duration_since(active.created).unsigned_abs() > age / SPANS
    }

    /// Returns whether the oldest segment has expired.
    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        let (Some(age), Some(oldest)) = (self.limits.max_age, self.segments.front()) else { return false };
        let newest = oldest.newest;
        newest.is_some_and(|at| now.duration_since(at).unsigned_abs() > age && at < now)
    }

    /// Removes the oldest segment. A file that can't be removed now is removed at the next open.
    pub(crate) fn remove_oldest(&mut self) {
        if let Some(oldest) = self.segments.pop_front() {
            self.release(&oldest);
            if !self.pinned.contains(&oldest.generation) {
                let _ = self.fs.remove(&self.dir.join(file_name(oldest.generation)));
            }
        }
    }
}
