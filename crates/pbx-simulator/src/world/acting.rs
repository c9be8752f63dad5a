//! Lets the acts of a script happen.

use std::collections::BTreeMap;

use super::{
    World,
    acts::{Act, Code, Role, Slot},
    channel::{Identity, Party, Place},
};
use crate::profile::Audience;

/// Channels by number, with what has to be shown of them.
type Touched = BTreeMap<u32, (Party, Option<Place>)>;

impl World {
    /// Lets an act happen, and sends the state of all that it concerns.
    pub(super) fn act(&mut self, play: usize, act: Act) {
        let mut touched = Touched::new();
        let slots = act.slots();
        for slot in &slots {
            self.touch(play, *slot, &mut touched);
        }
        self.perform(play, act);
        for slot in &slots {
            self.touch(play, *slot, &mut touched);
        }
        let (parties, places): (Vec<_>, Vec<_>) = touched.into_values().unzip();
        self.publish_parties(&parties);
        for place in places.into_iter().flatten() {
            match place {
                Place::Queue(queue) => self.publish_queue(queue),
                Place::Parking { slot, .. } => self.publish_parking(slot),
            }
        }
        self.publish_again();
    }

    /// Adds the channels that are linked with one of a play: their owners, and the places they are in.
    fn touch(&self, play: usize, slot: Slot, touched: &mut Touched) {
        let Some(linked) = self.channels.get(&self.channel_at(play, slot)).map(|channel| channel.linked)
        else {
            return;
        };
        let all = self.channels.values().filter(|channel| channel.linked == linked);
        for channel in all {
            let (_, place) = touched.entry(channel.id.number).or_insert((channel.owner.clone(), None));
            *place = channel.place.or(*place);
        }
    }

    /// Returns the number of a play's channel; 0 before it exists.
    fn channel_at(&self, play: usize, slot: Slot) -> u32 {
        self.plays.get(&play).map_or(0, |play| play.channels[usize::from(slot)])
    }

    fn set_channel(&mut self, play: usize, slot: Slot, number: Option<u32>) {
        if let Some(play) = self.plays.get_mut(&play) {
            play.channels[usize::from(slot)] = number.unwrap_or_default();
        }
    }

    fn party(&self, play: usize, role: Role) -> Party {
        let play = &self.plays[&play];
        match role {
            Role::Inside(index) => Party::Extension(play.inside[usize::from(index)]),
            Role::Outside(index) => play.outside[usize::from(index)].clone(),
        }
    }

    /// Lets an act happen that creates a channel; returns false if it is none.
    fn open(&mut self, play: usize, act: Act) -> bool {
        let (slot, number) = match act {
            Act::Call(slot, from, to) => {
                let (from, to) = (self.party(play, from), self.party(play, to));
                let dialled = self.identity(&to);
                (slot, Some(self.originate(from, dialled)))
            }
            Act::Dial(slot, from, code) => {
                let from = self.party(play, from);
                let number = match code {
                    Code::PickUp => "*8".to_owned(),
                    Code::Retrieve => "71".to_owned(),
                    Code::Room => "900".to_owned(),
                    Code::Queue(queue) => self.queues[queue].number.to_owned(),
                };
                let dialled = Identity { number, name: String::new() };
                (slot, Some(self.originate(from, dialled)))
            }
            Act::Ring { caller, called, at: role } => {
                let party = self.party(play, role);
                (called, self.dial(self.channel_at(play, caller), party))
            }
            Act::RingOnBehalf { peer, called, at: role } => {
                let party = self.party(play, role);
                (called, self.ring_on_behalf(self.channel_at(play, peer), party))
            }
            _ => return false,
        };
        self.set_channel(play, slot, number);
        true
    }

    fn perform(&mut self, play: usize, act: Act) {
        if self.open(play, act) {
            return;
        }
        let at = |world: &Self, slot: Slot| world.channel_at(play, slot);
        let is_there = |world: &Self, slot: Slot| world.channels.contains_key(&at(world, slot));
        match act {
            Act::Answer { caller, called } => self.pick_up_phone(at(self, caller), at(self, called)),
            Act::HangUp(slot) => self.end_with_peer(at(self, slot)),
            Act::Stop(slot) => drop(self.end(at(self, slot))),
            Act::Hold(slot, is_holding) => {
                self.set_hold(at(self, slot), is_holding);
            }
            Act::Enqueue(slot, queue) => {
                self.enter_place(at(self, slot), Place::Queue(queue));
                self.note_queue_transfer(at(self, slot), queue);
            }
            Act::Leave(slot) => drop(self.leave_place(at(self, slot))),
            Act::Park { caller, by } => self.park_at(at(self, caller), at(self, by)),
            Act::Retrieve { caller, by } | Act::PickUp { caller, by }
                if is_there(self, caller) && is_there(self, by) =>
            {
                self.take_over(at(self, caller), at(self, by));
            }
            Act::SendOn { peer, by } if is_there(self, peer) && is_there(self, by) => {
                self.send_on(at(self, peer), at(self, by));
            }
            Act::HandOver { peer, first, second, colleague }
                if [peer, first, second, colleague].iter().all(|slot| is_there(self, *slot)) =>
            {
                self.hand_over(at(self, peer), at(self, first), at(self, second), at(self, colleague));
            }
            Act::Meet(slots, count) => {
                let all = slots.iter().take(usize::from(count)).map(|slot| at(self, *slot));
                let all: Vec<u32> = all.filter(|number| self.channels.contains_key(number)).collect();
                self.meet(&all);
            }
            Act::Gap(is_in_gap) => self.history.is_in_gap = is_in_gap,
            Act::Reload(is_reloading) => {
                self.is_reloading = is_reloading;
                if !is_reloading {
                    self.push(Audience::All, "serverReloaded", String::new());
                    self.publish_all();
                }
            }
            _ => {}
        }
    }

    /// A called party answers, perhaps as an agent of a queue.
    fn pick_up_phone(&mut self, caller: u32, called: u32) {
        let queue = self.queue_of(caller);
        let agent = self.channels.get(&called).and_then(|channel| channel.owner.extension());
        if self.connect(caller, called)
            && let (Some(queue), Some(agent)) = (queue, agent)
        {
            self.count_answered(queue, agent);
        }
    }

    /// An extension parks the caller that it talks to.
    fn park_at(&mut self, caller: u32, by: u32) {
        let parker = self.channels.get(&by).and_then(|channel| channel.owner.extension());
        if let (Some(slot), Some(parker)) = (self.free_slot(), parker)
            && self.channels.contains_key(&caller)
        {
            self.enter_place(caller, Place::Parking { slot, parker });
            self.point_nowhere(caller);
            self.end(by);
        }
    }

    /// Ends a channel, and the one that it talks to or rings if that is alone then.
    fn end_with_peer(&mut self, number: u32) {
        let (peers, ringing) = (self.peers(number), self.ringing(number));
        let Some(channel) = self.channels.get(&number) else { return };
        let is_caller = channel.is_caller;
        let has_rung = !channel.is_up;
        self.end(number);
        if let [peer] = *peers {
            self.end(peer);
        }
        if is_caller && (peers.is_empty() || has_rung) {
            for other in ringing {
                self.end(other);
            }
        }
    }

    /// A caller's own channel takes the place of the one that was called, or fetches a parked caller.
    fn take_over(&mut self, caller: u32, by: u32) {
        self.link(&[caller, by]);
        let rung: Vec<u32> = self.ringing(caller).into_iter().filter(|number| *number != by).collect();
        self.leave_place(caller);
        self.bridge(&[caller, by]);
        for number in rung {
            self.end(number);
        }
    }

    /// Channels meet in a conference.
    fn meet(&mut self, numbers: &[u32]) {
        for number in numbers {
            self.set_hold(*number, false);
            if let Some(channel) = self.channels.get_mut(number) {
                channel.is_in_conference = true;
            }
        }
        if let [alone] = *numbers {
            self.bridge(&[alone]);
            let now = self.wall();
            self.history.answered_alone(now, alone);
        } else {
            self.bridge(numbers);
        }
    }
}
