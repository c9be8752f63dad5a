//! A call from the first dialled digit to its ring.

use serde_json::json;

use super::{
    World,
    call::{Call, Leg, Party},
    office,
    steps::Step,
    view::text,
};

impl World {
    pub(super) fn external_caller(&mut self) -> Party {
        let (number, name) = office::external_caller(&mut self.rng);
        Party::Outside { trunk: 0, number, name }
    }

    pub(super) fn dial(&mut self) {
        let after = self.seconds(4..14);
        self.schedule(after, Step::Dial);
        match self.rng.u8(0..10) {
            0..4 => self.dial_queue(),
            4..7 => self.dial_in(),
            7..9 => self.dial_out(),
            _ => self.dial_inside(),
        }
    }

    pub(super) fn dial_queue(&mut self) {
        let queue = self.rng.usize(0..self.queues.len());
        let from = self.external_caller();
        let id = self.enter_queue(from, queue);
        let (hunt, patience) = (self.seconds(1..4), self.seconds(90..180));
        self.schedule(hunt, Step::RingAgent(id));
        self.schedule(patience, Step::GiveUp(id));
    }

    pub(super) fn enter_queue(&mut self, from: Party, queue: usize) -> u32 {
        let id = self.start_call(from, None, Some(queue));
        self.publish_queue(queue);
        self.publish_call(id);
        id
    }

    pub(super) fn dial_in(&mut self) {
        if let Some(to) = self.any_free(None) {
            let from = self.external_caller();
            self.ring(from, Party::Extension(to));
        }
    }

    pub(super) fn dial_out(&mut self) {
        if let Some(from) = self.any_free(None) {
            let to = self.external_caller();
            self.ring(Party::Extension(from), to);
        }
    }

    pub(super) fn dial_inside(&mut self) {
        if let Some(from) = self.any_free(None)
            && let Some(to) = self.any_free(Some(from))
        {
            self.ring(Party::Extension(from), Party::Extension(to));
        }
    }

    pub(super) fn start_call(&mut self, from: Party, to: Option<Party>, queue: Option<usize>) -> u32 {
        let id = self.next_call;
        self.next_call += 1;
        let (source, dest) = (self.leg(), self.leg());
        let call = Call {
            source,
            dest,
            from,
            to,
            started: source.created,
            answered: false,
            held: false,
            queue,
            parked: None,
            consults_for: None,
        };
        self.calls.insert(id, call);
        id
    }

    pub(super) fn leg(&mut self) -> Leg {
        let number = self.next_leg;
        self.next_leg += 1;
        Leg { number, created: self.wall() }
    }

    pub(super) fn start_ringing(&mut self, from: Party, to: Party) -> u32 {
        let id = self.start_call(from, Some(to), None);
        self.publish_call(id);
        self.announce_ringing(id);
        id
    }

    fn ring(&mut self, from: Party, to: Party) {
        let id = self.start_ringing(from, to);
        self.ring_on(id);
    }

    /// A telephone that rings is answered, or not.
    pub(super) fn ring_on(&mut self, id: u32) {
        let (answered, after) = (self.rng.u8(0..10) < 8, self.seconds(3..20));
        self.schedule(after, if answered { Step::Answer(id) } else { Step::NoAnswer(id) });
    }

    pub(super) fn publish_call(&mut self, id: u32) {
        let Some(call) = self.calls.get(&id) else { return };
        let (extensions, trunk): (Vec<usize>, _) = (call.extensions().collect(), call.trunk());
        for index in extensions {
            self.publish_extension(index);
        }
        if let Some(trunk) = trunk {
            self.publish_trunk(trunk);
        }
    }

    pub(super) fn announce_ringing(&mut self, id: u32) {
        let Some(call) = self.calls.get(&id) else { return };
        let Some(Party::Extension(index)) = call.to else { return };
        let caller = self.identity(&call.from);
        let called = &self.extensions[index].number;
        let ringing = json!({
            "numCalled": called,
            "callerNum": caller.number,
            "callerName": caller.name,
            "callerHasConf": false,
        });
        self.notify(index, "extenRinging", text(&ringing));
    }
}
