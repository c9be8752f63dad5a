//! Calls through queues.

use super::{A, B, C, Scene, X};
use crate::world::acts::{Act, Code};

/// Agents ring in turn, until one answers.
pub(super) fn queue(scene: &mut Scene) {
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

pub(super) fn queue_abandoned(scene: &mut Scene) {
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
pub(super) fn queue_internal(scene: &mut Scene) {
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
pub(super) fn queue_overflow(scene: &mut Scene) {
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
pub(super) fn queue_transfer(scene: &mut Scene) {
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
pub(super) fn queue_pick_up(scene: &mut Scene) {
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
