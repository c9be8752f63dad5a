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

    /// Waits until it is rung. For the one thread that answers.
    pub(crate) fn wait(&self) {
        let thread = self.thread.get_or_init(std::thread::current);
        debug_assert_eq!(thread.id(), std::thread::current().id(), "one thread answers");
        while !self.rung.swap(false, Ordering::AcqRel) {
            std::thread::park();
        }
    }
}
