//! Scripts of calls: who does what, and when. Times vary with the seed.

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

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Script(usize);

type Write = fn(&mut Scene);

/// By name: how many of a thousand calls in the office are of this kind, and the script.
const SCRIPTS: [(&str, u16, Write); 44] = [
    ("internal", 120, internal),
    ("inbound", 150, inbound),
    ("outbound", 150, outbound),
    ("no-answer", 60, no_answer),
    ("outbound-no-answer", 40, outbound_no_answer),
    ("busy", 30, busy),
    ("queue", 120, queue),
    ("queue-abandoned", 40, queue_abandoned),
    ("queue-internal", 10, queue_internal),
    ("ring-group", 40, ring_group),
    ("ring-group-missed", 10, ring_group_missed),
    ("hold", 50, hold),
    ("hold-two-calls", 10, hold_two_calls),
    ("swap-two-calls", 5, swap_two_calls),
    ("blind-transfer", 30, blind_transfer),
    ("blind-transfer-by-caller", 5, blind_transfer_by_caller),
    ("blind-transfer-unanswered", 5, blind_transfer_unanswered),
    ("attended-transfer", 25, attended_transfer),
    ("attended-transfer-ringing", 5, attended_transfer_ringing),
    ("attended-transfer-outside", 5, attended_transfer_outside),
    ("consultation-returned", 10, consultation_returned),
    ("pick-up", 15, pick_up),
    ("park", 15, park),
    ("park-abandoned", 5, park_abandoned),
    ("conference", 5, conference),
    ("consultation-conference", 5, consultation_conference),
    ("two-calls-of-a-pair", 5, two_calls_of_a_pair),
    ("coalesced-ring", 10, coalesced_ring),
    ("coalesced-answer", 10, coalesced_answer),
    ("queue-overflow", 5, queue_overflow),
    ("queue-transfer", 5, queue_transfer),
    ("queue-pick-up", 5, queue_pick_up),
    ("park-returned", 5, park_returned),
    ("transfer-abandoned", 5, transfer_abandoned),
    ("transfer-twice", 5, transfer_twice),
    ("transfer-outside", 5, transfer_outside),
    ("hand-over-outside", 5, hand_over_outside),
    ("ring-group-pick-up", 5, ring_group_pick_up),
    ("gap", 0, gap),
    ("gap-over-the-end", 0, gap_over_the_end),
    ("gap-over-an-answer", 0, gap_over_an_answer),
    ("gap-over-a-transfer", 0, gap_over_a_transfer),
    ("gap-over-a-queue", 0, gap_over_a_queue),
    ("reload", 0, reload),
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

fn internal(scene: &mut Scene) {
    let (a, b) = scene.talk(A, B);
    scene.finish(a, b);
}

fn inbound(scene: &mut Scene) {
    let (x, a) = scene.talk(X, A);
    scene.finish(x, a);
}

fn outbound(scene: &mut Scene) {
    let (a, x) = scene.talk(A, X);
    scene.finish(a, x);
}

fn no_answer(scene: &mut Scene) {
    let from = if scene.rng.bool() { X } else { B };
    let (caller, _) = scene.begin(from, A);
    scene.wait(4..40);
    scene.hang_up(caller);
}

fn outbound_no_answer(scene: &mut Scene) {
    let (a, _) = scene.begin(A, X);
    scene.wait(4..40);
    scene.hang_up(a);
}

/// Nobody fetches the parked caller: the telephone that parked it rings.
fn park_returned(scene: &mut Scene) {
    let (caller, by) = scene.talk(X, A);
    scene.wait(3..20);
    scene.add(Act::Park { caller, by });
    scene.wait(44..46);
    scene.add(Act::Leave(caller));
    let again = scene.ring(caller, A);
    scene.wait(2..10);
    scene.add(Act::Answer { caller, called: again });
    scene.finish(caller, again);
}

/// The caller hangs up before the new telephone rings.
fn transfer_abandoned(scene: &mut Scene) {
    let (caller, by) = scene.talk(X, A);
    scene.wait(4..30);
    scene.add(Act::SendOn { peer: caller, by });
    scene.pause(20..2_000);
    scene.hang_up(caller);
}

fn transfer_twice(scene: &mut Scene) {
    let (caller, mut by) = scene.talk(X, A);
    for role in [B, C] {
        scene.wait(4..30);
        scene.add(Act::SendOn { peer: caller, by });
        scene.pause(20..2_000);
        by = scene.slot();
        scene.add(Act::RingOnBehalf { peer: caller, called: by, at: role });
        scene.wait(2..10);
        scene.add(Act::Answer { caller, called: by });
    }
    scene.finish(caller, by);
}

/// A call is sent on to a party outside: it goes on, but nobody sees it.
fn transfer_outside(scene: &mut Scene) {
    let (caller, by) = scene.talk(X, A);
    scene.wait(4..30);
    scene.add(Act::SendOn { peer: caller, by });
    scene.pause(20..2_000);
    let y = scene.slot();
    scene.add(Act::RingOnBehalf { peer: caller, called: y, at: Y });
    scene.wait(2..10);
    scene.add(Act::Answer { caller, called: y });
    scene.finish(caller, y);
}

/// A call is handed over to a party outside.
fn hand_over_outside(scene: &mut Scene) {
    let (peer, first) = scene.talk(X, A);
    scene.wait(2..20);
    let (second, colleague) = scene.consult(first, A, Y);
    scene.wait(2..10);
    scene.add(Act::Answer { caller: second, called: colleague });
    scene.wait(3..20);
    scene.add(Act::HandOver { peer, first, second, colleague });
    scene.finish(peer, colleague);
}

fn ring_group_pick_up(scene: &mut Scene) {
    let caller = scene.call(X, A);
    for role in [A, C] {
        scene.ring(caller, role);
    }
    scene.wait(3..12);
    let by = scene.dial(B, Code::PickUp);
    scene.pause(5..1_200);
    scene.add(Act::PickUp { caller, by });
    scene.finish(caller, by);
}

/// The called party is busy: it never rings, and the caller hears that for a while.
fn busy(scene: &mut Scene) {
    let to = if scene.rng.bool() { X } else { B };
    let a = scene.call(A, to);
    scene.wait(2..6);
    scene.hang_up(a);
}

/// Agents ring in turn, until one answers.
fn queue(scene: &mut Scene) {
    let x = scene.call(X, A);
    scene.add(Act::Enqueue(x, 0));
    let agents = [A, B, C];
    let misses = scene.rng.usize(0..4);
    for miss in 0..misses {
        scene.wait(1..4);
        let agent = scene.ring(x, agents[miss % 3]);
        scene.wait(4..15);
        scene.add(Act::Stop(agent));
    }
    scene.wait(1..4);
    let agent = scene.ring(x, agents[misses % 3]);
    scene.wait(2..10);
    scene.add(Act::Answer { caller: x, called: agent });
    scene.finish(x, agent);
}

fn queue_abandoned(scene: &mut Scene) {
    let x = scene.call(X, A);
    scene.add(Act::Enqueue(x, 1));
    scene.wait(3..20);
    if scene.rng.bool() {
        let agent = scene.ring(x, A);
        scene.wait(4..15);
        if scene.rng.bool() {
            scene.add(Act::Stop(agent));
            scene.wait(4..15);
        }
    }
    scene.hang_up(x);
}

/// An extension calls a queue.
fn queue_internal(scene: &mut Scene) {
    let a = scene.dial(A, Code::Queue(0));
    scene.pause(20..800);
    scene.add(Act::Enqueue(a, 0));
    scene.wait(3..20);
    if scene.rng.bool() {
        let agent = scene.ring(a, B);
        scene.wait(2..10);
        scene.add(Act::Answer { caller: a, called: agent });
        return scene.finish(a, agent);
    }
    scene.hang_up(a);
}

/// Nobody answers in one queue, and the caller goes on to another.
fn queue_overflow(scene: &mut Scene) {
    let x = scene.call(X, A);
    scene.add(Act::Enqueue(x, 0));
    scene.wait(3..20);
    scene.add(Act::Leave(x));
    scene.pause(0..1_500);
    scene.add(Act::Enqueue(x, 1));
    scene.wait(1..4);
    let agent = scene.ring(x, A);
    scene.wait(2..10);
    scene.add(Act::Answer { caller: x, called: agent });
    scene.finish(x, agent);
}

/// A call is sent on to a queue.
fn queue_transfer(scene: &mut Scene) {
    let (caller, by) = scene.talk(X, A);
    scene.wait(4..30);
    scene.add(Act::SendOn { peer: caller, by });
    scene.pause(20..2_000);
    scene.add(Act::Enqueue(caller, 1));
    scene.wait(3..20);
    if scene.rng.bool() {
        let agent = scene.ring(caller, B);
        scene.wait(2..10);
        scene.add(Act::Answer { caller, called: agent });
        return scene.finish(caller, agent);
    }
    scene.hang_up(caller);
}

/// A colleague takes the call that rings at an agent.
fn queue_pick_up(scene: &mut Scene) {
    let caller = scene.call(X, A);
    scene.add(Act::Enqueue(caller, 0));
    scene.wait(2..5);
    scene.ring(caller, A);
    scene.wait(3..12);
    let by = scene.dial(B, Code::PickUp);
    scene.pause(5..1_200);
    scene.add(Act::PickUp { caller, by });
    scene.finish(caller, by);
}

fn ring_group(scene: &mut Scene) {
    let from = if scene.rng.bool() { X } else { D };
    let caller = scene.call(from, A);
    scene.pause(20..800);
    let called = [scene.ring(caller, A), scene.ring(caller, B), scene.ring(caller, C)];
    scene.wait(2..20);
    let one = called[scene.rng.usize(0..3)];
    scene.add(Act::Answer { caller, called: one });
    scene.finish(caller, one);
}

fn ring_group_missed(scene: &mut Scene) {
    let caller = scene.call(X, A);
    for role in [A, B, C] {
        scene.ring(caller, role);
    }
    scene.wait(4..30);
    scene.hang_up(caller);
}

fn hold(scene: &mut Scene) {
    let from = if scene.rng.bool() { X } else { B };
    let (caller, called) = scene.talk(from, A);
    let holder = if from == B && scene.rng.bool() { caller } else { called };
    for _ in 0..scene.rng.u8(1..4) {
        scene.wait(2..20);
        scene.add(Act::Hold(holder, true));
        scene.wait(2..20);
        if scene.rng.u8(0..5) == 0 {
            // The held party loses patience.
            return scene.hang_up(if holder == called { caller } else { called });
        }
        scene.add(Act::Hold(holder, false));
    }
    scene.finish(caller, called);
}

/// A second call comes in while the first is held.
fn hold_two_calls(scene: &mut Scene) {
    let (x, first) = scene.talk(X, A);
    scene.wait(2..20);
    let (y, second) = scene.begin(Y, A);
    scene.wait(2..6);
    scene.add(Act::Hold(first, true));
    scene.pause(0..3_000);
    scene.add(Act::Answer { caller: y, called: second });
    scene.finish(y, second);
    scene.wait(1..5);
    scene.add(Act::Hold(first, false));
    scene.finish(x, first);
}

/// Somebody talks in two calls by turns.
fn swap_two_calls(scene: &mut Scene) {
    let (x, first) = scene.talk(X, A);
    scene.add(Act::Hold(first, true));
    let (second, b) = scene.talk(A, B);
    for _ in 0..scene.rng.u8(1..4) {
        scene.wait(2..10);
        scene.add(Act::Hold(second, true));
        scene.pause(0..1_500);
        scene.add(Act::Hold(first, false));
        scene.wait(2..10);
        scene.add(Act::Hold(first, true));
        scene.pause(0..1_500);
        scene.add(Act::Hold(second, false));
    }
    scene.finish(second, b);
    scene.wait(1..5);
    scene.add(Act::Hold(first, false));
    scene.finish(x, first);
}

fn blind_transfer(scene: &mut Scene) {
    let from = if scene.rng.bool() { X } else { D };
    let (caller, by) = scene.talk(from, A);
    scene.wait(4..30);
    scene.add(Act::SendOn { peer: caller, by });
    scene.pause(20..2_000);
    let b = scene.slot();
    scene.add(Act::RingOnBehalf { peer: caller, called: b, at: B });
    scene.wait(2..10);
    scene.add(Act::Answer { caller, called: b });
    scene.finish(caller, b);
}

fn blind_transfer_by_caller(scene: &mut Scene) {
    let to = if scene.rng.bool() { X } else { D };
    let (by, peer) = scene.talk(A, to);
    scene.wait(4..30);
    scene.add(Act::SendOn { peer, by });
    scene.pause(20..2_000);
    let b = scene.slot();
    scene.add(Act::RingOnBehalf { peer, called: b, at: B });
    scene.wait(2..10);
    scene.add(Act::Answer { caller: peer, called: b });
    scene.finish(peer, b);
}

fn blind_transfer_unanswered(scene: &mut Scene) {
    let (caller, by) = scene.talk(X, A);
    scene.wait(4..30);
    scene.add(Act::SendOn { peer: caller, by });
    scene.pause(20..2_000);
    let b = scene.slot();
    scene.add(Act::RingOnBehalf { peer: caller, called: b, at: B });
    scene.wait(4..30);
    scene.hang_up(caller);
}

fn attended_transfer(scene: &mut Scene) {
    let from = if scene.rng.bool() { X } else { D };
    let (peer, first) = scene.talk(from, A);
    scene.wait(2..20);
    let (second, colleague) = scene.consult(first, A, B);
    scene.wait(2..10);
    scene.add(Act::Answer { caller: second, called: colleague });
    scene.wait(3..20);
    scene.add(Act::HandOver { peer, first, second, colleague });
    scene.finish(peer, colleague);
}

/// The call is handed over while the colleague rings.
fn attended_transfer_ringing(scene: &mut Scene) {
    let (peer, first) = scene.talk(X, A);
    scene.wait(2..20);
    let (second, colleague) = scene.consult(first, A, B);
    scene.wait(2..6);
    scene.add(Act::HandOver { peer, first, second, colleague });
    scene.wait(2..6);
    scene.add(Act::Answer { caller: peer, called: colleague });
    scene.finish(peer, colleague);
}

/// Somebody who has called outside hands over to a colleague.
fn attended_transfer_outside(scene: &mut Scene) {
    let (first, peer) = scene.talk(A, X);
    scene.wait(2..20);
    let (second, colleague) = scene.consult(first, A, B);
    scene.wait(2..10);
    scene.add(Act::Answer { caller: second, called: colleague });
    scene.wait(3..20);
    scene.add(Act::HandOver { peer, first, second, colleague });
    scene.finish(peer, colleague);
}

/// The colleague is asked, and the call stays.
fn consultation_returned(scene: &mut Scene) {
    let (x, first) = scene.talk(X, A);
    scene.wait(2..20);
    let (second, colleague) = scene.consult(first, A, B);
    scene.wait(2..10);
    if scene.rng.bool() {
        scene.add(Act::Answer { caller: second, called: colleague });
        scene.wait(3..20);
    }
    scene.hang_up(second);
    scene.wait(1..5);
    scene.add(Act::Hold(first, false));
    scene.finish(x, first);
}

fn pick_up(scene: &mut Scene) {
    let from = if scene.rng.bool() { X } else { D };
    let (caller, _) = scene.begin(from, A);
    scene.wait(3..12);
    let by = scene.dial(B, Code::PickUp);
    scene.pause(5..1_200);
    scene.add(Act::PickUp { caller, by });
    scene.finish(caller, by);
}

fn park(scene: &mut Scene) {
    let (caller, by) = scene.talk(X, A);
    scene.wait(3..20);
    scene.add(Act::Park { caller, by });
    scene.wait(4..40);
    let by = scene.dial(B, Code::Retrieve);
    scene.pause(5..1_200);
    scene.add(Act::Retrieve { caller, by });
    scene.finish(caller, by);
}

fn park_abandoned(scene: &mut Scene) {
    let (caller, by) = scene.talk(X, A);
    scene.wait(3..20);
    scene.add(Act::Park { caller, by });
    scene.wait(4..40);
    scene.hang_up(caller);
}

/// Three dial the same room.
fn conference(scene: &mut Scene) {
    let mut all = [0; 4];
    for (count, role) in (1..).zip([A, B, C]) {
        let slot = scene.dial(role, Code::Room);
        all[usize::from(count) - 1] = slot;
        scene.pause(50..1_000);
        scene.add(Act::Meet(all, count));
        scene.wait(2..10);
    }
    for slot in [all[1], all[0], all[2]] {
        scene.wait(4..30);
        scene.add(Act::Stop(slot));
    }
}

/// A consultation becomes a conference of three.
fn consultation_conference(scene: &mut Scene) {
    let (x, first) = scene.talk(X, A);
    scene.wait(2..20);
    let (second, colleague) = scene.consult(first, A, B);
    scene.wait(2..10);
    scene.add(Act::Answer { caller: second, called: colleague });
    scene.wait(3..20);
    scene.add(Act::Meet([x, first, second, colleague], 4));
    scene.wait(5..30);
    for slot in [colleague, second] {
        scene.add(Act::Stop(slot));
    }
    scene.finish(x, first);
}

fn two_calls_of_a_pair(scene: &mut Scene) {
    let (a, b) = scene.talk(A, B);
    scene.wait(2..10);
    let (second, other) = if scene.rng.bool() { scene.begin(B, A) } else { scene.begin(A, B) };
    scene.wait(3..8);
    if scene.rng.bool() {
        scene.add(Act::Answer { caller: second, called: other });
        scene.wait(3..20);
    }
    scene.hang_up(second);
    scene.finish(a, b);
}

/// A ring that ends before it is shown, and one that does not.
fn coalesced_ring(scene: &mut Scene) {
    let (x, a) = scene.begin(X, A);
    scene.pause(1..60);
    scene.add(Act::Stop(a));
    if scene.rng.bool() {
        let b = scene.ring(x, B);
        scene.wait(2..20);
        scene.add(Act::Answer { caller: x, called: b });
        return scene.finish(x, b);
    }
    scene.wait(2..9);
    scene.hang_up(x);
}

/// A telephone that answers by itself.
fn coalesced_answer(scene: &mut Scene) {
    let from = if scene.rng.bool() { X } else { B };
    let (caller, called) = scene.begin(from, A);
    scene.pause(1..60);
    scene.add(Act::Answer { caller, called });
    scene.finish(caller, called);
}

fn gap(scene: &mut Scene) {
    let (x, a) = scene.talk(X, A);
    scene.wait(4..20);
    scene.add(Act::Gap(true));
    scene.wait(2..200);
    scene.add(Act::Gap(false));
    scene.finish(x, a);
}

fn gap_over_the_end(scene: &mut Scene) {
    let (a, b) = scene.talk(A, B);
    scene.wait(4..20);
    scene.add(Act::Gap(true));
    scene.wait(2..20);
    scene.hang_up(a);
    scene.wait(2..200);
    if scene.rng.bool() {
        // Another call of the same pair.
        let (a, b) = scene.talk(A, B);
        scene.wait(2..20);
        scene.add(Act::Gap(false));
        return scene.finish(a, b);
    }
    let _ = b;
    scene.add(Act::Gap(false));
}

fn gap_over_an_answer(scene: &mut Scene) {
    let from = if scene.rng.bool() { X } else { B };
    let (caller, called) = scene.begin(from, A);
    scene.wait(2..10);
    scene.add(Act::Gap(true));
    scene.wait(1..10);
    scene.add(Act::Answer { caller, called });
    scene.wait(2..20);
    scene.add(Act::Gap(false));
    scene.finish(caller, called);
}

fn gap_over_a_transfer(scene: &mut Scene) {
    let (caller, by) = scene.talk(X, A);
    scene.wait(4..20);
    scene.add(Act::Gap(true));
    scene.wait(1..10);
    scene.add(Act::SendOn { peer: caller, by });
    scene.pause(20..2_000);
    let b = scene.slot();
    scene.add(Act::RingOnBehalf { peer: caller, called: b, at: B });
    scene.wait(2..10);
    if scene.rng.bool() {
        scene.add(Act::Gap(false));
        scene.wait(1..5);
        scene.add(Act::Answer { caller, called: b });
    } else {
        scene.add(Act::Answer { caller, called: b });
        scene.wait(1..5);
        scene.add(Act::Gap(false));
    }
    scene.finish(caller, b);
}

fn gap_over_a_queue(scene: &mut Scene) {
    let x = scene.call(X, A);
    scene.add(Act::Enqueue(x, 0));
    scene.wait(2..10);
    scene.add(Act::Gap(true));
    scene.wait(2..10);
    if scene.rng.bool() {
        let agent = scene.ring(x, A);
        scene.wait(2..10);
        scene.add(Act::Answer { caller: x, called: agent });
        scene.wait(2..10);
        scene.add(Act::Gap(false));
        return scene.finish(x, agent);
    }
    if scene.rng.bool() {
        scene.hang_up(x);
    }
    scene.wait(2..10);
    scene.add(Act::Gap(false));
    scene.wait(2..10);
    scene.hang_up(x);
}

/// Somebody applies the configuration in the middle of a call.
fn reload(scene: &mut Scene) {
    let from = if scene.rng.bool() { X } else { B };
    let (caller, called) = scene.begin(from, A);
    let answers = scene.rng.bool();
    if !answers {
        scene.wait(2..10);
        scene.add(Act::Answer { caller, called });
    }
    scene.wait(2..10);
    scene.add(Act::Reload(true));
    scene.pause(200..5_000);
    if answers {
        scene.add(Act::Answer { caller, called });
        scene.pause(200..5_000);
    }
    scene.add(Act::Reload(false));
    scene.finish(caller, called);
}

impl World {
    /// Runs a script with parties that are free; does nothing if there are too few.
    pub(crate) fn play(&mut self, script: Script) {
        let (_, _, write) = SCRIPTS[script.0];
        let mut scene = Scene { acts: Vec::new(), now: 0, slots: 0, rng: self.rng.fork() };
        write(&mut scene);
        let mut inside = Vec::new();
        for _ in 0..4 {
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
