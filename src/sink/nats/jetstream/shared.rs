//! State that a link leaves to its successor.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::event::Position;

/// The most messages in flight. More gains 4 % of the rate, and more would have to be sent again.
pub(super) const WINDOW: usize = 1000;
/// The smallest window.
const LEAST: usize = 16;
/// The growth of the window.
const STEP: usize = 64;

/// The window, and the reactions to the last error.
#[derive(Debug)]
pub(super) struct Shared {
    window: AtomicUsize,
    /// After an error answer each message asks for an answer, so that one the server refuses has an answer of its own.
    careful: AtomicBool,
    /// A message that the server refuses permanently, with the reason.
    refused: Mutex<Option<(Position, String)>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { window: AtomicUsize::new(WINDOW), careful: AtomicBool::new(false), refused: Mutex::default() }
    }
}

impl Shared {
    /// Returns the most messages in flight.
    pub(super) fn window(&self) -> usize {
        self.window.load(Ordering::Relaxed)
    }

    /// Returns true if every message asks for an answer.
    pub(super) fn is_careful(&self) -> bool {
        self.careful.load(Ordering::Relaxed)
    }

    /// Reacts to an error answer: allows less in flight.
    pub(super) fn shrink(&self) {
        self.window.store((self.window() / 2).max(LEAST), Ordering::Relaxed);
        self.careful.store(true, Ordering::Relaxed);
    }

    /// Reacts to everything in flight being answered: allows more in flight.
    pub(super) fn grow(&self) {
        self.window.store((self.window() + STEP).min(WINDOW), Ordering::Relaxed);
        self.careful.store(false, Ordering::Relaxed);
    }

    /// Records a message that must not be sent again.
    pub(super) fn refuse(&self, position: Position, reason: String) {
        *self.refused.lock() = Some((position, reason));
    }

    /// Returns the reason why the message at `position` must not be sent again. `None` if it may.
    pub(super) fn refused(&self, position: Position) -> Option<String> {
        let refused = self.refused.lock();
        refused.as_ref().filter(|(refused, _)| *refused == position).map(|(_, reason)| reason.clone())
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
