//! What a link leaves to the next one.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::event::Position;

/// Messages in flight at most: more gains 4 % of the rate, and is more to send again.
pub(super) const WINDOW: usize = 1000;
const LEAST: usize = 16;
const STEP: usize = 64;

/// The window, and what the last error asks for.
#[derive(Debug)]
pub(super) struct Shared {
    window: AtomicUsize,
    /// After an error answer each message asks for an answer, so that one the server refuses has an answer of its own.
    careful: AtomicBool,
    /// A message that the server refuses for good, and why.
    poison: Mutex<Option<(Position, String)>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { window: AtomicUsize::new(WINDOW), careful: AtomicBool::new(false), poison: Mutex::default() }
    }
}

impl Shared {
    pub(super) fn window(&self) -> usize {
        self.window.load(Ordering::Relaxed)
    }

    pub(super) fn is_careful(&self) -> bool {
        self.careful.load(Ordering::Relaxed)
    }

    /// The server answered with an error: less in flight.
    pub(super) fn shrink(&self) {
        self.window.store((self.window() / 2).max(LEAST), Ordering::Relaxed);
        self.careful.store(true, Ordering::Relaxed);
    }

    /// Everything in flight is answered: more in flight.
    pub(super) fn grow(&self) {
        self.window.store((self.window() + STEP).min(WINDOW), Ordering::Relaxed);
        self.careful.store(false, Ordering::Relaxed);
    }

    pub(super) fn refuse(&self, position: Position, reason: String) {
        *self.poison.lock() = Some((position, reason));
    }

    /// Why the message at `position` must not be sent again.
    pub(super) fn refused(&self, position: Position) -> Option<String> {
        let poison = self.poison.lock();
        poison.as_ref().filter(|(poisoned, _)| *poisoned == position).map(|(_, reason)| reason.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_halves_and_recovers_within_its_bounds() {
        let shared = Shared::default();
        for _ in 0..20 {
            shared.shrink();
        }
        assert!(shared.is_careful());
        assert_eq!(shared.window(), LEAST);
        for _ in 0..20 {
            shared.grow();
        }
        assert!(!shared.is_careful());
        assert_eq!(shared.window(), WINDOW);
    }
}
