//! Callers waiting in a queue, and unanswered calls.

use serde_json::json;

use super::{
    World,
    call::Party,
    steps::{SECOND, Step},
    view::text,
};
use crate::profile::Audience;

impl World {
    pub(super) fn ring_agent(&mut self, id: u32) {
        let Some(call) = self.calls.get(&id).filter(|call| !call.answered) else { return };
        let Some(queue) = call.queue else { return };
        let ready: Vec<usize> = self.queues[queue]
            .members
            .iter()
            .filter(|member| !member.paused)
            .map(|member| member.extension)
            .collect();
        let Some(agent) = self.free(&ready) else {
            let after = self.seconds(2..6);
            return self.schedule(after, Step::RingAgent(id));
        };
        let leg = self.leg();
        if let Some(call) = self.calls.get_mut(&id) {
            call.to = Some(Party::Extension(agent));
            call.dest = leg;
        }
        self.publish_call(id);
        self.announce_ringing(id);
        let (answered, after) = (self.rng.u8(0..10) < 8, self.seconds(2..10));
        self.schedule(after, if answered { Step::Answer(id) } else { Step::NoAnswer(id) });
    }

    pub(super) fn no_answer(&mut self, id: u32) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| !call.answered) else { return };
        if call.queue.is_some() {
            let rung = call.clone();
            call.to = None;
            if let Some(Party::Extension(agent)) = rung.to {
                self.publish_extension(agent);
                self.announce_hang_up(agent, &rung, "no_answer");
            }
            self.publish_call(id);
            return self.schedule(SECOND, Step::RingAgent(id));
        }
        let consults_for = call.consults_for;
        let called = match call.to {
            Some(Party::Extension(index)) => Some(index),
            _ => None,
        };
        self.hang_up(id, "no_answer");
        if let Some(held) = consults_for {
            return self.hold(held, false);
        }
        if let Some(index) = called
            && self.rng.bool()
        {
            self.leave_message(index);
        }
    }

    fn leave_message(&mut self, index: usize) {
        let extension = &mut self.extensions[index];
        let Some((new, old)) = &mut extension.mailbox else { return };
        *new += 1;
        let (new, old, number) = (new.to_string(), old.to_string(), extension.number.clone());
        let counter = json!({"voicemail": number, "counter": new});
        self.push(Audience::All, "newVoiceMessageCounter", text(&counter));
        self.notify(index, "updateNewVoiceMessages", text(&json!({number: {"inbox": new, "old": old}})));
    }

    pub(super) fn give_up(&mut self, id: u32) {
        let Some(call) = self.calls.get(&id).filter(|call| !call.answered) else { return };
        let Some(queue) = call.queue else { return };
        self.queues[queue].abandoned += 1;
        self.hang_up(id, "normal_clearing");
        self.publish_queue(queue);
    }

    pub(super) fn count_answered(&mut self, queue: usize, agent: usize) {
        let now = self.wall() / 1000;
        let taken = self.queues[queue].members.iter().position(|member| member.extension == agent);
        self.queues[queue].completed += 1;
        if let Some(place) = taken {
            let member = &mut self.queues[queue].members[place];
            member.calls += 1;
            member.last_call = now;
            self.publish_member(queue, place);
        }
    }
}
