//! Calls that are sent on or handed over.

use super::{A, B, C, D, Role, Scene, X, Y};
use crate::world::acts::{Act, Slot};

pub(super) fn blind_transfer(scene: &mut Scene) {
    let from = if scene.rng.bool() { X } else { D };
    let (caller, by) = scene.talk(from, A);
    send_on(scene, caller, by, B);
}

pub(super) fn blind_transfer_by_caller(scene: &mut Scene) {
    let to = if scene.rng.bool() { X } else { D };
    let (by, peer) = scene.talk(A, to);
    send_on(scene, peer, by, B);
}

/// A party sends the other one on to a third, who answers.
fn send_on(scene: &mut Scene, peer: Slot, by: Slot, to: Role) {
    scene.wait(4..30);
    scene.add(Act::SendOn { peer, by });
    scene.pause(20..2_000);
    let called = scene.slot();
    scene.add(Act::RingOnBehalf { peer, called, at: to });
    scene.wait(2..10);
    scene.add(Act::Answer { caller: peer, called });
    scene.finish(peer, called);
}

pub(super) fn blind_transfer_unanswered(scene: &mut Scene) {
    let (caller, by) = scene.talk(X, A);
    scene.wait(4..30);
    scene.add(Act::SendOn { peer: caller, by });
    scene.pause(20..2_000);
    let b = scene.slot();
    scene.add(Act::RingOnBehalf { peer: caller, called: b, at: B });
    scene.wait(4..30);
    scene.hang_up(caller);
}

/// The caller hangs up before the new telephone rings.
pub(super) fn transfer_abandoned(scene: &mut Scene) {
    let (caller, by) = scene.talk(X, A);
    scene.wait(4..30);
    scene.add(Act::SendOn { peer: caller, by });
    scene.pause(20..2_000);
    scene.hang_up(caller);
}

pub(super) fn transfer_twice(scene: &mut Scene) {
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
pub(super) fn transfer_outside(scene: &mut Scene) {
    let (caller, by) = scene.talk(X, A);
    send_on(scene, caller, by, Y);
}

pub(super) fn attended_transfer(scene: &mut Scene) {
    let from = if scene.rng.bool() { X } else { D };
    let (peer, first) = scene.talk(from, A);
    hand_over(scene, peer, first, B);
}

/// A party asks a third, who answers, and hands the call over.
fn hand_over(scene: &mut Scene, peer: Slot, first: Slot, to: Role) {
    scene.wait(2..20);
    let (second, colleague) = scene.consult(first, A, to);
    scene.wait(2..10);
    scene.add(Act::Answer { caller: second, called: colleague });
    scene.wait(3..20);
    scene.add(Act::HandOver { peer, first, second, colleague });
    scene.finish(peer, colleague);
}

/// The call is handed over while the colleague rings.
pub(super) fn attended_transfer_ringing(scene: &mut Scene) {
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
pub(super) fn attended_transfer_outside(scene: &mut Scene) {
    let (first, peer) = scene.talk(A, X);
    hand_over(scene, peer, first, B);
}

/// A call is handed over to a party outside.
pub(super) fn hand_over_outside(scene: &mut Scene) {
    let (peer, first) = scene.talk(X, A);
    hand_over(scene, peer, first, Y);
}

/// The colleague is asked, and the call stays.
pub(super) fn consultation_returned(scene: &mut Scene) {
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
