//! Orders and habits of a PBX that the tracker has to see through.

use calls::{Direction, LegState, Outcome, Step, TransferKind};
use event::Origin;
use serde_json::json;

use super::office::{Office, Talk, channel, inbound, talk};

/// Linked ids are unique ids of channels.
const FIRST: &str = "1795538000.1";

#[test]
fn the_caller_is_known_if_the_called_leg_is_seen_first() {
    let mut office = Office::new();
    let (a, b) = (channel("201", 1), channel("202", 2));
    let from = Talk { out: true, number: "202".to_owned(), ..talk(&a, &b, FIRST) };
    let to = Talk { number: "201".to_owned(), ..talk(&b, &a, FIRST) };
    office.talk("202", to.clone());
    office.talk("201", from.clone());
    office.wait(2000);
    office.talk("202", Talk { up: true, ..to });
    office.talk("201", Talk { up: true, ..from });
    assert_eq!(office.last(Step::Answered).direction, Direction::Internal);
    assert_eq!(office.last(Step::Answered).from.extension.as_deref(), Some("201"));
    office.hang_up("201", &a);
    office.hang_up("202", &b);
    office.finish();
    assert_eq!(office.steps(), ["started", "ringing 202", "answered 202", "ended answered"]);
}

#[test]
fn a_call_that_ends_on_hold_is_not_resumed() {
    let mut office = Office::new();
    let up = inbound(&mut office);
    office.hold("201", true);
    office.hide(|talks| talks.get_mut("201").unwrap().clear());
    office.hold("201", false);
    office.finish();
    assert_eq!(office.steps(), ["started", "ringing 201", "answered 201", "held 201", "ended answered"]);
    assert!(up.up);
}

#[test]
fn a_second_call_hides_whether_the_first_is_held() {
    let mut office = Office::new();
    let up = inbound(&mut office);
    office.hold("201", true);
    let dial = Talk { out: true, number: "202".to_owned(), ..talk(&channel("201", 5), "", "L2") };
    office.hide(|talks| talks.get_mut("201").unwrap().push(dial.clone()));
    office.hold("201", false);
    office.hang_up("201", &dial.own);
    office.hang_up("201", &up.own);
    office.finish();
    let steps = office.steps();
    assert_eq!(steps[3..6], ["held 201", "started", "resumed 201 ?"], "{steps:?}");
}

#[test]
fn a_call_is_handed_over_while_the_new_party_rings() {
    let mut office = Office::new();
    let up = inbound(&mut office);
    let (a, b) = (channel("201", 5), channel("202", 6));
    office.talk("201", Talk { out: true, number: "202".to_owned(), ..talk(&a, &b, "L2") });
    let ring = Talk { number: "201".to_owned(), ..talk(&b, &a, "L2") };
    office.talk("202", ring.clone());
    office.wait(3000);
    office.talk("202", Talk { linked: "L1".to_owned(), trunk: true, other: up.other, ..ring });
    office.hide(|talks| talks.get_mut("201").unwrap().clear());
    office.show("201");
    let transfer = office.last(Step::Transferred).transfer.clone().unwrap();
    assert_eq!((transfer.kind, transfer.to.extension.as_deref()), (TransferKind::Attended, Some("202")));
    office.hang_up("202", &b);
    office.finish();
}

#[test]
fn a_consultation_that_a_gap_hides_is_not_merged() {
    let mut office = Office::new();
    let up = inbound(&mut office);
    let (a, b) = (channel("201", 5), channel("202", 6));
    office.talk("201", Talk { out: true, number: "202".to_owned(), ..talk(&a, "", "L2") });
    // 202 is seen after the gap only, as a leg of the first call. A call given up, and a blind transfer, look the same.
    office.gap(5);
    office.hide(|talks| talks.get_mut("201").unwrap().clear());
    office.state_of("201", Origin::Snapshot);
    let ring = Talk { trunk: true, other: up.other, ..talk(&b, "", "L1") };
    office.hide(|talks| drop(talks.insert("202".to_owned(), vec![ring])));
    office.state_of("202", Origin::Snapshot);
    office.notice("resync.completed", &json!({"failed": []}));
    office.wait(3000);
    office.hang_up("202", &b);
    office.finish();
    let ends: Vec<_> = office.derived.iter().filter(|it| it.step == Step::Ended).collect();
    assert_eq!(ends.len(), 2);
    assert!(ends.iter().all(|it| !it.event.certain && it.event.into.is_none()));
    assert_eq!(ends[0].event.outcome, Some(Outcome::Unknown));
}

/// A snapshot lists extensions in any order, so the younger call may be seen first, and keeps its key.
#[test]
fn a_pick_up_is_an_answer_whichever_call_a_snapshot_shows_first() {
    let mut office = Office::new();
    office.gap(5);
    let pick_up = Talk { out: true, number: "*8".to_owned(), ..talk(&channel("203", 5), "", "L2") };
    let ring = Talk { trunk: true, ..talk(&channel("201", 2), &channel("trk", 1), "L1") };
    for (extension, talk) in [("203", &pick_up), ("201", &ring)] {
        office.hide(|talks| drop(talks.insert(extension.to_owned(), vec![talk.clone()])));
        office.state_of(extension, Origin::Snapshot);
    }
    office.notice("resync.completed", &json!({"failed": []}));
    let other = channel("trk", 1);
    office.talk("203", Talk { up: true, trunk: true, other, linked: "L1".to_owned(), ..pick_up.clone() });
    office.hang_up("201", &ring.own);
    assert_eq!(office.last(Step::Answered).to.extension.as_deref(), Some("203"));
    office.wait(9000);
    office.hang_up("203", &pick_up.own);
    office.finish();
    let ended = office.last(Step::Ended);
    assert_eq!((ended.outcome, ended.direction), (Some(Outcome::Answered), Direction::Inbound));
}

/// The younger call was answered, the older one was not: it is, once they are one.
#[test]
fn a_call_that_joins_brings_its_answer_along() {
    let mut office = Office::new();
    office.gap(5);
    let alone = |extension: &str, number, linked| Talk {
        out: true,
        number: "900".to_owned(),
        ..talk(&channel(extension, number), "", linked)
    };
    let (late, first) = (alone("205", 2, "L2"), Talk { up: true, ..alone("206", 1, "L1") });
    for (extension, talk) in [("205", &late), ("206", &first)] {
        office.hide(|talks| drop(talks.insert(extension.to_owned(), vec![talk.clone()])));
        office.state_of(extension, Origin::Snapshot);
    }
    office.notice("resync.completed", &json!({"failed": []}));
    office.wait(2000);
    office.talk("206", Talk { other: late.own.clone(), ..first.clone() });
    assert!(office.last(Step::Merged).answered_at.is_some());
    office.talk("205", Talk { up: true, other: first.own.clone(), linked: "L1".to_owned(), ..late.clone() });
    office.hang_up("205", &late.own);
    office.hang_up("206", &first.own);
    office.finish();
    let merged: Vec<_> = office.steps().into_iter().skip_while(|step| !step.starts_with("merged")).collect();
    assert_eq!(merged, ["merged ?", "ended merged ?", "joined 205 ?", "ended answered ?"]);
}

#[test]
fn an_extension_that_comes_back_keeps_its_call() {
    let mut office = Office::new();
    let ring = Talk { trunk: true, ..talk(&channel("201", 2), &channel("trk", 1), "L1") };
    for _ in 0..4 {
        office.receive("201", ring.clone());
    }
    office.notice("vanished", &json!({"subject": "extension/201"}));
    office.receive("201", ring.clone());
    office.wait(4000);
    assert_eq!(office.steps(), ["started", "ringing 201"]);
    office.hang_up("201", &ring.own);
    office.finish();
}

#[test]
fn an_ended_call_has_no_open_legs() {
    let mut office = Office::new();
    inbound(&mut office);
    let (a, b) = (channel("201", 5), channel("202", 6));
    office.talk("201", Talk { out: true, number: "202".to_owned(), ..talk(&a, &b, "L2") });
    office.talk("202", Talk { up: true, ..talk(&b, &a, "L2") });
    office.talk("202", Talk { up: true, ..talk(&b, &a, "L1") });
    let merged = office.last(Step::Ended);
    assert_eq!(merged.outcome, Some(Outcome::Merged));
    let legs: Vec<_> = merged.legs.iter().map(|leg| (leg.state, leg.outcome)).collect();
    assert_eq!(legs, [(LegState::Null, Some(Outcome::Unknown)), (LegState::Null, Some(Outcome::Answered))]);
    let goes_on = office.last(Step::Merged);
    assert_eq!(goes_on.legs.iter().filter(|leg| leg.state != LegState::Null).count(), 3);
}

#[test]
fn a_caller_goes_from_one_queue_to_another() {
    let mut office = Office::new();
    let caller = channel("trk", 1);
    office.queue("401", &[&caller]);
    office.queue("401", &[]);
    office.wait(1500);
    office.queue("402", &[&caller]);
    office.queue("402", &[]);
    office.finish();
    assert_eq!(office.steps(), ["started", "queued", "dequeued", "queued", "dequeued", "ended abandoned"]);
}

#[test]
fn a_call_is_sent_to_a_queue_that_shows_it_first() {
    let mut office = Office::new();
    let up = inbound(&mut office);
    office.queue("401", &[&up.other]);
    office.hang_up("201", &up.own);
    let transfer = office.last(Step::Transferred).transfer.clone().unwrap();
    assert_eq!((transfer.kind, transfer.to.number.as_deref()), (TransferKind::Blind, Some("401")));
    office.queue("401", &[]);
    office.finish();
}

#[test]
fn an_extension_that_waits_is_no_caller_from_outside() {
    let mut office = Office::new();
    // The caller's number is that of an outside party, as if it was masked.
    office.queue("401", &[&channel("203", 1)]);
    assert_eq!(office.last(Step::Queued).direction, Direction::Unknown);
    office.queue("401", &[]);
    office.finish();
}

#[test]
fn a_call_between_two_telephones_survives_a_gap() {
    let mut office = Office::new();
    let up = inbound(&mut office);
    office.hang_up("201", &up.own);
    office.gap(60);
    let b = Talk { trunk: true, up: true, ..talk(&channel("202", 3), &up.other, "L1") };
    office.hide(|talks| drop(talks.insert("202".to_owned(), vec![b.clone()])));
    office.state_of("202", Origin::Snapshot);
    office.notice("resync.completed", &json!({"failed": []}));
    office.hang_up("202", &b.own);
    office.finish();
    assert_eq!(office.steps().iter().filter(|step| step.starts_with("ended")).count(), 1);
    assert!(office.last(Step::Ended).ended_between.is_none(), "its end was seen");
}

#[test]
fn a_reload_hides_when_a_call_was_answered() {
    let mut office = Office::new();
    let own = channel("201", 2);
    let ring = Talk { trunk: true, ..talk(&own, &channel("trk", 1), "L1") };
    office.talk("201", ring.clone());
    office.wait(8000);
    office.reload();
    office.talk("201", Talk { up: true, ..ring });
    office.notice("resync.completed", &json!({"failed": []}));
    office.hang_up("201", &own);
    office.finish();
    assert_eq!(office.steps(), ["started", "ringing 201", "answered 201 ?", "ended answered ?"]);
}
