use std::collections::BTreeMap;

use calls::{CallState, Direction, Step};
use event::Origin;
use serde_json::json;

use super::office::{Office, Talk, channel, inbound, talk};

/// 201 calls 202, who answers.
fn internal(office: &mut Office) -> (Talk, Talk) {
    let (a, b) = (channel("201", 1), channel("202", 2));
    let from = Talk { out: true, number: "202".to_owned(), ..talk(&a, "", "L1") };
    let to = Talk { number: "201".to_owned(), ..talk(&b, &a, "L1") };
    office.talk("201", from.clone());
    office.talk("202", to.clone());
    office.wait(2000);
    let (from, to) = (Talk { up: true, other: b, ..from }, Talk { up: true, ..to });
    office.talk("202", to.clone());
    office.talk("201", from.clone());
    (from, to)
}

#[test]
fn an_internal_call() {
    let mut office = Office::new();
    let (from, to) = internal(&mut office);
    let answered = office.last(Step::Answered).clone();
    assert_eq!((answered.direction, answered.state), (Direction::Internal, CallState::Connected));
    assert_eq!(
        (answered.from.extension.as_deref(), answered.to.user.as_deref()),
        (Some("201"), Some("u202"))
    );
    office.wait(10_000);
    office.hang_up("201", &from.own);
    office.hang_up("202", &to.own);
    office.finish();
    assert_eq!(office.steps(), ["started", "ringing 202", "answered 202", "ended answered"]);
    let ended = office.last(Step::Ended);
    assert_eq!((ended.wait_seconds, ended.talk_seconds), (2.0, 10.0), "the three seconds do not count");
}

#[test]
fn an_inbound_call_that_nobody_answers() {
    let mut office = Office::new();
    let own = channel("201", 2);
    office.talk(
        "201",
        Talk { trunk: true, number: "0721000111".to_owned(), ..talk(&own, &channel("trk", 1), "L1") },
    );
    office.wait(20_000);
    office.hang_up("201", &own);
    office.finish();
    assert_eq!(office.steps(), ["started", "ringing 201", "ended missed"]);
    let ended = office.last(Step::Ended);
    assert_eq!((ended.direction, ended.from.number.as_deref()), (Direction::Inbound, Some("0721000111")));
}

#[test]
fn an_outbound_call_is_answered_where_its_own_leg_connects() {
    let mut office = Office::new();
    let own = channel("201", 1);
    let dial = Talk {
        out: true,
        trunk: true,
        number: "0721000111".to_owned(),
        ..talk(&own, &channel("trk", 2), "L1")
    };
    office.talk("201", dial.clone());
    office.wait(5000);
    office.talk("201", Talk { up: true, ..dial });
    office.hang_up("201", &own);
    office.finish();
    assert_eq!(office.steps(), ["started", "answered 201", "ended answered"]);
    assert_eq!(office.last(Step::Answered).direction, Direction::Outbound);
    assert_eq!(office.last(Step::Answered).to.number.as_deref(), Some("0721000111"));
}

#[test]
fn a_ring_group_has_one_answer() {
    let mut office = Office::new();
    let trunk = channel("trk", 1);
    for (n, extension) in (2..).zip(["201", "202", "203"]) {
        office.talk(extension, Talk { trunk: true, ..talk(&channel(extension, n), &trunk, "L1") });
    }
    office.talk("202", Talk { trunk: true, up: true, ..talk(&channel("202", 3), &trunk, "L1") });
    office.hang_up("201", &channel("201", 2));
    office.hang_up("203", &channel("203", 4));
    office.wait(60_000);
    office.hang_up("202", &channel("202", 3));
    office.finish();
    let expected = ["started", "ringing 201", "ringing 202", "ringing 203", "answered 202", "ended answered"];
    assert_eq!(office.steps(), expected);
}

#[test]
fn hold_is_certain_only_with_one_conversation() {
    let mut office = Office::new();
    let up = inbound(&mut office);
    office.hold("201", true);
    office.wait(3000);
    office.hold("201", false);
    let second = channel("201", 9);
    office.talk("201", Talk { trunk: true, ..talk(&second, &channel("trk", 8), "L2") });
    office.talk("201", Talk { trunk: true, up: true, ..talk(&second, &channel("trk", 8), "L2") });
    office.hold("201", true);
    office.hang_up("201", &second);
    office.hold("201", false);
    office.hang_up("201", &up.own);
    office.finish();
    assert_eq!(
        office.steps(),
        [
            "started",
            "ringing 201",
            "answered 201",
            "held 201",
            "resumed 201",
            "started",
            "ringing 201",
            "answered 201",
            "held 201 ?",
            "resumed 201",
            "ended answered",
            "ended answered"
        ]
    );
}

#[test]
fn a_blind_transfer_survives_the_moment_without_a_leg() {
    let mut office = Office::new();
    let up = inbound(&mut office);
    office.wait(9000);
    office.hang_up("201", &up.own);
    office.wait(800);
    let b =
        Talk { trunk: true, number: "0721000111".to_owned(), ..talk(&channel("202", 3), &up.other, "L1") };
    office.talk("202", b.clone());
    office.wait(2000);
    office.talk("202", Talk { up: true, ..b.clone() });
    office.wait(9000);
    office.hang_up("202", &b.own);
    office.finish();
    assert_eq!(
        office.steps(),
        [
            "started",
            "ringing 201",
            "answered 201",
            "transferred blind 201>202",
            "ringing 202",
            "joined 202",
            "ended answered"
        ]
    );
    let ended = office.last(Step::Ended);
    assert_eq!(
        (ended.original_from.number.as_deref(), ended.to.extension.as_deref()),
        (Some("0721000111"), Some("202"))
    );
}

#[test]
fn an_attended_transfer_joins_two_calls() {
    let mut office = Office::new();
    let up = inbound(&mut office);
    office.hold("201", true);
    let (a, b) = (channel("201", 5), channel("202", 6));
    let dial = Talk { out: true, number: "202".to_owned(), ..talk(&a, &b, "L2") };
    let ring = Talk { number: "201".to_owned(), ..talk(&b, &a, "L2") };
    office.talk("201", dial.clone());
    office.talk("202", ring.clone());
    office.talk("202", Talk { up: true, ..ring.clone() });
    office.talk("201", Talk { up: true, ..dial });
    office.wait(5000);
    office.hold("201", false);
    office.hide(|talks| talks.get_mut("201").unwrap().clear());
    office.show("201");
    office.talk(
        "202",
        Talk {
            up: true,
            trunk: true,
            linked: "L1".to_owned(),
            other: up.other,
            number: "0721000111".to_owned(),
            ..ring
        },
    );
    office.wait(9000);
    office.hang_up("202", &b);
    office.finish();
    assert_eq!(
        office.steps(),
        [
            "started",
            "ringing 201",
            "answered 201",
            "held 201",
            "started",
            "ringing 202",
            "answered 202",
            "merged",
            "ended merged",
            "transferred attended 201>202",
            "ended answered"
        ]
    );
    assert_eq!(office.last(Step::Ended).original_from.number.as_deref(), Some("0721000111"));
}

#[test]
fn a_pick_up_answers_the_call_that_rings_elsewhere() {
    let mut office = Office::new();
    let trunk = channel("trk", 1);
    let ring =
        Talk { trunk: true, number: "0721000111".to_owned(), ..talk(&channel("201", 2), &trunk, "L1") };
    office.talk("201", ring.clone());
    let own = channel("203", 7);
    let dial = Talk { out: true, number: "*8201".to_owned(), ..talk(&own, "", "L7") };
    office.talk("203", dial.clone());
    office.talk("203", Talk { up: true, trunk: true, linked: "L1".to_owned(), other: trunk, ..dial });
    office.hang_up("201", &ring.own);
    office.wait(9000);
    office.hang_up("203", &own);
    office.finish();
    assert_eq!(
        office.steps(),
        ["started", "ringing 201", "started", "merged", "ended merged", "answered 203", "ended answered"]
    );
}

#[test]
fn a_queue_rings_its_agents_in_turn() {
    let mut office = Office::new();
    let trunk = channel("trk", 1);
    office.queue("401", &[&trunk]);
    for (n, agent) in (2..).zip(["201", "202"]) {
        let own = channel(agent, n);
        office.talk(agent, Talk { trunk: true, queue: "401".to_owned(), ..talk(&own, &trunk, "L1") });
        office.wait(10_000);
        office.hang_up(agent, &own);
    }
    let own = channel("201", 9);
    let ring = Talk { trunk: true, queue: "401".to_owned(), ..talk(&own, &trunk, "L1") };
    office.talk("201", ring.clone());
    office.talk("201", Talk { up: true, ..ring });
    office.queue("401", &[]);
    office.wait(9000);
    office.hang_up("201", &own);
    office.finish();
    assert_eq!(
        office.steps(),
        [
            "started",
            "queued",
            "ringing 201",
            "ringing 202",
            "ringing 201",
            "answered 201",
            "dequeued",
            "ended answered"
        ]
    );
    assert_eq!(office.last(Step::Ended).queue.as_deref(), Some("401"));
}

#[test]
fn a_caller_who_gives_up_in_a_queue_is_abandoned() {
    let mut office = Office::new();
    office.queue("401", &[&channel("trk", 1)]);
    office.wait(30_000);
    office.queue("401", &[]);
    office.finish();
    assert_eq!(office.steps(), ["started", "queued", "dequeued", "ended abandoned"]);
    assert_eq!(office.last(Step::Ended).direction, Direction::Inbound);
}

#[test]
fn an_extension_in_a_queue_is_not_answered_by_its_music() {
    let mut office = Office::new();
    let own = channel("203", 1);
    let dial = Talk { out: true, number: "401".to_owned(), queue: "401".to_owned(), ..talk(&own, "", "L1") };
    office.talk("203", dial.clone());
    office.talk("203", Talk { up: true, ..dial });
    office.queue("401", &[&own]);
    office.wait(5000);
    office.hang_up("203", &own);
    office.queue("401", &[]);
    office.finish();
    assert_eq!(office.steps(), ["started", "queued", "dequeued", "ended abandoned"]);
}

#[test]
fn a_parked_call_is_retrieved() {
    let mut office = Office::new();
    let up = inbound(&mut office);
    office.parking("71", Some(&up.other));
    office.hang_up("201", &up.own);
    office.wait(20_000);
    office.parking("71", None);
    let own = channel("202", 8);
    office.talk("202", Talk { trunk: true, up: true, ..talk(&own, &up.other, "L1") });
    office.wait(5000);
    office.hang_up("202", &own);
    office.finish();
    assert_eq!(
        office.steps(),
        ["started", "ringing 201", "answered 201", "parked", "unparked", "joined 202", "ended answered"]
    );
}

#[test]
fn a_call_across_a_gap_goes_on_without_certainty() {
    let mut office = Office::new();
    let (from, to) = internal(&mut office);
    office.gap(60);
    office.state_of("201", Origin::Snapshot);
    office.state_of("202", Origin::Snapshot);
    office.notice("resync.completed", &json!({"failed": []}));
    office.hang_up("201", &from.own);
    office.hang_up("202", &to.own);
    office.finish();
    assert_eq!(office.steps(), ["started", "ringing 202", "answered 202", "ended answered ?"]);
    assert!(office.last(Step::Ended).ended_between.is_none(), "its end was seen");
}

#[test]
fn a_call_that_ended_in_a_gap_does_not_dangle() {
    for is_read in [true, false] {
        let mut office = Office::new();
        internal(&mut office);
        office.hide(BTreeMap::clear);
        office.gap(60);
        if is_read {
            office.state_of("201", Origin::Snapshot);
            office.state_of("202", Origin::Snapshot);
        }
        office.notice("resync.completed", &json!({"failed": []}));
        office.finish();
        assert_eq!(office.steps(), ["started", "ringing 202", "answered 202", "ended answered ?"]);
        let [from, to] = office.last(Step::Ended).ended_between.clone().unwrap();
        assert!(from < to, "{from} {to}");
    }
}

#[test]
fn two_calls_of_one_pair_stay_two() {
    let mut office = Office::new();
    internal(&mut office);
    let (a, b) = (channel("201", 11), channel("202", 12));
    office.talk("202", Talk { out: true, number: "201".to_owned(), ..talk(&b, &a, "L2") });
    office.talk("201", Talk { number: "202".to_owned(), ..talk(&a, &b, "L2") });
    for (extension, own) in [("201", channel("201", 1)), ("202", channel("202", 2)), ("202", b), ("201", a)] {
        office.hang_up(extension, &own);
    }
    office.finish();
    assert_eq!(
        office.steps(),
        [
            "started",
            "ringing 202",
            "answered 202",
            "started",
            "ringing 201",
            "ended answered",
            "ended missed"
        ]
    );
}

#[test]
fn a_leg_is_found_again_when_its_channels_are_named_late() {
    let mut office = Office::new();
    office.hides_channels = true;
    let (from, to) = internal(&mut office);
    office.hides_channels = false;
    office.show("201");
    office.show("202");
    office.hang_up("201", &from.own);
    office.hang_up("202", &to.own);
    office.finish();
    assert_eq!(office.steps(), ["started", "ringing 202", "answered 202", "ended answered"]);
}

#[test]
fn open_calls_are_published_again_after_a_loss() {
    let mut office = Office::new();
    let up = inbound(&mut office);
    office.notice("lost", &json!({"sink": "bus", "count": 3}));
    office.hang_up("201", &up.own);
    office.finish();
    assert_eq!(office.steps(), ["started", "ringing 201", "answered 201", "state", "ended answered"]);
}
