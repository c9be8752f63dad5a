//! Calls of which a part is not seen.

use super::{A, B, Scene, X};
use crate::world::acts::Act;

pub(super) fn gap(scene: &mut Scene) {
    let (x, a) = scene.talk(X, A);
    scene.wait(4..20);
    scene.add(Act::Gap(true));
    scene.wait(2..200);
    scene.add(Act::Gap(false));
    scene.finish(x, a);
}

pub(super) fn gap_over_the_end(scene: &mut Scene) {
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

pub(super) fn gap_over_an_answer(scene: &mut Scene) {
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

pub(super) fn gap_over_a_transfer(scene: &mut Scene) {
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

pub(super) fn gap_over_a_queue(scene: &mut Scene) {
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
pub(super) fn reload(scene: &mut Scene) {
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
