//! Callers waiting in a queue, and unanswered calls.

use serde_json::json;

use super::{
    World,
    channel::{Party, Place},
    steps::{SECOND, Step},
    view::text,
};
use crate::profile::Audience;

impl World {
    pub(super) fn ring_agent(&mut self, id: u32) {
        let Some(queue) = self.queue_of(id) else { return };
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
        self.dial(id, Party::Extension(agent));
        self.publish_call(id);
        self.announce_ringing(id);
        let (answered, after) = (self.rng.u8(0..10) < 8, self.seconds(2..10));
        self.schedule(after, if answered { Step::Answer(id) } else { Step::NoAnswer(id) });
    }

    /// The queue that a caller waits in; `None` if it waits in none.
    pub(super) fn queue_of(&self, id: u32) -> Option<usize> {
        match self.channels.get(&id)?.place? {
            Place::Queue(queue) => Some(queue),
            Place::Parking { .. } => None,
        }
    }

    pub(super) fn no_answer(&mut self, id: u32) {
        let Some(caller) = self.channels.get(&id).filter(|channel| channel.bridge.is_none()) else { return };
        let (consults_for, other) = (caller.consults_for, self.identity(&caller.owner));
        let called = self.called(id).and_then(|party| party.extension());
        if self.queue_of(id).is_some() {
            for rung in self.ringing(id) {
                self.end(rung);
            }
            if let Some(agent) = called {
                self.publish_extension(agent);
                self.announce_hang_up(agent, &other.number, "no_answer");
            }
            self.publish_call(id);
            return self.schedule(SECOND, Step::RingAgent(id));
        }
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
        let Some(queue) = self.queue_of(id) else { return };
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
