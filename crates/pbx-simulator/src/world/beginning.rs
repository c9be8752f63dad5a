//! A call from the first dialled digit to its ring.

use serde_json::json;

use super::{
    World,
    channel::{Identity, Party, Place},
    office,
    script::Script,
    steps::Step,
    view::text,
};

impl World {
    pub(super) fn external_caller(&mut self) -> Party {
        let (number, name) = office::external_caller(&mut self.rng);
        Party::Outside { trunk: 0, number, name }
    }

    pub(super) fn dial_any(&mut self) {
        let after = self.seconds(4..14);
        self.schedule(after, Step::Dial);
        // Some calls are of the rarer kinds.
        if self.rng.u8(0..6) == 0 {
            let script = Script::draw(&mut self.rng);
            return self.play(script);
        }
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
        let number = self.queues[queue].number.to_owned();
        let id = self.originate(from, Identity { number, name: String::new() });
        self.enter_place(id, Place::Queue(queue));
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

    pub(super) fn start_ringing(&mut self, from: Party, to: Party) -> u32 {
        let dialled = self.identity(&to);
        let id = self.originate(from, dialled);
        self.dial(id, to);
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

    /// Sends the state of the extensions and trunks that a channel is linked with.
    pub(super) fn publish_call(&mut self, id: u32) {
        let Some(linked) = self.channels.get(&id).map(|channel| channel.linked) else { return };
        let owners = self.channels.values().filter(|channel| channel.linked == linked);
        let owners: Vec<Party> = owners.map(|channel| channel.owner.clone()).collect();
        self.publish_parties(&owners);
    }

    /// Sends the state of extensions, and then of trunks.
    pub(super) fn publish_parties(&mut self, parties: &[Party]) {
        for index in parties.iter().filter_map(Party::extension) {
            self.publish_extension(index);
        }
        let trunk = parties.iter().find_map(|party| match party {
            Party::Outside { trunk, .. } => Some(*trunk),
            Party::Extension(_) => None,
        });
        if let Some(trunk) = trunk {
            self.publish_trunk(trunk);
        }
    }

    pub(super) fn announce_ringing(&mut self, id: u32) {
        let Some(caller) = self.channels.get(&id).map(|channel| self.identity(&channel.owner)) else {
            return;
        };
        let Some(Party::Extension(index)) = self.called(id) else { return };
        let called = &self.extensions[index].number;
        let ringing = json!({
            "numCalled": called,
            "callerNum": caller.number,
            "callerName": caller.name,
            "callerHasConf": false,
        });
        self.notify(index, "extenRinging", text(&ringing));
    }

    /// Returns the channel that a caller talks to or rings; `None` while it is alone.
    pub(super) fn called_channel(&self, id: u32) -> Option<u32> {
        self.peers(id).first().or(self.ringing(id).first()).copied()
    }

    /// Returns the party that a caller talks to or rings.
    pub(super) fn called(&self, id: u32) -> Option<Party> {
        Some(self.channels.get(&self.called_channel(id)?)?.owner.clone())
    }
}
