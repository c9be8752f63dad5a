//! What was published, and what the server has said of it.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::{event::Position, sink::Acked};

/// With the fence one answer proves all messages before it, and each costs as much as a sixth of a message.
const ASK_EACH: usize = 16;

/// After a silence of this length somebody else may have written.
const STALE: Duration = Duration::from_millis(100);

/// The messages of one link, in order.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// Each message has an answer of its own, as none proves another.
    each: bool,
    /// The newest message that was published.
    sent: Option<Position>,
    /// How many were published since the newest that asks for an answer.
    unasked: usize,
    asked: VecDeque<Asked>,
    refused: VecDeque<Refused>,
    /// Everything up to here is stored.
    proven: Option<Position>,
    /// When that was said.
    proven_at: Option<Instant>,
    /// What is in flight is the first message after a silence.
    is_first: bool,
    /// Everything up to here the driver knows of.
    reported: Option<Position>,
}

/// A message that asks for an answer.
#[derive(Debug)]
struct Asked {
    position: Position,
    seq: u64,
    at: Instant,
}

/// A message that was not sent, and what has to be proven before it is reported.
#[derive(Debug)]
struct Refused {
    position: Position,
    after: Option<Position>,
    reason: String,
}

/// An answer that can't be right.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// An earlier one is missing.
    LeftOut,
    /// The message has another sequence than this one, which was due.
    Sequence(u64),
}

impl Flight {
    pub(super) fn new(fenced: bool) -> Self {
        Self { each: !fenced, ..Self::default() }
    }

    /// A message is about to be published, and gets the sequence `seq`. Whether it has to ask for an answer.
    pub(super) fn send(&mut self, position: Position, seq: u64, is_last: bool, is_careful: bool) -> bool {
        self.is_first |= self.follows_silence();
        self.sent = Some(position);
        self.unasked += 1;
        let asks = is_last || is_careful || self.each || self.unasked >= ASK_EACH;
        if asks {
            self.unasked = 0;
            self.asked.push_back(Asked { position, seq, at: Instant::now() });
        }
        asks
    }

    /// A message is not published. `held` precedes it, and has yet to be published.
    pub(super) fn refuse(&mut self, position: Position, held: Option<Position>, reason: String) {
        self.refused.push_back(Refused { position, after: held.or(self.sent), reason });
    }

    /// The message at `position` is stored as `seq`.
    pub(super) fn stored(&mut self, position: Position, seq: u64) -> Result<(), Wrong> {
        let mut due = None;
        while let Some(asked) = self.asked.pop_front_if(|asked| asked.position <= position) {
            if self.each && asked.position != position {
                return Err(Wrong::LeftOut);
            }
            due = Some(asked.seq);
        }
        if let Some(due) = due.filter(|due| !self.each && *due != seq) {
            return Err(Wrong::Sequence(due));
        }
        self.proven = self.proven.max(Some(position));
        (self.proven_at, self.is_first) = (Some(Instant::now()), false);
        Ok(())
    }

    /// Whether an answer is missing that should have come before that for `position`.
    pub(super) fn is_left_out(&self, position: Position) -> bool {
        self.asked.front().is_some_and(|asked| asked.position < position)
    }

    /// Whether one message has to show that the fence holds before more follow. If somebody else's message has come into the
    /// stream, ours is refused; but then the next one would fit behind the other's, as it names a sequence and no message.
    pub(super) fn is_unsure(&self) -> bool {
        self.is_first || self.follows_silence()
    }

    fn follows_silence(&self) -> bool {
        !self.each && self.is_over() && self.proven_at.is_none_or(|at| at.elapsed() >= STALE)
    }

    /// Whether everything that was published is stored.
    pub(super) fn is_over(&self) -> bool {
        self.proven == self.sent
    }

    /// When the oldest answer has been waited for so long.
    pub(super) fn overdue(&self, patience: Duration) -> Option<Instant> {
        self.asked.front().map(|asked| asked.at + patience)
    }

    /// What there is to report.
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
    async fn the_first_message_after_a_silence_goes_alone() {
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
        assert_eq!(flight.due(), Some(refused(6)), "which tells of 5 as well");
        assert_eq!(flight.due(), None);
    }

    #[test]
    fn without_a_fence_each_asks_and_no_answer_may_be_missing() {
        let mut flight = Flight::new(false);
        assert!((1..=3).all(|number| flight.send(Position(number), number, false, false)));
        assert_eq!(flight.stored(Position(1), 70), Ok(()));
        assert_eq!(flight.stored(Position(3), 72), Err(Wrong::LeftOut));
    }
}
