//! The published messages of one link, and the answers to them.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::{event::Position, sink::Acked};

/// One message in this many asks for an answer. With the fence, one answer proves all messages before it, and costs a sixth of a message.
const ASK_EVERY: usize = 16;

/// The idle time after which another writer may have added a message.
const STALE: Duration = Duration::from_millis(100);

/// The messages of one link, in order.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// Without a fence every message asks for an answer, as no answer proves another message.
    every: bool,
    /// The newest message that was published.
    sent: Option<Position>,
    /// The number of messages since the newest one that asks for an answer.
    unasked: usize,
    asked: VecDeque<Asked>,
    refused: VecDeque<Refused>,
    /// Everything up to here is stored.
    proven: Option<Position>,
    /// The time of the answer that proved it.
    proven_at: Option<Instant>,
    /// The message in flight is the first one after an idle time.
    is_first: bool,
    /// Everything up to here is reported to the driver.
    reported: Option<Position>,
}

/// A message that asks for an answer.
#[derive(Debug)]
struct Asked {
    position: Position,
    seq: u64,
    at: Instant,
}

/// A message that was not sent, and the position that must be proven before it is reported.
#[derive(Debug)]
struct Refused {
    position: Position,
    after: Option<Position>,
    reason: String,
}

/// An inconsistent answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// An earlier answer is missing.
    AnswerMissing,
    /// The message was stored with another sequence than this expected one.
    Sequence(u64),
}

impl Flight {
    pub(super) fn new(fenced: bool) -> Self {
        Self { every: !fenced, ..Self::default() }
    }

    /// Adds a message that is about to be published with the sequence `seq`. Returns true if it must ask for an answer.
    pub(super) fn send(&mut self, position: Position, seq: u64, is_last: bool, is_careful: bool) -> bool {
        self.is_first |= self.follows_idle();
        self.sent = Some(position);
        self.unasked += 1;
        let asks = is_last || is_careful || self.every || self.unasked >= ASK_EVERY;
        if asks {
            self.unasked = 0;
            self.asked.push_back(Asked { position, seq, at: Instant::now() });
        }
        asks
    }

    /// Adds a message that is not published. `held` precedes it, and is not published yet.
    pub(super) fn refuse(&mut self, position: Position, held: Option<Position>, reason: String) {
        self.refused.push_back(Refused { position, after: held.or(self.sent), reason });
    }

    /// Records that the message at `position` is stored as `seq`.
    pub(super) fn stored(&mut self, position: Position, seq: u64) -> Result<(), Wrong> {
        let mut due = None;
        while let Some(asked) = self.asked.pop_front_if(|asked| asked.position <= position) {
            if self.every && asked.position != position {
                return Err(Wrong::AnswerMissing);
            }
            due = Some(asked.seq);
        }
        if let Some(due) = due.filter(|due| !self.every && *due != seq) {
            return Err(Wrong::Sequence(due));
        }
        self.proven = self.proven.max(Some(position));
        (self.proven_at, self.is_first) = (Some(Instant::now()), false);
        Ok(())
    }

    /// Returns true if an answer before that for `position` is missing.
    pub(super) fn is_answer_missing(&self, position: Position) -> bool {
        self.asked.front().is_some_and(|asked| asked.position < position)
    }

    /// Returns true if one message must prove the fence before more follow. If another writer has added a message to the
    /// stream, our first one is refused, but our second one would be stored: a fence names a sequence, not a message.
    pub(super) fn is_unsure(&self) -> bool {
        self.is_first || self.follows_idle()
    }

    fn follows_idle(&self) -> bool {
        !self.every && self.is_over() && self.proven_at.is_none_or(|at| at.elapsed() >= STALE)
    }

    /// Returns true if every published message is stored.
    pub(super) fn is_over(&self) -> bool {
        self.proven == self.sent
    }

    /// Returns the time at which the oldest unanswered request has waited for `patience`. `None` without one.
    pub(super) fn overdue(&self, patience: Duration) -> Option<Instant> {
        self.asked.front().map(|asked| asked.at + patience)
    }

    /// Takes the next report for the driver. `None` without news.
    pub(super) fn due(&mut self) -> Option<Acked> {
        if let Some(Refused { position, reason, .. }) =
            self.refused.pop_front_if(|it| it.after <= self.proven)
        {
            self.reported = Some(position);
            return Some(Acked { through: position, refused: Some(reason) });
        }
        if self.proven <= self.reported {
            return None;
        }
        self.reported = self.proven;
        self.proven.map(|through| Acked { through, refused: None })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn acked(through: u64) -> Acked {
        Acked { through: Position(through), refused: None }
    }

    fn refused(through: u64) -> Acked {
        Acked { through: Position(through), refused: Some("r".to_owned()) }
    }

    #[test]
    fn each_sixteenth_and_the_last_ask() {
        let mut flight = Flight::new(true);
        let asks: Vec<u64> =
            (1..=40).filter(|number| flight.send(Position(*number), *number, *number == 40, false)).collect();
        assert_eq!(asks, [16, 32, 40]);
        assert_eq!(flight.stored(Position(32), 32), Ok(()), "one answer proves all before it");
        assert!(!flight.is_over());
        assert_eq!(flight.due(), Some(acked(32)));
        assert_eq!(flight.due(), None);
        assert_eq!(flight.stored(Position(40), 41), Err(Wrong::Sequence(40)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_message_after_an_idle_time_goes_alone() {
        let mut flight = Flight::new(true);
        assert!(flight.is_unsure());
        flight.send(Position(1), 1, true, false);
        assert!(flight.is_unsure());
        flight.stored(Position(1), 1).unwrap();
        assert!(!flight.is_unsure());
        flight.send(Position(2), 2, true, false);
        tokio::time::advance(STALE).await;
        assert!(!flight.is_unsure(), "answers may be slow");
        flight.stored(Position(2), 2).unwrap();
        tokio::time::advance(STALE).await;
        assert!(flight.is_unsure());
        assert!(!Flight::new(false).is_unsure(), "without a fence each has an answer");
    }

    #[test]
    fn a_refusal_waits_for_earlier_messages() {
        let mut flight = Flight::new(true);
        flight.refuse(Position(1), None, "r".to_owned());
        assert_eq!(flight.due(), Some(refused(1)), "nothing is before it");
        flight.send(Position(2), 1, false, false);
        flight.refuse(Position(4), Some(Position(3)), "r".to_owned());
        flight.send(Position(3), 2, false, false);
        flight.send(Position(5), 3, true, false);
        assert_eq!(flight.due(), None);
        flight.refuse(Position(6), None, "r".to_owned());
        assert_eq!(flight.stored(Position(5), 3), Ok(()));
        assert!(flight.is_over());
        assert_eq!(flight.due(), Some(refused(4)));
        assert_eq!(flight.due(), Some(refused(6)), "which covers 5 as well");
        assert_eq!(flight.due(), None);
    }

    #[test]
    fn without_a_fence_each_asks_and_no_answer_may_be_missing() {
        let mut flight = Flight::new(false);
        assert!((1..=3).all(|number| flight.send(Position(number), number, false, false)));
        assert_eq!(flight.stored(Position(1), 70), Ok(()));
        assert_eq!(flight.stored(Position(3), 72), Err(Wrong::AnswerMissing));
    }
}
