//! A small office with telephones: state, and the events its changes cause. Pure: no clock, no I/O.
//!
//! Everything follows from the seed. Steps lie on an agenda in the office's own time; [`World::advance`]
//! takes those that are due. The office may live faster than we do, but the times it writes into its
//! events are ours, so a call of three minutes then shows the second that it took.

mod beginning;
mod call;
mod cast;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod conformance;
mod conversation;
mod oddity;
mod progress;
mod queueing;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod recordings;
mod snapshot;
mod story;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
mod view;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

use fastrand::Rng;
use serde_json::json;

use self::{
    call::Call,
    cast::{Extension, PARKINGS, Queue, Trunk},
    story::Step,
    view::text,
};
use super::{profile::Audience, reply::quoted};

/// Events per second of the office's own time, on average: what divides a wanted rate.
pub(super) const NATURAL_RATE: f64 = 1.25;

/// Something the PBX sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) audience: Audience,
    pub(super) name: &'static str,
    /// JSON texts of the arguments, separated by commas; empty for none.
    pub(super) args: String,
}

impl Event {
    /// The text of the Socket.IO packet.
    pub(super) fn packet(&self) -> String {
        packet(self.name, &self.args)
    }
}

/// The text of a Socket.IO event packet; `args` as in [`Event::args`].
pub(super) fn packet(name: &str, args: &str) -> String {
    let comma = if args.is_empty() { "" } else { "," };
    format!("42[{}{comma}{args}]", quoted(name))
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct World {
    extensions: Vec<Extension>,
    queues: Vec<Queue>,
    trunks: Vec<Trunk>,
    calls: BTreeMap<u32, Call>,
    next_call: u32,
    next_leg: u32,
    /// Due time in the office's milliseconds, and a running number that keeps ties in order.
    agenda: BinaryHeap<Reverse<(u64, u64, Step)>>,
    scheduled: u64,
    rng: Rng,
    /// Office milliseconds since the beginning.
    now: u64,
    /// Unix milliseconds at the beginning.
    began: i64,
    /// Office time per real time.
    tempo: f64,
    events: Vec<Event>,
}

impl World {
    /// `began` is Unix milliseconds; at tempo 1 some [`NATURAL_RATE`] events happen per second.
    pub(super) fn new(seed: u64, began: i64, tempo: f64) -> Self {
        let mut world = Self {
            extensions: cast::extensions(),
            queues: cast::queues(),
            trunks: cast::trunks(),
            calls: BTreeMap::new(),
            next_call: 1,
            next_leg: 1,
            agenda: BinaryHeap::new(),
            scheduled: 0,
            rng: Rng::with_seed(seed),
            now: 0,
            began,
            tempo,
            events: Vec::new(),
        };
        world.begin();
        world
    }

    /// How long after the beginning, in real time, the next step is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let Reverse((due, ..)) = self.agenda.peek()?;
        Some(Duration::from_millis(*due).div_f64(self.tempo))
    }

    /// Takes the next step, if it is due at `elapsed` (real time since the beginning), and appends
    /// its events to `out`. False if none is due.
    pub(super) fn advance(&mut self, elapsed: Duration, out: &mut Vec<Event>) -> bool {
        if self.next_due().is_none_or(|due| due > elapsed) {
            return false;
        }
        let Some(Reverse((due, _, step))) = self.agenda.pop() else { return false };
        self.now = due;
        self.take(&step);
        out.append(&mut self.events);
        true
    }

    /// Real time now, in Unix milliseconds.
    fn wall(&self) -> i64 {
        let passed = Duration::from_millis(self.now).div_f64(self.tempo).as_millis();
        self.began.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }

    fn schedule(&mut self, after_ms: u64, step: Step) {
        self.scheduled += 1;
        self.agenda.push(Reverse((self.now + after_ms, self.scheduled, step)));
    }

    fn push(&mut self, audience: Audience, name: &'static str, args: String) {
        self.events.push(Event { audience, name, args });
    }

    /// An extension changed: its state, and its owner's presence, even if that stays the same.
    fn publish_extension(&mut self, index: usize) {
        self.push(Audience::All, "extenUpdate", self.extension_json(index));
        if let Some(username) = self.extensions[index].username {
            let status = self.main_presence(index);
            let mut presence = json!({"username": username, "status": status});
            if status == "callforward" {
                presence["to"] = json!(self.extensions[index].forward);
            }
            self.push(Audience::All, "userMainPresenceUpdate", text(&json!({"mainPresence": presence})));
        }
    }

    fn main_presence(&self, index: usize) -> &'static str {
        match self.status(index) {
            "online" => self.extensions[index].presence().0,
            "onhold" => "busy",
            other => other,
        }
    }

    fn publish_trunk(&mut self, index: usize) {
        self.push(Audience::Presence, "trunkUpdate", self.trunk_json(index));
    }

    fn publish_queue(&mut self, index: usize) {
        self.push(Audience::Queues, "queueUpdate", self.queue_json(index));
    }

    fn publish_member(&mut self, queue: usize, place: usize) {
        self.push(Audience::Queues, "queueMemberUpdate", text(&self.member(queue, place)));
    }

    fn publish_parking(&mut self, slot: usize) {
        self.push(Audience::Parkings, "parkingUpdate", self.parking_json(slot));
    }

    /// To the owner of an extension only.
    fn notify(&mut self, index: usize, name: &'static str, args: String) {
        if let Some(owner) = self.extensions[index].username {
            self.push(Audience::Owner(owner.to_owned()), name, args);
        }
    }

    /// Everything at once, as after a reload of the server.
    fn publish_all(&mut self) {
        (0..self.extensions.len()).for_each(|index| self.publish_extension(index));
        (0..self.trunks.len()).for_each(|index| self.publish_trunk(index));
        (0..self.queues.len()).for_each(|index| self.publish_queue(index));
        (0..PARKINGS.len()).for_each(|slot| self.publish_parking(slot));
    }
}
