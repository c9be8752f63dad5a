//! A call from its answer to its end.

use serde_json::json;

use super::{
    World,
    channel::{Channel, Identity, Party, Place},
    history::Kind,
    office::PARKINGS,
    steps::Step,
    view::text,
};

impl World {
    pub(super) fn answer(&mut self, id: u32) {
        let Some(called) = self.ringing(id).first().copied() else { return };
        let place = self.channels.get(&id).and_then(|channel| channel.place);
        if !self.connect(id, called) {
            return;
        }
        self.publish_call(id);
        self.announce_connected(id, called);
        if let (Some(Place::Queue(queue)), Some(Party::Extension(agent))) = (place, self.called(id)) {
            self.count_answered(queue, agent);
            self.publish_queue(queue);
        }
        if self.channels.get(&id).is_some_and(|channel| channel.consults_for.is_some()) {
            let after = self.seconds(4..20);
            return self.schedule(after, Step::Complete(id));
        }
        self.continue_call(id);
    }

    fn announce_connected(&mut self, id: u32, called: u32) {
        let both: Vec<Channel> =
            [id, called].iter().filter_map(|number| self.channels.get(number).cloned()).collect();
        let [from, to] = &*both else { return };
        let numbers = [from, to].map(|channel| self.identity(&channel.owner).number);
        let through_trunk = both.iter().any(|channel| channel.owner.extension().is_none());
        for channel in &both {
            let Some(index) = channel.owner.extension() else { continue };
            let number = self.extensions[index].number.clone();
            self.notify(index, "extenConnected", text(&json!({"extenConnected": number})));
            let connected = json!({
                "num1": numbers[0], "num2": numbers[1], "direction": if channel.is_caller { "out" } else { "in" },
                "uniqueid": channel.id.unique_id(), "linkedid": channel.linked.unique_id(), "throughTrunk": through_trunk,
            });
            self.notify(index, "extenConvConnected", text(&connected));
        }
    }

    /// Schedules the next step of an answered call.
    pub(super) fn continue_call(&mut self, id: u32) {
        let after = self.seconds(15..90);
        let step = match self.rng.u8(0..10) {
            0..2 => Step::Hold(id),
            2 => Step::Park(id),
            3 if self.rng.bool() => Step::Consult(id),
            3 => Step::Transfer(id),
            _ => Step::HangUp(id),
        };
        self.schedule(after, step);
    }

    pub(super) fn hold(&mut self, id: u32, held: bool) {
        if !self.set_held(id, held) {
            return;
        }
        if held {
            let after = self.seconds(5..30);
            self.schedule(after, Step::Resume(id));
        } else {
            self.continue_call(id);
        }
    }

    /// False if there is nothing to hold.
    fn set_held(&mut self, id: u32, held: bool) -> bool {
        // The called extension holds the caller; an extension that calls outside holds the called party.
        let both = [self.called_channel(id), Some(id)].into_iter().flatten();
        let inside = |number: &u32| {
            self.channels.get(number).is_some_and(|channel| channel.owner.extension().is_some())
        };
        let Some(holder) = both.into_iter().find(inside) else { return false };
        if !self.set_hold(holder, held) {
            return false;
        }
        self.publish_call(id);
        true
    }

    /// Returns a parking slot that nobody is in.
    pub(super) fn free_slot(&self) -> Option<usize> {
        let is_taken = |slot: &usize| {
            self.channels.values().any(
                |channel| matches!(channel.place, Some(Place::Parking { slot: taken, .. }) if taken == *slot),
            )
        };
        (0..PARKINGS.len()).find(|slot| !is_taken(slot))
    }

    /// Parks a call, at the extension that answered. Only external callers are parked.
    pub(super) fn park(&mut self, id: u32) {
        let outside = self.channels.get(&id).filter(|channel| channel.owner.extension().is_none());
        let caller = outside.map(|channel| self.identity(&channel.owner));
        if let (Some(slot), Some(caller)) = (self.free_slot(), caller)
            && let Some(Party::Extension(parker)) = self.called(id)
            && let Some(called) = self.called_channel(id)
        {
            self.enter_place(id, Place::Parking { slot, parker });
            self.end(called);
            self.point_nowhere(id);
            self.publish_parking(slot);
            self.publish_extension(parker);
            self.announce_hang_up(parker, &caller.number, "normal_clearing");
            self.publish_call(id);
            let after = self.seconds(8..40);
            self.schedule(after, Step::RetrieveParked(id));
        } else {
            self.continue_call(id);
        }
    }

    /// A caller is alone, and is shown without a counterpart.
    pub(super) fn point_nowhere(&mut self, id: u32) {
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.dialled = Identity::default();
            channel.bridge = None;
        }
    }

    pub(super) fn retrieve_parked(&mut self, id: u32) {
        match self.any_free(None) {
            Some(to) => self.retrieve_parked_at(id, to),
            None => self.hang_up(id, "normal_clearing"),
        }
    }

    pub(super) fn retrieve_parked_at(&mut self, id: u32, to: usize) {
        let Some(Place::Parking { slot, .. }) = self.leave_place(id) else { return };
        if let Some(called) = self.dial(id, Party::Extension(to)) {
            self.connect(id, called);
        }
        self.publish_parking(slot);
        self.publish_call(id);
        self.continue_call(id);
    }

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

    /// Ends a caller's channel, and all that is left alone with it.
    pub(super) fn hang_up(&mut self, id: u32, cause: &str) {
        let Some(caller) = self.channels.get(&id).cloned() else { return };
        let slot = match caller.place {
            Some(Place::Parking { slot, .. }) => Some(slot),
            _ => None,
        };
        let mut ended: Vec<Channel> = self.end(id).into_iter().collect();
        let orphans: Vec<u32> = self
            .channels
            .values()
            .filter(|channel| match caller.bridge {
                Some(bridge) => channel.bridge == Some(bridge),
                None => channel.linked == caller.linked && channel.bridge.is_none(),
            })
            .map(|channel| channel.id.number)
            .collect();
        if orphans.len() < 2 || caller.bridge.is_none() {
            ended.extend(orphans.into_iter().filter_map(|number| self.end(number)));
        }
        for (place, channel) in ended.iter().enumerate() {
            let Some(index) = channel.owner.extension() else { continue };
            let other = if place == 0 { ended.get(1) } else { ended.first() };
            let other =
                other.map_or_else(|| "<unknown>".to_owned(), |other| self.identity(&other.owner).number);
            self.publish_extension(index);
            self.announce_hang_up(index, &other, cause);
        }
        if let Some(slot) = slot {
            self.publish_parking(slot);
        }
        if ended.iter().any(|channel| channel.owner.extension().is_none()) {
            self.publish_trunk(0);
        }
    }

    /// To the owner of an extension whose channel has ended.
    pub(super) fn announce_hang_up(&mut self, index: usize, other: &str, cause: &str) {
        let number = self.extensions[index].number.clone();
        let hangup = json!({"cause": cause, "callerNum": number, "channelExten": number, "calledNum": other});
        self.notify(index, "extenHangup", text(&hangup));
    }
}
