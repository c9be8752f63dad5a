//! Wakes the compaction thread.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::Thread,
};

/// A wake-up signal that stays set until the compaction thread has handled it.
#[derive(Debug, Default)]
pub(crate) struct Wakeup {
    requested: AtomicBool,
    handling: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Wakeup {
    /// Sets the signal and wakes the thread. Cheap if it is already set.
    pub(crate) fn notify(&self) {
        if !self.requested.swap(true, Ordering::AcqRel)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// Returns whether the signal is set and not handled yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.requested.load(Ordering::Acquire) || self.handling.load(Ordering::Acquire)
    }

    /// Marks the signal as handled.
    pub(crate) fn done(&self) {
        self.handling.store(false, Ordering::Release);
    }

    /// Waits for the signal. Called by the compaction thread only.
    pub(crate) fn wait(&self) {
        let thread = self.thread.get_or_init(std::thread::current);
        debug_assert_eq!(thread.id(), std::thread::current().id(), "one thread answers");
        while !self.requested.load(Ordering::Acquire) {
            std::thread::park();
        }
        self.handling.store(true, Ordering::Release);
        self.requested.store(false, Ordering::Release);
    }
}
