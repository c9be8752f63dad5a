//! What a link leaves to the next one.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use parking_lot::Mutex;

use super::client::BATCH;

/// From this many messages in flight on, the driver's own window bounds them.
const WIDE: usize = 8192;

/// How much may be in flight, how large a batch may be, and how large a message.
#[derive(Debug)]
pub(super) struct Shared {
    window: AtomicUsize,
    batch: AtomicUsize,
    /// A larger message may be refused.
    limit: AtomicUsize,
    /// The limit is the topic's own, as it was read.
    is_known: AtomicBool,
    /// By partition: what is stored from this offset on does not follow what was stored before.
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
    /// Messages in flight at most.
    pub(super) fn window(&self) -> usize {
        self.window.load(Ordering::Relaxed)
    }

    /// Whether one message goes after another, so that a refusal tells whose it is.
    pub(super) fn is_single(&self) -> bool {
        self.window() == 1
    }

    /// The largest batch, in bytes.
    pub(super) fn batch(&self) -> usize {
        self.batch.load(Ordering::Relaxed)
    }

    /// Whether the topic may refuse a message of this size.
    pub(super) fn is_doubtful(&self, bytes: usize) -> bool {
        bytes > self.limit.load(Ordering::Relaxed)
    }

    /// Whether the topic's limit was read.
    pub(super) fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Relaxed)
    }

    /// The topic's limit; `None` if it can't be read.
    pub(super) fn set_limit(&self, limit: Option<usize>) {
        self.is_known.store(limit.is_some(), Ordering::Relaxed);
        if let Some(limit) = limit {
            self.limit.store(limit, Ordering::Relaxed);
            self.batch.store(limit.clamp(1, BATCH), Ordering::Relaxed);
        }
    }

    /// A batch was refused: one message after another from now on.
    pub(super) fn narrow(&self, for_size: bool) {
        self.window.store(1, Ordering::Relaxed);
        if for_size && !self.is_known() {
            self.batch.store((self.batch() / 4).max(1), Ordering::Relaxed);
        }
    }

    /// Everything in flight is stored: more in flight.
    pub(super) fn widen(&self) {
        let window = self.window();
        let wider = if window >= WIDE { usize::MAX } else { window * 2 };
        self.window.store(wider, Ordering::Relaxed);
    }

    /// A message of this size went by itself, and was stored or refused for its size.
    pub(super) fn learn(&self, bytes: usize, is_stored: bool) {
        if is_stored {
            self.limit.fetch_max(bytes, Ordering::Relaxed);
        } else {
            self.limit.fetch_min(bytes.saturating_sub(1), Ordering::Relaxed);
        }
    }

    /// A partition was created again, or has lost its end: what it had ended before this offset.
    pub(super) fn cut(&self, partition: i32, offset: i64) {
        let mut cuts = self.cuts.lock();
        cuts.insert(partition, offset);
        self.has_cuts.store(true, Ordering::Relaxed);
    }

    /// The driver has compared a partition's end, and goes on from there.
    pub(super) fn resumed(&self, partition: i32) {
        if self.has_cuts.load(Ordering::Relaxed) {
            let mut cuts = self.cuts.lock();
            cuts.remove(&partition);
            self.has_cuts.store(!cuts.is_empty(), Ordering::Relaxed);
        }
    }

    /// Where each partition ends that was cut.
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
    fn single_messages_show_which_records_are_doubtful() {
        let shared = Shared::default();
        assert!(!shared.is_doubtful(1_000_000));
        shared.learn(40_000, false);
        assert!(shared.is_doubtful(40_000) && !shared.is_doubtful(39_999));
        shared.learn(50_000, true);
        assert!(!shared.is_doubtful(50_000));
    }
}
