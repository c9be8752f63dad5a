//! Scripts of calls: who does what, and when. Times vary with the seed.

mod basic;
mod gaps;
mod meetings;
mod queues;
mod transfers;

use std::{ops::Range, time::Duration};

use fastrand::Rng;

use super::{
    World,
    acts::{Act, Code, Play, Role, Slot},
    steps::{SECOND, Step},
};

const A: Role = Role::Inside(0);
const B: Role = Role::Inside(1);
const C: Role = Role::Inside(2);
const D: Role = Role::Inside(3);
const X: Role = Role::Outside(0);
const Y: Role = Role::Outside(1);

/// Number of extensions that a script has at its disposal.
const CAST: usize = 4;

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Script(usize);

type Write = fn(&mut Scene);

/// By name: how many of a thousand calls in the office are of this kind, and the script.
const SCRIPTS: [(&str, u16, Write); 44] = [
    ("internal", 120, basic::internal),
    ("inbound", 150, basic::inbound),
    ("outbound", 150, basic::outbound),
    ("no-answer", 60, basic::no_answer),
    ("outbound-no-answer", 40, basic::outbound_no_answer),
    ("busy", 30, basic::busy),
    ("queue", 120, queues::queue),
    ("queue-abandoned", 40, queues::queue_abandoned),
    ("queue-internal", 10, queues::queue_internal),
    ("ring-group", 40, basic::ring_group),
    ("ring-group-missed", 10, basic::ring_group_missed),
    ("hold", 50, basic::hold),
    ("hold-two-calls", 10, basic::hold_two_calls),
    ("swap-two-calls", 5, basic::swap_two_calls),
    ("blind-transfer", 30, transfers::blind_transfer),
    ("blind-transfer-by-caller", 5, transfers::blind_transfer_by_caller),
    ("blind-transfer-unanswered", 5, transfers::blind_transfer_unanswered),
    ("attended-transfer", 25, transfers::attended_transfer),
    ("attended-transfer-ringing", 5, transfers::attended_transfer_ringing),
    ("attended-transfer-outside", 5, transfers::attended_transfer_outside),
    ("consultation-returned", 10, transfers::consultation_returned),
    ("pick-up", 15, meetings::pick_up),
    ("park", 15, meetings::park),
    ("park-abandoned", 5, meetings::park_abandoned),
    ("conference", 5, meetings::conference),
    ("consultation-conference", 5, meetings::consultation_conference),
    ("two-calls-of-a-pair", 5, basic::two_calls_of_a_pair),
    ("coalesced-ring", 10, basic::coalesced_ring),
    ("coalesced-answer", 10, basic::coalesced_answer),
    ("queue-overflow", 5, queues::queue_overflow),
    ("queue-transfer", 5, queues::queue_transfer),
    ("queue-pick-up", 5, queues::queue_pick_up),
    ("park-returned", 5, meetings::park_returned),
    ("transfer-abandoned", 5, transfers::transfer_abandoned),
    ("transfer-twice", 5, transfers::transfer_twice),
    ("transfer-outside", 5, transfers::transfer_outside),
    ("hand-over-outside", 5, transfers::hand_over_outside),
    ("ring-group-pick-up", 5, meetings::ring_group_pick_up),
    ("gap", 0, gaps::gap),
    ("gap-over-the-end", 0, gaps::gap_over_the_end),
    ("gap-over-an-answer", 0, gaps::gap_over_an_answer),
    ("gap-over-a-transfer", 0, gaps::gap_over_a_transfer),
    ("gap-over-a-queue", 0, gaps::gap_over_a_queue),
    ("reload", 0, gaps::reload),
];

impl Script {
    /// Returns all scripts.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SCRIPTS.len()).map(Self)
    }

    /// Returns the script of this name; `None` if there is none.
    pub fn named(name: &str) -> Option<Self> {
        SCRIPTS.iter().position(|(known, ..)| *known == name).map(Self)
    }

    /// Returns its name.
    pub fn name(self) -> &'static str {
        SCRIPTS[self.0].0
    }

    /// Returns the names of those that a running simulator can play: it has no gaps but those of its connections.
    pub fn playable() -> impl Iterator<Item = &'static str> {
        Self::all().map(Self::name).filter(|name| !name.starts_with("gap"))
    }

    pub(super) fn draw(rng: &mut Rng) -> Self {
        let total = SCRIPTS.iter().map(|(_, share, _)| share).sum();
        let mut left = rng.u16(0..total);
        for (index, (_, share, _)) in SCRIPTS.iter().enumerate() {
            match left.checked_sub(*share) {
                Some(rest) => left = rest,
                None => return Self(index),
            }
        }
        Self(0)
    }
}

/// A script being written.
#[derive(Debug)]
struct Scene {
    /// With the time in milliseconds.
    acts: Vec<(u64, Act)>,
    now: u64,
    slots: Slot,
    rng: Rng,
}

impl Scene {
    fn add(&mut self, act: Act) {
        self.acts.push((self.now, act));
    }

    /// Waits for some seconds.
    fn wait(&mut self, seconds: Range<u64>) {
        self.now += self.rng.u64(seconds.start * SECOND..seconds.end * SECOND);
    }

    /// Waits for some milliseconds.
    fn pause(&mut self, millis: Range<u64>) {
        self.now += self.rng.u64(millis);
    }

    fn slot(&mut self) -> Slot {
        self.slots += 1;
        self.slots
    }

    fn call(&mut self, from: Role, to: Role) -> Slot {
        let slot = self.slot();
        self.add(Act::Call(slot, from, to));
        slot
    }

    fn dial(&mut self, from: Role, code: Code) -> Slot {
        let slot = self.slot();
        self.add(Act::Dial(slot, from, code));
        slot
    }

    fn ring(&mut self, caller: Slot, at: Role) -> Slot {
        let called = self.slot();
        self.add(Act::Ring { caller, called, at });
        called
    }

    /// A call that rings a moment after it was dialled.
    fn begin(&mut self, from: Role, to: Role) -> (Slot, Slot) {
        let caller = self.call(from, to);
        self.pause(20..800);
        (caller, self.ring(caller, to))
    }

    /// A call that is answered after some seconds.
    fn talk(&mut self, from: Role, to: Role) -> (Slot, Slot) {
        let (caller, called) = self.begin(from, to);
        self.wait(2..20);
        self.add(Act::Answer { caller, called });
        (caller, called)
    }

    fn hang_up(&mut self, slot: Slot) {
        self.add(Act::HangUp(slot));
    }

    /// One of two who talk hangs up, after a while.
    fn finish(&mut self, one: Slot, other: Slot) {
        self.wait(4..60);
        let first = if self.rng.bool() { one } else { other };
        self.hang_up(first);
    }

    /// A party calls one colleague while it holds another party. Returns its own channel and the colleague's.
    fn consult(&mut self, holding: Slot, from: Role, to: Role) -> (Slot, Slot) {
        self.add(Act::Hold(holding, true));
        self.wait(2..6);
        self.begin(from, to)
    }
}

impl World {
    /// Runs a script with parties that are free; does nothing if there are too few.
    pub(crate) fn play(&mut self, script: Script) {
        let (_, _, write) = SCRIPTS[script.0];
        let mut scene = Scene { acts: Vec::new(), now: 0, slots: 0, rng: self.rng.fork() };
        write(&mut scene);
        let mut inside = Vec::new();
        for _ in 0..CAST {
            let others: Vec<usize> = (0..self.extensions.len()).filter(|it| !inside.contains(it)).collect();
            let Some(index) = self.free(&others) else { return };
            inside.push(index);
        }
        let outside = (0..2).map(|_| self.external_caller()).collect();
        let play = self.next_play;
        self.next_play += 1;
        self.plays.insert(play, Play { inside, outside, channels: [0; 16] });
        for (at, act) in scene.acts {
            self.schedule(at, Step::Act(play, act));
        }
        self.schedule(scene.now, Step::Curtain(play));
    }

    /// Schedules a script for this moment, in real time since the start. Returns false if too few parties are free.
    pub(crate) fn cue(&mut self, elapsed: Duration, script: Script) -> bool {
        let free = (0..self.extensions.len()).filter(|index| self.is_free(*index));
        if free.count() < CAST {
            return false;
        }
        let now = u64::try_from(elapsed.mul_f64(self.tempo).as_millis()).unwrap_or(u64::MAX);
        self.schedule(now.saturating_sub(self.now), Step::Play(script));
        true
    }

    /// Schedules scripts at random.
    pub(crate) fn play_at_random(&mut self, every: Duration, duration: Duration) {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let (every, until) = (millis(every).max(2), millis(duration));
        let mut at = 0;
        while at < until {
            at += self.rng.u64(1..every * 2);
            let script = Script::draw(&mut self.rng);
            self.schedule(at, Step::Play(script));
        }
    }
}
