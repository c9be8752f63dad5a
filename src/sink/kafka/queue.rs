//! The queue of one partition: messages in flight, and messages that wait for their turn.
//!
//! A broker refuses a batch after a hole in a producer's sequence numbers, but only once it knows the producer: the first
//! batch that it stores may have any number. So the first message of a producer is sent alone, and so is one that the
//! topic may refuse; everything else is pipelined.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::message::Message;
use crate::route::Names;

/// The idle time after which the first message is sent alone again. A broker forgets a producer that has written nothing to a
/// partition for `producer.id.expiration.ms`, by default a day.
const FORGOTTEN: Duration = Duration::from_mins(10);

/// A message that no producer has yet.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) number: usize,
    pub(super) names: Arc<Names>,
    pub(super) message: Message,
    /// It may be refused, so the single-message producer sends it.
    pub(super) is_single: bool,
}

/// The messages of one partition.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Queued>,
    in_flight: usize,
    /// The one message in flight must be answered before another is sent.
    is_alone: bool,
    /// The single-message producer has sent it.
    is_single: bool,
    /// The offset of the newest delivery.
    offset: Option<i64>,
    /// The time at which the events producer last stored a message here.
    stored: Option<Instant>,
}

impl Queue {
    /// Returns the queue of a partition with this newest offset. `None` for an empty partition.
    pub(super) fn after(offset: Option<i64>) -> Self {
        Self { offset, ..Self::default() }
    }

    /// Appends a message.
    pub(super) fn push(&mut self, queued: Queued) {
        self.waiting.push_back(queued);
    }

    /// Takes the next message. `None` if none may be sent now.
    pub(super) fn next(&mut self) -> Option<Queued> {
        let is_single = self.waiting.front()?.is_single;
        let is_alone = is_single || self.stored.is_none_or(|at| at.elapsed() >= FORGOTTEN);
        if self.is_alone || (is_alone && self.in_flight > 0) {
            return None;
        }
        (self.is_alone, self.is_single) = (is_alone, is_single);
        self.in_flight += 1;
        self.waiting.pop_front()
    }

    /// Returns a message that the producer did not accept.
    pub(super) fn put_back(&mut self, queued: Queued) {
        self.answered();
        self.waiting.push_front(queued);
    }

    /// Records that a message in flight was answered. Returns true if the single-message producer had sent it.
    pub(super) fn answered(&mut self) -> bool {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.is_alone = false;
        std::mem::take(&mut self.is_single)
    }

    /// Records that a message was stored at this offset. Returns false if a newer offset was known before. A negative offset is
    /// unknown and proves nothing.
    pub(super) fn stored(&mut self, offset: i64, is_single: bool) -> bool {
        if !is_single {
            self.stored = Some(Instant::now());
        }
        if offset < 0 {
            return true;
        }
        self.offset.replace(offset).is_none_or(|before| before < offset)
    }

    /// Discards the waiting messages. Returns their numbers.
    pub(super) fn give_up(&mut self) -> impl Iterator<Item = usize> + use<> {
        std::mem::take(&mut self.waiting).into_iter().map(|queued| queued.number)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rdkafka::message::OwnedHeaders;

    use super::*;

    fn queued(number: usize, is_single: bool) -> Queued {
        let names = Names {
            source: "/cti/a".to_owned(),
            ty: String::new(),
            class: String::new(),
            subject: None,
            event: None,
            schema: None,
            destination: Bytes::new(),
        };
        let message = Message { key: String::new(), headers: OwnedHeaders::new(), payload: Bytes::new() };
        Queued { number, names: Arc::new(names), message, is_single }
    }

    fn sent(partition: &mut Queue) -> Vec<usize> {
        std::iter::from_fn(|| partition.next().map(|queued| queued.number)).collect()
    }

    #[test]
    fn the_first_message_and_one_that_may_be_refused_go_alone() {
        let mut partition = Queue::default();
        for (number, is_single) in [(1, false), (2, false), (3, false), (4, true), (5, false)] {
            partition.push(queued(number, is_single));
        }
        assert_eq!(sent(&mut partition), [1]);
        assert!(!partition.answered() && partition.stored(0, false));
        assert_eq!(sent(&mut partition), [2, 3]);
        assert!(!partition.answered() && partition.stored(1, false));
        assert!(sent(&mut partition).is_empty());
        assert!(!partition.answered() && partition.stored(2, false));
        assert_eq!(sent(&mut partition), [4]);
        assert!(partition.answered() && partition.stored(3, true));
        assert_eq!(sent(&mut partition), [5]);
    }

    #[test]
    fn a_falling_offset_is_noticed_and_an_unknown_one_ignored() {
        let mut partition = Queue::default();
        let stored = [7, -1, 8, -1001, 8, 9, 0].map(|offset| partition.stored(offset, false));
        assert_eq!(stored, [true, true, true, true, false, true, false]);
    }
}
