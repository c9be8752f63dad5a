//! One partition: what is on its way there, and what has to wait for its turn.
//!
//! A broker refuses what comes behind a hole in a producer's numbers, but only once it knows the producer: the first
//! batch that it stores may have any number. So the first message of a producer goes alone, and so does one that the
//! topic may not accept; everything else is pipelined.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::message::Message;
use crate::route::Names;

/// A broker forgets a producer that has written nothing to a partition for `producer.id.expiration.ms`, a day unless it
/// is configured.
const FORGOTTEN: Duration = Duration::from_mins(10);

/// A message that has not been handed to a producer yet.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) number: usize,
    pub(super) names: Arc<Names>,
    pub(super) message: Message,
    /// It may be refused, so it goes by itself, and not by the producer of all others.
    pub(super) by_itself: bool,
}

/// The messages of one partition.
#[derive(Debug, Default)]
pub(super) struct Queue {
    held: VecDeque<Held>,
    in_flight: usize,
    /// The one message in flight must be answered before another goes.
    is_alone: bool,
    /// It went by itself.
    by_itself: bool,
    /// The offset of the newest delivery.
    offset: Option<i64>,
    /// When the producer of all others stored something here last.
    stored: Option<Instant>,
}

impl Queue {
    /// A partition whose newest offset is known.
    pub(super) fn after(offset: Option<i64>) -> Self {
        Self { offset, ..Self::default() }
    }

    /// Adds a message behind those that wait.
    pub(super) fn hold(&mut self, held: Held) {
        self.held.push_back(held);
    }

    /// The next message, if it may go now.
    pub(super) fn next(&mut self) -> Option<Held> {
        let by_itself = self.held.front()?.by_itself;
        let is_alone = by_itself || self.stored.is_none_or(|at| at.elapsed() >= FORGOTTEN);
        if self.is_alone || (is_alone && self.in_flight > 0) {
            return None;
        }
        (self.is_alone, self.by_itself) = (is_alone, by_itself);
        self.in_flight += 1;
        self.held.pop_front()
    }

    /// Puts back what the producer had no room for.
    pub(super) fn put_back(&mut self, held: Held) {
        self.answered();
        self.held.push_front(held);
    }

    /// A message in flight was answered. Returns whether it went by itself.
    pub(super) fn answered(&mut self) -> bool {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.is_alone = false;
        std::mem::take(&mut self.by_itself)
    }

    /// A message was stored at this offset. Returns whether it is where it can be, which is above the newest before.
    /// A negative offset is unknown, and proves nothing.
    pub(super) fn stored(&mut self, offset: i64, by_itself: bool) -> bool {
        if !by_itself {
            self.stored = Some(Instant::now());
        }
        if offset < 0 {
            return true;
        }
        self.offset.replace(offset).is_none_or(|before| before < offset)
    }

    /// The numbers of those that have not gone, which now never will.
    pub(super) fn give_up(&mut self) -> impl Iterator<Item = usize> + use<> {
        std::mem::take(&mut self.held).into_iter().map(|held| held.number)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rdkafka::message::OwnedHeaders;

    use super::*;

    fn held(number: usize, by_itself: bool) -> Held {
        let names = Names {
            source: "/cti/a".to_owned(),
            ty: String::new(),
            class: String::new(),
            subject: None,
            event: None,
            destination: Bytes::new(),
        };
        let message = Message { key: String::new(), headers: OwnedHeaders::new(), payload: Bytes::new() };
        Held { number, names: Arc::new(names), message, by_itself }
    }

    fn go(partition: &mut Queue) -> Vec<usize> {
        std::iter::from_fn(|| partition.next().map(|held| held.number)).collect()
    }

    #[test]
    fn the_first_and_the_doubtful_go_alone() {
        let mut partition = Queue::default();
        for (number, by_itself) in [(1, false), (2, false), (3, false), (4, true), (5, false)] {
            partition.hold(held(number, by_itself));
        }
        assert_eq!(go(&mut partition), [1]);
        assert!(!partition.answered() && partition.stored(0, false));
        assert_eq!(go(&mut partition), [2, 3]);
        assert!(!partition.answered() && partition.stored(1, false));
        assert!(go(&mut partition).is_empty());
        assert!(!partition.answered() && partition.stored(2, false));
        assert_eq!(go(&mut partition), [4]);
        assert!(partition.answered() && partition.stored(3, true));
        assert_eq!(go(&mut partition), [5]);
    }

    #[test]
    fn a_falling_offset_is_noticed_and_an_unknown_one_ignored() {
        let mut partition = Queue::default();
        let stored = [7, -1, 8, -1001, 8, 9, 0].map(|offset| partition.stored(offset, false));
        assert_eq!(stored, [true, true, true, true, false, true, false]);
    }
}
