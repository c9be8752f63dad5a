//! A deadline for a silent peer that allows reading before it expires.
//!
//! A process that was stopped, or starved of CPU time, wakes up past its deadlines while the peer's data is
//! still unread in the kernel. So a deadline that has passed is confirmed after time to read.

use std::time::Duration;

use tokio::time::Instant;

/// Long enough for the runtime to read what the kernel holds.
const CONFIRM: Duration = Duration::from_millis(100);
/// The delay in noticing a deadline that means that the process was stopped.
const PAUSE: Duration = Duration::from_secs(1);
/// The time after a stop in which the peer can retransmit, as the network may have been stopped, too (virtual machines).
const AFTER_PAUSE: Duration = Duration::from_secs(3);

/// The state of one deadline. Its time is passed to each call; a changed time starts over.
#[derive(Debug, Default)]
pub struct Deadline {
    /// A deadline that has passed, and the time of its confirmation.
    passed: Option<(Instant, Instant)>,
}

impl Deadline {
    /// The time to call [`Deadline::is_over`] next.
    pub fn due(&self, at: Instant) -> Instant {
        self.passed.filter(|(passed, _)| *passed == at).map_or(at, |(_, confirmed)| confirmed)
    }

    /// Returns true if the deadline has passed and there was time to read since.
    pub fn is_over(&mut self, at: Instant, now: Instant) -> bool {
        let due = self.due(at);
        if now < due {
            return false;
        }
        let was_paused = now - due >= PAUSE;
        if due > at && !was_paused {
            return true;
        }
        self.passed = Some((at, now + if was_paused { AFTER_PAUSE } else { CONFIRM }));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_confirmed_and_later_after_a_pause() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let at = after(10_000);

        let mut deadline = Deadline::default();
        assert_eq!(deadline.due(at), at);
        assert!(!deadline.is_over(at, after(9_999)));
        assert!(!deadline.is_over(at, after(10_001)), "nothing was read yet");
        assert_eq!(deadline.due(at), after(10_101));
        assert!(!deadline.is_over(at, after(10_100)));
        assert!(deadline.is_over(at, after(10_101)));

        let mut stopped = Deadline::default();
        assert!(!stopped.is_over(at, after(60_000)));
        assert_eq!(stopped.due(at), after(63_000));
        assert!(!stopped.is_over(at, after(70_000)), "stopped once more");
        assert!(stopped.is_over(at, after(73_000)));

        let later = after(80_000);
        assert_eq!(stopped.due(later), later, "received data moves the deadline");
        assert!(!stopped.is_over(later, after(79_000)));
    }
}
