//! A call from its answer to its end.

use serde_json::json;

use super::{
    World,
    call::{Call, Party},
    office::PARKINGS,
    steps::Step,
    view::text,
};

impl World {
    pub(super) fn answer(&mut self, id: u32) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| !call.answered && call.to.is_some()) else {
            return;
        };
        call.answered = true;
        let call = call.clone();
        self.publish_call(id);
        let (from, to) =
            (self.identity(&call.from).number, call.to.as_ref().map(|to| self.identity(to).number));
        for index in call.extensions() {
            let number = self.extensions[index].number.clone();
            self.notify(index, "extenConnected", text(&json!({"extenConnected": number})));
            let outgoing = call.from == Party::Extension(index);
            let connected = json!({
                "num1": from, "num2": to, "direction": if outgoing { "out" } else { "in" },
                "uniqueid": call.leg(outgoing).unique_id(), "linkedid": call.linked_id(), "throughTrunk": call.trunk().is_some(),
            });
            self.notify(index, "extenConvConnected", text(&connected));
        }
        if let (Some(queue), Some(Party::Extension(agent))) = (call.queue, &call.to) {
            self.count_answered(queue, *agent);
            self.publish_queue(queue);
        }
        if call.consults_for.is_some() {
            let after = self.seconds(4..20);
            return self.schedule(after, Step::Complete(id));
        }
        self.continue_call(id);
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
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.parked.is_none()) else { return false };
        call.held = held;
        self.publish_call(id);
        true
    }

    /// Parks a call, at the extension that answered. Only external callers are parked.
    pub(super) fn park(&mut self, id: u32) {
        let taken: Vec<usize> = self.calls.values().filter_map(|call| Some(call.parked?.0)).collect();
        let slot = (0..PARKINGS.len()).find(|slot| !taken.contains(slot));
        let parkable = self.calls.get_mut(&id).filter(|call| matches!(call.from, Party::Outside { .. }));
        if let (Some(slot), Some(call)) = (slot, parkable)
            && let Some(Party::Extension(parker)) = call.to
        {
            let before = call.clone();
            call.parked = Some((slot, parker));
            call.to = None;
            self.publish_parking(slot);
            self.publish_extension(parker);
            self.announce_hang_up(parker, &before, "normal_clearing");
            self.publish_call(id);
            let after = self.seconds(8..40);
            self.schedule(after, Step::RetrieveParked(id));
        } else {
            self.continue_call(id);
        }
    }

    pub(super) fn retrieve_parked(&mut self, id: u32) {
        match self.any_free(None) {
            Some(to) => self.retrieve_parked_at(id, to),
            None => self.hang_up(id, "normal_clearing"),
        }
    }

    pub(super) fn retrieve_parked_at(&mut self, id: u32, to: usize) {
        let leg = self.leg();
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some((slot, _)) = call.parked.take() else { return };
        call.to = Some(Party::Extension(to));
        call.dest = leg;
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
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(Party::Extension(before)) = call.to else { return self.hang_up(id, "normal_clearing") };
        let transferred = call.clone();
        call.to = None;
        call.answered = false;
        // A call that an agent has answered does not return to its queue.
        call.queue = None;
        self.publish_extension(before);
        self.announce_hang_up(before, &transferred, "normal_clearing");
        self.publish_call(id);
        self.schedule(300, Step::RingAt(id, to));
    }

    pub(super) fn ring_at(&mut self, id: u32, to: usize) {
        let leg = self.leg();
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.to = Some(Party::Extension(to));
        call.dest = leg;
        self.publish_call(id);
        self.announce_ringing(id);
        let after = self.seconds(2..8);
        self.schedule(after, Step::Answer(id));
    }

    pub(super) fn consult(&mut self, id: u32) {
        let party = self.calls.get(&id).and_then(|call| call.to.clone());
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
        if self.calls.get(&id).is_some_and(|call| !call.held) {
            self.set_held(id, true);
        }
        let from = self.calls.get(&id).and_then(|call| call.to.clone()).unwrap_or(Party::Extension(to));
        let consultation = self.start_call(from, Some(Party::Extension(to)), None);
        if let Some(call) = self.calls.get_mut(&consultation) {
            call.consults_for = Some(id);
        }
        self.publish_call(consultation);
        self.announce_ringing(consultation);
        consultation
    }

    /// The colleague takes the held call's place; his leg joins that call.
    pub(super) fn complete(&mut self, consultation: u32) {
        let Some(second) = self.calls.remove(&consultation) else { return };
        let Some(id) = second.consults_for else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let before = call.clone();
        call.to.clone_from(&second.to);
        call.dest = second.dest;
        call.held = false;
        call.queue = None;
        if let Some(Party::Extension(index)) = before.to {
            self.publish_extension(index);
            self.announce_hang_up(index, &before, "normal_clearing");
            self.announce_hang_up(index, &second, "normal_clearing");
        }
        self.publish_call(id);
        self.continue_call(id);
    }

    pub(super) fn hang_up(&mut self, id: u32, cause: &str) {
        let Some(call) = self.calls.remove(&id) else { return };
        for index in call.extensions() {
            self.publish_extension(index);
            self.announce_hang_up(index, &call, cause);
        }
        if let Some((slot, _)) = call.parked {
            self.publish_parking(slot);
        }
        if let Some(trunk) = call.trunk() {
            self.publish_trunk(trunk);
        }
    }

    /// To the owner of an extension whose leg has ended.
    pub(super) fn announce_hang_up(&mut self, index: usize, call: &Call, cause: &str) {
        let number = self.extensions[index].number.clone();
        let other = if call.from == Party::Extension(index) { call.to.as_ref() } else { Some(&call.from) };
        let other = other.map_or_else(|| "<unknown>".to_owned(), |other| self.identity(other).number);
        let hangup = json!({"cause": cause, "callerNum": number, "channelExten": number, "calledNum": other});
        self.notify(index, "extenHangup", text(&hangup));
    }
}
