//! A call from its answer to its end: hold, parking, hang-up.

use serde_json::json;

use super::{
    World,
    channel::{Channel, Identity, Party, Place},
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
    pub(super) fn set_held(&mut self, id: u32, held: bool) -> bool {
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
