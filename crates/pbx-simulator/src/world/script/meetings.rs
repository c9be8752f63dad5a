//! Calls that are picked up, parked, or become conferences.

use super::{A, B, C, D, Scene, X};
use crate::world::acts::{Act, Code};

pub(super) fn pick_up(scene: &mut Scene) {
    let from = if scene.rng.bool() { X } else { D };
    let (caller, _) = scene.begin(from, A);
    scene.wait(3..12);
    let by = scene.dial(B, Code::PickUp);
    scene.pause(5..1_200);
    scene.add(Act::PickUp { caller, by });
    scene.finish(caller, by);
}

pub(super) fn ring_group_pick_up(scene: &mut Scene) {
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

pub(super) fn park(scene: &mut Scene) {
    let (caller, by) = scene.talk(X, A);
    scene.wait(3..20);
    scene.add(Act::Park { caller, by });
    scene.wait(4..40);
    let by = scene.dial(B, Code::Retrieve);
    scene.pause(5..1_200);
    scene.add(Act::Retrieve { caller, by });
    scene.finish(caller, by);
}

pub(super) fn park_abandoned(scene: &mut Scene) {
    let (caller, by) = scene.talk(X, A);
    scene.wait(3..20);
    scene.add(Act::Park { caller, by });
    scene.wait(4..40);
    scene.hang_up(caller);
}

/// Nobody fetches the parked caller: the telephone that parked it rings.
pub(super) fn park_returned(scene: &mut Scene) {
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

/// Three dial the same room.
pub(super) fn conference(scene: &mut Scene) {
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
pub(super) fn consultation_conference(scene: &mut Scene) {
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
