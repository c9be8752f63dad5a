//! A call from its answer to its end.

use serde_json::json;

use super::{World, call::Party, office::PARKINGS, steps::Step, view::text};

impl World {
    pub(super) fn answer(&mut self, id: u32) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| !call.answered && call.to.is_some()) else {
            return;
        };
        call.answered = true;
        let (queue, linked) = (call.queue, call.linked_id());
        let call = call.clone();
        self.publish_call(id);
        let (from, to) =
            (self.identity(&call.from).number, call.to.as_ref().map(|to| self.identity(to).number));
        for index in call.extensions() {
            let number = self.extensions[index].number.clone();
            self.notify(index, "extenConnected", text(&json!({"extenConnected": number})));
            let direction = if call.from == Party::Extension(index) { "out" } else { "in" };
            let connected = json!({
                "num1": from, "num2": to, "direction": direction,
                "uniqueid": linked, "linkedid": linked, "throughTrunk": call.trunk().is_some(),
            });
            self.notify(index, "extenConvConnected", text(&connected));
        }
        if let (Some(queue), Some(Party::Extension(agent))) = (queue, &call.to) {
            self.count_answered(queue, *agent);
            self.publish_queue(queue);
        }
        self.continue_call(id);
    }

    /// Schedules the next step of an answered call.
    pub(super) fn continue_call(&mut self, id: u32) {
        let after = self.seconds(15..90);
        let step = match self.rng.u8(0..10) {
            0..2 => Step::Hold(id),
            2 => Step::Park(id),
            3 => Step::Transfer(id),
            _ => Step::HangUp(id),
        };
        self.schedule(after, step);
    }

    pub(super) fn hold(&mut self, id: u32, held: bool) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.parked.is_none()) else { return };
        call.held = held;
        self.publish_call(id);
        if held {
            let after = self.seconds(5..30);
            self.schedule(after, Step::Resume(id));
        } else {
            self.continue_call(id);
        }
    }

    /// Parks a call, at the extension that answered. Only external callers are parked.
    pub(super) fn park(&mut self, id: u32) {
        let taken: Vec<usize> = self.calls.values().filter_map(|call| Some(call.parked?.0)).collect();
        let slot = (0..PARKINGS.len()).find(|slot| !taken.contains(slot));
        let parkable = self.calls.get_mut(&id).filter(|call| matches!(call.from, Party::Outside { .. }));
        if let (Some(slot), Some(call)) = (slot, parkable)
            && let Some(Party::Extension(parker)) = call.to
        {
            call.parked = Some((slot, parker));
            call.to = None;
            self.publish_parking(slot);
            self.publish_extension(parker);
            self.publish_call(id);
            let after = self.seconds(8..40);
            self.schedule(after, Step::RetrieveParked(id));
        } else {
            self.continue_call(id);
        }
    }

    pub(super) fn retrieve_parked(&mut self, id: u32) {
        let Some(to) = self.any_free(None) else { return self.hang_up(id, "normal_clearing") };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some((slot, _)) = call.parked.take() else { return };
        call.to = Some(Party::Extension(to));
        self.publish_parking(slot);
        self.publish_call(id);
        self.continue_call(id);
    }

    pub(super) fn transfer(&mut self, id: u32) {
        let to = self.any_free(None);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let (Some(to), Some(Party::Extension(before))) = (to, call.to.clone()) else {
            return self.hang_up(id, "normal_clearing");
        };
        call.to = Some(Party::Extension(to));
        call.answered = false;
        // A call that an agent has answered does not return to its queue.
        call.queue = None;
        self.publish_extension(before);
        self.publish_call(id);
        self.announce_ringing(id);
        let after = self.seconds(2..8);
        self.schedule(after, Step::Answer(id));
    }

    pub(super) fn hang_up(&mut self, id: u32, cause: &str) {
        let Some(call) = self.calls.remove(&id) else { return };
        let caller = self.identity(&call.from).number;
        let called = call.to.as_ref().map(|to| self.identity(to).number).unwrap_or_default();
        for index in call.extensions() {
            self.publish_extension(index);
            let number = self.extensions[index].number.clone();
            let hangup =
                json!({"cause": cause, "callerNum": caller, "channelExten": number, "calledNum": called});
            self.notify(index, "extenHangup", text(&hangup));
        }
        if let Some((slot, _)) = call.parked {
            self.publish_parking(slot);
        }
        if let Some(trunk) = call.trunk() {
            self.publish_trunk(trunk);
        }
    }
}
