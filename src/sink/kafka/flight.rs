//! The messages in flight of one link, in the driver's order. Partitions answer independently of each other.

use std::collections::VecDeque;

use crate::{event::Position, sink::Acked};

/// The messages of one link.
#[derive(Debug, Default)]
pub(super) struct Flight {
    slots: VecDeque<Slot>,
    /// The number of the first slot. Numbers start at 1.
    first: usize,
    /// Unanswered messages.
    waiting: usize,
    /// The bytes of unanswered messages.
    bytes: usize,
}

#[derive(Debug)]
struct Slot {
    position: Position,
    partition: usize,
    bytes: usize,
    state: State,
}

/// The state of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Not answered yet.
    Waiting,
    Stored,
    /// Refused permanently, for this reason.
    Refused(String),
    /// Not stored through no fault of the message: the next link sends it again.
    Dropped,
}

impl Flight {
    /// Adds an unanswered message. Returns its number.
    pub(super) fn add(&mut self, position: Position, partition: usize, bytes: usize) -> usize {
        self.first = self.first.max(1);
        self.waiting += 1;
        self.bytes += bytes;
        self.slots.push_back(Slot { position, partition, bytes, state: State::Waiting });
        self.first + self.slots.len() - 1
    }

    fn slot(&mut self, number: usize) -> Option<&mut Slot> {
        let index = number.checked_sub(self.first).filter(|_| number > 0)?;
        self.slots.get_mut(index).filter(|slot| slot.state == State::Waiting)
    }

    /// Returns the partition and the size of an unanswered message. `None` for any other number.
    pub(super) fn waiting(&mut self, number: usize) -> Option<(usize, usize)> {
        self.slot(number).map(|slot| (slot.partition, slot.bytes))
    }

    /// Sets the state of an unanswered message.
    pub(super) fn set(&mut self, number: usize, state: State) {
        if let Some(slot) = self.slot(number) {
            slot.state = state;
            let bytes = slot.bytes;
            self.waiting -= 1;
            self.bytes -= bytes;
        }
    }

    /// Returns true if every message is answered.
    pub(super) fn is_answered(&self) -> bool {
        self.waiting == 0
    }

    /// Returns the bytes of unanswered messages.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the settled messages at the front, up to the first refused one. `None` if the first message is not settled.
    pub(super) fn settled(&mut self) -> Option<Acked> {
        let mut through = None;
        while let Some(slot) = self.slots.front() {
            let position = slot.position;
            let refused = match &slot.state {
                State::Waiting | State::Dropped => break,
                State::Stored => None,
                State::Refused(_) if through.is_some() => break,
                State::Refused(reason) => Some(reason.clone()),
            };
            self.slots.pop_front();
            self.first += 1;
            if refused.is_some() {
                return Some(Acked { through: position, refused });
            }
            // Copies of an event for other partitions follow it directly.
            if self.slots.front().is_none_or(|next| next.position != position) {
                through = Some(position);
            }
        }
        through.map(|through| Acked { through, refused: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(flight: &mut Flight) -> Option<(u64, bool)> {
        flight.settled().map(|acked| (acked.through.0, acked.refused.is_some()))
    }

    fn refused() -> State {
        State::Refused("x".to_owned())
    }

    #[test]
    fn settled_records_are_a_prefix_and_refusals_are_single() {
        let mut flight = Flight::default();
        let numbers: Vec<usize> = (10..16).map(|position| flight.add(Position(position), 0, 7)).collect();
        flight.set(numbers[1], State::Stored);
        assert_eq!(through(&mut flight), None);
        flight.set(numbers[0], State::Stored);
        flight.set(numbers[2], refused());
        flight.set(numbers[3], State::Stored);
        assert_eq!(through(&mut flight), Some((11, false)));
        assert_eq!(through(&mut flight), Some((12, true)));
        assert_eq!(through(&mut flight), Some((13, false)));
        flight.set(numbers[0], State::Stored);
        flight.set(0, State::Stored);
        assert_eq!(through(&mut flight), None, "late reports and unknown numbers change nothing");
        let more = flight.add(Position(20), 0, 7);
        flight.set(numbers[4], State::Stored);
        flight.set(numbers[5], State::Stored);
        flight.set(more, State::Stored);
        assert_eq!(through(&mut flight), Some((20, false)));
        assert!(flight.is_answered() && flight.bytes() == 0);
    }

    #[test]
    fn a_copied_record_is_settled_once_all_partitions_have_it() {
        let mut flight = Flight::default();
        let numbers: Vec<usize> =
            [1, 2, 2, 2, 3, 3].map(|position| flight.add(Position(position), 0, 7)).to_vec();
        for stored in [0, 1, 2] {
            flight.set(numbers[stored], State::Stored);
        }
        assert_eq!(through(&mut flight), Some((1, false)));
        assert_eq!(through(&mut flight), None);
        flight.set(numbers[3], State::Stored);
        assert_eq!(through(&mut flight), Some((2, false)));
        flight.set(numbers[4], refused());
        flight.set(numbers[5], refused());
        assert_eq!(through(&mut flight), Some((3, true)));
    }

    #[test]
    fn nothing_is_settled_past_a_dropped_message() {
        let mut flight = Flight::default();
        let numbers: Vec<usize> = (1..=3).map(|position| flight.add(Position(position), 0, 7)).collect();
        flight.set(numbers[0], State::Stored);
        flight.set(numbers[1], State::Dropped);
        flight.set(numbers[2], State::Stored);
        assert_eq!(through(&mut flight), Some((1, false)));
        assert_eq!(through(&mut flight), None);
        assert!(flight.is_answered());
    }
}
