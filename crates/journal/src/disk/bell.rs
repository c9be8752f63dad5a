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
pub(crate) struct Bell {
    rung: AtomicBool,
    answered: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Bell {
    /// Sets the signal and wakes the thread. Cheap if it is already set.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// Returns whether the signal is set and not handled yet.
    pub(crate) fn is_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire) || self.answered.load(Ordering::Acquire)
    }

    /// Marks the signal as handled.
    pub(crate) fn done(&self) {
        self.answered.store(false, Ordering::Release);
    }

    /// Waits for the signal. Called by the compaction thread only.
    pub(crate) fn wait(&self) {
        let thread = self.thread.get_or_init(std::thread::current);
        debug_assert_eq!(thread.id(), std::thread::current().id(), "one thread answers");
        while !self.rung.load(Ordering::Acquire) {
            std::thread::park();
        }
        self.answered.store(true, Ordering::Release);
        self.rung.store(false, Ordering::Release);
    }
}
