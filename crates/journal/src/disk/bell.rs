//! Wakes the thread that compacts.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::Thread,
};

/// A bell that is rung once, however often, until it is answered.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: AtomicBool,
    answered: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Bell {
    /// Wakes the thread. Costs next to nothing while it is awake.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// Whether it was rung, and what it was rung for is not done.
    pub(crate) fn is_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire) || self.answered.load(Ordering::Acquire)
    }

    /// What it was rung for is done.
    pub(crate) fn done(&self) {
        self.answered.store(false, Ordering::Release);
    }

    /// Waits until it is rung. For the one thread that answers.
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
