//! Blind and attended transfers.

use super::{
    World,
    channel::{Channel, Party},
    history::Kind,
    steps::Step,
};

impl World {
    pub(super) fn transfer(&mut self, id: u32) {
        match self.any_free(None) {
            Some(to) => self.transfer_to(id, to),
            None => self.hang_up(id, "normal_clearing"),
        }
    }

    /// A blind transfer: the one who transfers is out of the call before the other telephone rings.
    pub(super) fn transfer_to(&mut self, id: u32, to: usize) {
        let (Some(Party::Extension(before)), Some(called)) = (self.called(id), self.called_channel(id))
        else {
            return self.hang_up(id, "normal_clearing");
        };
        let caller = self.channels.get(&id).map(|channel| self.identity(&channel.owner)).unwrap_or_default();
        self.send_on(id, called);
        self.publish_extension(before);
        self.announce_hang_up(before, &caller.number, "normal_clearing");
        self.publish_call(id);
        self.schedule(300, Step::RingAt(id, to));
    }

    /// Ends the channel of an extension that sends its only peer on.
    pub(super) fn send_on(&mut self, peer: u32, by: u32) {
        let extension = self.end(by).and_then(|channel| channel.owner.extension());
        self.point_nowhere(peer);
        if let Some(channel) = self.channels.get_mut(&peer) {
            channel.transferred_by = extension;
            // A call that an agent has answered does not return to its queue.
            channel.queue = None;
        }
    }

    pub(super) fn ring_at(&mut self, id: u32, to: usize) {
        self.ring_on_behalf(id, Party::Extension(to));
        self.publish_call(id);
        self.announce_ringing(id);
        let after = self.seconds(2..8);
        self.schedule(after, Step::Answer(id));
    }

    /// A channel that was sent on rings there. Returns the channel that rings.
    pub(super) fn ring_on_behalf(&mut self, id: u32, to: Party) -> Option<u32> {
        let by = self.channels.get_mut(&id)?.transferred_by.take();
        let called = self.dial(id, to.clone())?;
        if let (Some(by), Party::Extension(to)) = (by, to) {
            self.note_transfer(by, to, false, called);
        }
        Some(called)
    }

    /// Notes that a caller who was sent on has come to a queue.
    pub(super) fn note_queue_transfer(&mut self, id: u32, queue: usize) {
        let Some(by) = self.channels.get_mut(&id).and_then(|channel| channel.transferred_by.take()) else {
            return;
        };
        let (by, to) = (self.extensions[by].number.clone(), self.queues[queue].number.to_owned());
        self.note(Kind::Transferred { by, to, is_attended: false }, id);
    }

    fn note_transfer(&mut self, by: usize, to: usize, is_attended: bool, channel: u32) {
        let [by, to] = [by, to].map(|index| self.extensions[index].number.clone());
        self.note(Kind::Transferred { by, to, is_attended }, channel);
    }

    pub(super) fn consult(&mut self, id: u32) {
        let party = self.called(id);
        let to = self.any_free(None);
        if let (Some(Party::Extension(_)), Some(to)) = (party, to) {
            let consultation = self.consult_with(id, to);
            self.ring_on(consultation);
        } else {
            self.continue_call(id);
        }
    }

    /// An attended transfer: the called extension holds the call and calls `to`. Returns the second call.
    pub(super) fn consult_with(&mut self, id: u32, to: usize) -> u32 {
        let first = self.called_channel(id).and_then(|number| self.channels.get(&number));
        if first.is_some_and(|channel| !channel.is_holding) {
            self.set_held(id, true);
        }
        let from = self.called(id).unwrap_or(Party::Extension(to));
        let dialled = self.identity(&Party::Extension(to));
        let consultation = self.originate(from, dialled);
        self.dial(consultation, Party::Extension(to));
        if let Some(channel) = self.channels.get_mut(&consultation) {
            channel.consults_for = Some(id);
        }
        self.publish_call(consultation);
        self.announce_ringing(consultation);
        consultation
    }

    /// The colleague takes the held call's place; his channel joins that call.
    pub(super) fn complete(&mut self, consultation: u32) {
        let Some(second) = self.channels.get(&consultation).cloned() else { return };
        let (Some(id), Some(colleague)) = (second.consults_for, self.called_channel(consultation)) else {
            return;
        };
        let Some(first) = self.called_channel(id) else { return };
        let parties = [id, colleague]
            .map(|number| self.channels.get(&number).map(|channel| self.identity(&channel.owner)));
        self.hand_over(id, first, consultation, colleague);
        if let (Party::Extension(index), [Some(caller), Some(other)]) = (second.owner, parties) {
            self.publish_extension(index);
            self.announce_hang_up(index, &caller.number, "normal_clearing");
            self.announce_hang_up(index, &other.number, "normal_clearing");
        }
        self.publish_call(id);
        self.continue_call(id);
    }

    /// Bridges the peers of an extension's two channels, which end.
    pub(super) fn hand_over(&mut self, peer: u32, first: u32, second: u32, colleague: u32) {
        let owner =
            |number| self.channels.get(&number).and_then(|channel: &Channel| channel.owner.extension());
        let (by, to) = (owner(first), owner(colleague));
        let is_up = self.channels.get(&colleague).is_some_and(|channel| channel.is_up);
        if is_up {
            self.bridge(&[peer, colleague]);
        } else {
            self.link(&[peer, colleague]);
            self.point_nowhere(peer);
        }
        for number in [first, second] {
            self.end(number);
        }
        for number in [peer, colleague] {
            if let Some(channel) = self.channels.get_mut(&number) {
                channel.queue = None;
            }
        }
        if let (Some(by), Some(to)) = (by, to) {
            self.note_transfer(by, to, true, colleague);
        }
    }
}
