//! A simulated office with telephones: its state, and the events of each change. Pure: no clock, no I/O.
//!
//! The seed determines everything. Steps are scheduled in office time; [`World::advance`] runs those that are due. Office time
//! may run faster than real time, but events carry real times: a call of three office minutes may show a duration of one second.

mod acting;
mod acts;
mod beginning;
mod channel;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod conformance;
mod conversation;
mod history;
mod office;
mod places;
mod progress;
mod queueing;
mod quirks;
mod rare_events;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod recordings;
pub(crate) mod script;
mod snapshot;
mod steps;
mod telephony;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
mod transferring;
mod view;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    time::Duration,
};

use fastrand::Rng;
use serde_json::json;

use self::{
    acts::Play,
    channel::Channel,
    history::History,
    office::{Extension, PARKINGS, Queue, Trunk},
    quirks::{Entity, Quirks},
    steps::Step,
    view::text,
};
use super::{profile::Audience, reply::quoted};

/// The average number of events per second of office time. A wanted rate divided by it is the tempo.
pub(super) const NATURAL_RATE: f64 = 1.25;

/// An event that the PBX sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) audience: Audience,
    pub(super) name: &'static str,
    /// The arguments as JSON, separated by commas; empty without arguments.
    pub(super) args: String,
}

impl Event {
    /// Returns the Socket.IO packet.
    pub(super) fn packet(&self) -> String {
        packet(self.name, &self.args)
    }
}

/// Returns a Socket.IO event packet; `args` as in [`Event::args`].
pub(super) fn packet(name: &str, args: &str) -> String {
    let comma = if args.is_empty() { "" } else { "," };
    format!("42[{}{comma}{args}]", quoted(name))
}

/// The state of the office, and its scheduled steps.
#[derive(Debug, Clone)]
pub(super) struct World {
    extensions: Vec<Extension>,
    queues: Vec<Queue>,
    trunks: Vec<Trunk>,
    /// By number.
    channels: BTreeMap<u32, Channel>,
    next_channel: u32,
    next_bridge: u32,
    /// Scripts that run, by number.
    plays: BTreeMap<usize, Play>,
    next_play: usize,
    pub(super) quirks: Quirks,
    /// Entities whose state will be sent.
    unsent: BTreeSet<Entity>,
    /// The CTI server reads its configuration and sends nothing.
    is_reloading: bool,
    pub(super) history: History,
    /// Steps by due time in milliseconds of office time, and by a serial number that orders ties.
    schedule: BinaryHeap<Reverse<(u64, u64, Step)>>,
    scheduled: u64,
    rng: Rng,
    /// Office time since the start, in milliseconds.
    now: u64,
    /// Start time in Unix milliseconds.
    start: i64,
    /// The speed of office time relative to real time.
    tempo: f64,
    events: Vec<Event>,
}

impl World {
    /// Creates a world that starts at `start`, in Unix milliseconds. At tempo 1 it has about [`NATURAL_RATE`] events per second.
    pub(super) fn new(seed: u64, start: i64, tempo: f64) -> Self {
        let mut world = Self {
            extensions: office::extensions(),
            queues: office::queues(),
            trunks: office::trunks(),
            channels: BTreeMap::new(),
            next_channel: 1,
            next_bridge: 1,
            plays: BTreeMap::new(),
            next_play: 0,
            quirks: Quirks { is_hold_first: true, ..Quirks::default() },
            unsent: BTreeSet::new(),
            is_reloading: false,
            history: History::default(),
            schedule: BinaryHeap::new(),
            scheduled: 0,
            rng: Rng::with_seed(seed),
            now: 0,
            start,
            tempo,
            events: Vec::new(),
        };
        world.begin();
        world
    }

    /// Creates a world in which nothing happens by itself, at tempo 1.
    pub(super) fn idle(seed: u64, start: i64) -> Self {
        let mut world = Self::new(seed, start, 1.0);
        world.schedule.clear();
        world
    }

    /// Creates an idle world whose past is kept. The seed gives its CTI server habits.
    pub(super) fn rehearsal(seed: u64, start: i64) -> Self {
        let mut world = Self::idle(seed, start);
        world.quirks = Quirks::draw(seed);
        world.history.is_kept = true;
        world
    }

    /// Returns when the next step is due, in real time since the start; `None` if no step is scheduled.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let Reverse((due, ..)) = self.schedule.peek()?;
        Some(Duration::from_millis(*due).div_f64(self.tempo))
    }

    /// Runs the next step if it is due at `elapsed`, the real time since the start, and appends its events to `out`. Returns
    /// `false` if no step is due.
    pub(super) fn advance(&mut self, elapsed: Duration, out: &mut Vec<Event>) -> bool {
        if self.next_due().is_none_or(|due| due > elapsed) {
            return false;
        }
        let Some(Reverse((due, _, step))) = self.schedule.pop() else { return false };
        self.now = due;
        self.run(&step);
        out.append(&mut self.events);
        true
    }

    /// Returns the current real time in Unix milliseconds.
    fn wall(&self) -> i64 {
        let passed = Duration::from_millis(self.now).div_f64(self.tempo).as_millis();
        self.start.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }

    fn schedule(&mut self, after_ms: u64, step: Step) {
        self.scheduled += 1;
        self.schedule.push(Reverse((self.now + after_ms, self.scheduled, step)));
    }

    fn push(&mut self, audience: Audience, name: &'static str, args: String) {
        self.events.push(Event { audience, name, args });
    }

    /// Sends an extension's state, and its owner's presence even if that is unchanged, as the PBX does.
    fn send_extension(&mut self, index: usize) {
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
            "onhold" | "busy_ringing" => "busy",
            other => other,
        }
    }

    fn publish_extension(&mut self, index: usize) {
        self.publish(Entity::Extension(index));
    }

    fn publish_trunk(&mut self, index: usize) {
        self.publish(Entity::Trunk(index));
    }

    fn publish_queue(&mut self, index: usize) {
        self.publish(Entity::Queue(index));
    }

    fn publish_member(&mut self, queue: usize, place: usize) {
        self.push(Audience::Queues, "queueMemberUpdate", text(&self.member(queue, place)));
    }

    fn publish_parking(&mut self, slot: usize) {
        self.publish(Entity::Parking(slot));
    }

    /// Sends an event to the owner of an extension only.
    fn notify(&mut self, index: usize, name: &'static str, args: String) {
        if let Some(owner) = self.extensions[index].username {
            self.push(Audience::Owner(owner.to_owned()), name, args);
        }
    }

    /// Sends the complete state, as the PBX does after a reload.
    fn publish_all(&mut self) {
        let entities = (0..self.extensions.len()).map(Entity::Extension);
        let entities = entities.chain((0..self.trunks.len()).map(Entity::Trunk));
        let entities = entities.chain((0..self.queues.len()).map(Entity::Queue));
        let entities = entities.chain((0..PARKINGS.len()).map(Entity::Parking));
        for entity in entities.collect::<Vec<_>>() {
            self.publish_now(entity);
        }
    }
}
