//! Two parties, hold, and rings that nobody sees.

use super::{A, B, C, D, Scene, X, Y};
use crate::world::acts::Act;

pub(super) fn internal(scene: &mut Scene) {
    let (a, b) = scene.talk(A, B);
    scene.finish(a, b);
}

pub(super) fn inbound(scene: &mut Scene) {
    let (x, a) = scene.talk(X, A);
    scene.finish(x, a);
}

pub(super) fn outbound(scene: &mut Scene) {
    let (a, x) = scene.talk(A, X);
    scene.finish(a, x);
}

pub(super) fn no_answer(scene: &mut Scene) {
    let from = if scene.rng.bool() { X } else { B };
    let (caller, _) = scene.begin(from, A);
    scene.wait(4..40);
    scene.hang_up(caller);
}

pub(super) fn outbound_no_answer(scene: &mut Scene) {
    let (a, _) = scene.begin(A, X);
    scene.wait(4..40);
    scene.hang_up(a);
}

/// The called party is busy: it never rings, and the caller hears that for a while.
pub(super) fn busy(scene: &mut Scene) {
    let to = if scene.rng.bool() { X } else { B };
    let a = scene.call(A, to);
    scene.wait(2..6);
    scene.hang_up(a);
}

pub(super) fn ring_group(scene: &mut Scene) {
    let from = if scene.rng.bool() { X } else { D };
    let caller = scene.call(from, A);
    scene.pause(20..800);
    let called = [scene.ring(caller, A), scene.ring(caller, B), scene.ring(caller, C)];
    scene.wait(2..20);
    let one = called[scene.rng.usize(0..3)];
    scene.add(Act::Answer { caller, called: one });
    scene.finish(caller, one);
}

pub(super) fn ring_group_missed(scene: &mut Scene) {
    let caller = scene.call(X, A);
    for role in [A, B, C] {
        scene.ring(caller, role);
    }
    scene.wait(4..30);
    scene.hang_up(caller);
}

pub(super) fn hold(scene: &mut Scene) {
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
pub(super) fn hold_two_calls(scene: &mut Scene) {
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
pub(super) fn swap_two_calls(scene: &mut Scene) {
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

pub(super) fn two_calls_of_a_pair(scene: &mut Scene) {
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
pub(super) fn coalesced_ring(scene: &mut Scene) {
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
pub(super) fn coalesced_answer(scene: &mut Scene) {
    let from = if scene.rng.bool() { X } else { B };
    let (caller, called) = scene.begin(from, A);
    scene.pause(1..60);
    scene.add(Act::Answer { caller, called });
    scene.finish(caller, called);
}
