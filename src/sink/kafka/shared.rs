//! State that a link leaves to its successor.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use parking_lot::Mutex;

use super::client::BATCH;

/// From this many messages in flight on, the driver's own window is the limit.
const WIDE: usize = 8192;

/// Limits on messages in flight, batch size and message size, and the partitions that were cut.
#[derive(Debug)]
pub(super) struct Shared {
    window: AtomicUsize,
    batch: AtomicUsize,
    /// The largest message known to be accepted, in bytes.
    limit: AtomicUsize,
    /// True if the limit was read from the topic's settings.
    is_known: AtomicBool,
    /// By partition: the offset from which on records do not follow what was stored before.
    cuts: Mutex<BTreeMap<i32, i64>>,
    has_cuts: AtomicBool,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            window: AtomicUsize::new(usize::MAX),
            batch: AtomicUsize::new(BATCH),
            limit: AtomicUsize::new(usize::MAX),
            is_known: AtomicBool::new(false),
            cuts: Mutex::default(),
            has_cuts: AtomicBool::new(false),
        }
    }
}

impl Shared {
    /// The most messages in flight.
    pub(super) fn window(&self) -> usize {
        self.window.load(Ordering::Relaxed)
    }

    /// Returns true if messages are sent one by one, so that a refusal identifies its message.
    pub(super) fn is_single(&self) -> bool {
        self.window() == 1
    }

    /// The largest batch, in bytes.
    pub(super) fn batch(&self) -> usize {
        self.batch.load(Ordering::Relaxed)
    }

    /// Returns true if the topic may refuse a message of this size.
    pub(super) fn may_be_refused(&self, bytes: usize) -> bool {
        bytes > self.limit.load(Ordering::Relaxed)
    }

    /// Returns true if the topic's limit was read.
    pub(super) fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Relaxed)
    }

    /// Sets the topic's limit. `None` if it can't be read.
    pub(super) fn set_limit(&self, limit: Option<usize>) {
        self.is_known.store(limit.is_some(), Ordering::Relaxed);
        if let Some(limit) = limit {
            self.limit.store(limit, Ordering::Relaxed);
            self.batch.store(limit.clamp(1, BATCH), Ordering::Relaxed);
        }
    }

    /// Reacts to a refused batch: from now on messages are sent one by one.
    pub(super) fn narrow(&self, for_size: bool) {
        self.window.store(1, Ordering::Relaxed);
        if for_size && !self.is_known() {
            self.batch.store((self.batch() / 4).max(1), Ordering::Relaxed);
        }
    }

    /// Reacts to everything in flight being stored: allows more in flight.
    pub(super) fn widen(&self) {
        let window = self.window();
        let wider = if window >= WIDE { usize::MAX } else { window * 2 };
        self.window.store(wider, Ordering::Relaxed);
    }

    /// Records that a message of this size, sent alone, was stored or refused as too large.
    pub(super) fn learn(&self, bytes: usize, is_stored: bool) {
        if is_stored {
            self.limit.fetch_max(bytes, Ordering::Relaxed);
        } else {
            self.limit.fetch_min(bytes.saturating_sub(1), Ordering::Relaxed);
        }
    }

    /// Records that a partition was recreated or has lost its end: what it had before ends below this offset.
    pub(super) fn cut(&self, partition: i32, offset: i64) {
        let mut cuts = self.cuts.lock();
        cuts.insert(partition, offset);
        self.has_cuts.store(true, Ordering::Relaxed);
    }

    /// Records that the driver has compared a partition's end and resumes from there.
    pub(super) fn resumed(&self, partition: i32) {
        if self.has_cuts.load(Ordering::Relaxed) {
            let mut cuts = self.cuts.lock();
            cuts.remove(&partition);
            self.has_cuts.store(!cuts.is_empty(), Ordering::Relaxed);
        }
    }

    /// Returns the offset at which each cut partition ends.
    pub(super) fn cuts(&self) -> BTreeMap<i32, i64> {
        self.cuts.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_narrows_to_one_and_widens_by_steps() {
        let shared = Shared::default();
        shared.widen();
        assert_eq!(shared.window(), usize::MAX);
        shared.narrow(true);
        assert!(shared.is_single());
        assert_eq!(shared.batch(), BATCH / 4);
        (0..14).for_each(|_| shared.widen());
        assert_eq!(shared.window(), usize::MAX);
        shared.set_limit(Some(20_000));
        shared.narrow(true);
        assert_eq!(shared.batch(), 20_000, "a limit that was read is right");
    }

    #[test]
    fn single_messages_show_which_sizes_may_be_refused() {
        let shared = Shared::default();
        assert!(!shared.may_be_refused(1_000_000));
        shared.learn(40_000, false);
        assert!(shared.may_be_refused(40_000) && !shared.may_be_refused(39_999));
        shared.learn(50_000, true);
        assert!(!shared.may_be_refused(50_000));
    }
}
