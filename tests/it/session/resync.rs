//! The PBX's state after a gap, against the simulator.
#![allow(clippy::print_stdout, reason = "tests")]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use cti_bridge::event::{
    Body, EndReason, Origin, Record, SinkId, SourceId, entity, entity_token, state_events,
};
use pbx_simulator::{Account, Flow, Options, Profile, Source, settled};
use serde_json::{Value, json};

use crate::support::scene::{Scene, scene, scene_on, scene_with};

/// For whatever must come.
const LIMIT: Duration = Duration::from_mins(1);
const ON: &str = "resync=true";

/// What is known after all records so far, in the form of the simulator's own.
#[derive(Default)]
struct Fold {
    state: BTreeMap<(String, String), (Origin, String)>,
}

impl Fold {
    fn take(&mut self, record: &Record) {
        let Body::Event(frame) = &record.body else { return };
        let (name, args) = (String::from_utf8(frame.name().into_owned()).unwrap(), frame.args());
        let Some(about) = entity(name.as_bytes(), &args) else { return };
        let token = entity_token(Some(&about.key())).into_owned();
        let text = String::from_utf8(args.to_vec()).unwrap();
        self.state.insert((name, token), (record.origin, settled(&text)));
    }

    /// Of the events that the simulator tells the state of.
    fn matches(&self, scene: &Scene) {
        for (key, expected) in scene.pbx.state("bridge") {
            let found = self.state.get(&key).map(|(_, text)| text);
            assert_eq!(found, Some(&expected), "{key:?}");
        }
    }

    /// Folds up to a notice, and yields what it says.
    async fn until(&mut self, scene: &mut Scene, what: &str) -> Value {
        let deadline = Instant::now() + LIMIT;
        loop {
            assert!(Instant::now() < deadline, "no {what} comes");
            let record = scene.next().await;
            self.take(&record);
            match &record.body {
                Body::Notice(notice) if notice.name == what => {
                    return serde_json::from_slice(&notice.data).unwrap();
                }
                _ => {}
            }
        }
    }
}

async fn completed(scene: &mut Scene) -> Value {
    Fold::default().until(scene, "resync.completed").await
}

#[tokio::test]
async fn after_a_gap_exactly_the_complete_state_is_published() {
    let account = Account { extension: Some("299".to_owned()), ..Account::new("bridge", "secret") };
    let mut scene = scene_on(Options::quiet(account), &[ON]).await;
    scene.live().await;
    let started = scene.notice("resync.started").await;
    assert_eq!((&started["session"], &started["reason"]), (&json!(1), &json!("connected")), "{started}");
    assert_eq!(started["snapshots"].as_array().unwrap().len(), 5, "{started}");
    let mut fold = Fold::default();
    let completed = loop {
        let record = scene.next().await;
        fold.take(&record);
        match &record.body {
            Body::Event(frame) => {
                assert_eq!((record.origin, record.session), (Origin::Snapshot, 1));
                // The PBX shows the account its own telephone's password, which here is that of the account.
                assert!(!String::from_utf8_lossy(&frame.bytes).contains("secret"), "{frame:?}");
            }
            Body::Notice(notice) => {
                assert_eq!(notice.name, "resync.completed");
                break serde_json::from_slice::<Value>(&notice.data).unwrap();
            }
            Body::Call(call) => panic!("a call: {call:?}"),
        }
    };
    fold.matches(&scene);
    for name in state_events().filter(|name| *name != "newVoiceMessageCounter") {
        assert!(fold.state.keys().any(|(told, _)| told == name), "no {name} in the resync");
    }
    let events = fold.state.len();
    assert!(events > 30, "{events}");
    let counts = completed["counts"].as_object().unwrap();
    assert_eq!(
        counts.values().map(|count| count.as_u64().unwrap()).sum::<u64>(),
        events as u64,
        "{completed}"
    );
    for empty in ["refused", "failed", "empty"] {
        assert_eq!(completed[empty], json!([]), "{completed}");
    }
    assert_eq!(scene.count("/api/login"), 1);
}

#[tokio::test]
async fn an_entity_updated_meanwhile_is_left_out() {
    let slow = |knobs: &mut pbx_simulator::Knobs| knobs.snapshot_delay = Duration::from_secs(1);
    let mut scene = scene_with(slow, None, &[ON]).await;
    scene.live().await;
    scene.notice("resync.started").await;
    // The answer is made when the request comes, and sent a second later: events of that second are newer.
    let (mut told, deadline) = (0, Instant::now() + LIMIT);
    while scene.count("/api/astproxy/extensions") == 0 {
        told += 1;
        assert!(Instant::now() < deadline, "the state is not asked for");
        scene.pbx.emit("extenUpdate", &format!(r#"{{"exten":"201","n":{told}}}"#));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut fold = Fold::default();
    let completed = fold.until(&mut scene, "resync.completed").await;
    assert_eq!(completed["superseded"], 1, "{completed}");
    let key = |exten: &str| ("extenUpdate".to_owned(), exten.to_owned());
    let (origin, text) = &fold.state[&key("201")];
    assert_eq!((*origin, text), (Origin::Live, &format!(r#"{{"exten":"201","n":{told}}}"#)));
    assert_eq!(fold.state[&key("202")].0, Origin::Snapshot);
}

#[tokio::test]
async fn a_bad_snapshot_is_named_and_does_not_block_the_others() {
    let faults = |knobs: &mut pbx_simulator::Knobs| {
        knobs.set("forbidden=/astproxy/trunks").unwrap();
        knobs.set("empty=/astproxy/parkings").unwrap();
        knobs.set("failing=/astproxy/queues").unwrap();
        knobs.set("cut-short=/user/endpoints/all").unwrap();
    };
    let mut scene = scene_with(faults, None, &[ON]).await;
    scene.live().await;
    let told = completed(&mut scene).await;
    assert_eq!(told["refused"], json!(["/astproxy/trunks"]), "{told}");
    assert_eq!(told["empty"], json!(["/astproxy/parkings"]), "{told}");
    let failed: Vec<_> =
        told["failed"].as_array().unwrap().iter().map(|one| one["snapshot"].clone()).collect();
    assert_eq!(failed, ["/user/endpoints/all", "/astproxy/queues"], "{told}");
    assert!(told["failed"][0]["reason"].as_str().unwrap().contains("cut its answer short"), "{told}");
    assert!(told["counts"]["extenUpdate"].as_u64() > Some(5), "{told}");
    assert_eq!(scene.count("/api/astproxy/queues"), 3, "a few attempts");
    assert_eq!(scene.count("/api/astproxy/trunks"), 1);
    let warning = scene.health().warnings["resync"].clone();
    assert!(warning.contains("and 1 more") && warning.contains("SIGUSR1"), "{warning}");

    // Asked for again once all is well, it has everything, and the warning ends.
    scene.pbx.turn(|knobs| *knobs = pbx_simulator::Knobs::default());
    scene.resync.fire();
    let mut fold = Fold::default();
    // What failed may be asked for just now, without being told to.
    while fold.until(&mut scene, "resync.started").await["reason"] != "requested" {}
    let told = fold.until(&mut scene, "resync.completed").await;
    assert_eq!(told["failed"], json!([]), "{told}");
    fold.matches(&scene);
    assert!(!scene.health().warnings.contains_key("resync"), "{:?}", scene.health());
}

#[tokio::test]
async fn a_failed_snapshot_is_retried() {
    let broken = |knobs: &mut pbx_simulator::Knobs| {
        knobs.set("answer=/astproxy/queues:empty:503").unwrap();
        knobs.set("forbidden=/astproxy/trunks").unwrap();
    };
    let mut scene = scene_with(broken, None, &[ON]).await;
    scene.live().await;
    let mut fold = Fold::default();
    let told = fold.until(&mut scene, "resync.completed").await;
    assert_eq!(told["failed"][0]["snapshot"], "/astproxy/queues", "{told}");
    assert_eq!(told["refused"], json!(["/astproxy/trunks"]), "{told}");
    assert!(scene.health().warnings.contains_key("resync"));
    // It goes on failing, which is no news for the line.
    let asked = scene.count("/api/astproxy/queues");
    scene.until("no further attempt", |scene| scene.count("/api/astproxy/queues") >= asked + 2).await;
    scene.pbx.turn(|knobs| *knobs = pbx_simulator::Knobs::default());
    let started = scene.notice("resync.started").await;
    assert_eq!(
        (&started["reason"], &started["snapshots"]),
        (&json!("retried"), &json!(["/astproxy/queues"]))
    );
    let told = fold.until(&mut scene, "resync.completed").await;
    assert_eq!((&told["failed"], &told["session"]), (&json!([]), &json!(1)), "{told}");
    assert!(told["counts"]["queueUpdate"].as_u64() > Some(0), "{told}");
    assert!(!scene.health().warnings.contains_key("resync"), "{:?}", scene.health());
    assert_eq!(scene.count("/api/astproxy/trunks"), 1, "what is refused is not asked for again");
    assert_eq!(scene.count("/api/login"), 1);
}

#[tokio::test]
async fn an_entity_that_vanishes_is_announced_once_it_is_confirmed() {
    let mut scene = scene(None, &[ON]).await;
    scene.live().await;
    let mut fold = Fold::default();
    fold.until(&mut scene, "resync.completed").await;
    scene.pbx.turn(|knobs| {
        knobs.set("removed=202").unwrap();
        knobs.set("removed=203").unwrap();
    });
    scene.resync.fire();
    let missed = Instant::now();
    fold.until(&mut scene, "resync.completed").await;
    // One is back before the second look.
    scene.pbx.turn(|knobs| knobs.removed.retain(|key| key == "202"));
    let told = scene.notice("vanished").await;
    assert_eq!(told, json!({"event": "extenUpdate", "subject": "extension/202"}));
    assert!(missed.elapsed() >= Duration::from_secs(10), "{:?}", missed.elapsed());
    // Nothing else comes of it: neither another vanished entity nor a snapshot.
    scene.pbx.emit("end", "");
    let next = scene.next().await;
    assert!(matches!(&next.body, Body::Event(frame) if *frame.name() == *b"end"), "{next:?}");
}

#[tokio::test]
async fn a_token_that_died_is_renewed_once_and_the_session_stays() {
    let mut scene = scene(None, &[ON]).await;
    scene.live().await;
    completed(&mut scene).await;
    scene.pbx.kill_sessions();
    scene.resync.fire();
    let told = completed(&mut scene).await;
    assert_eq!((&told["failed"], &told["session"]), (&json!([]), &json!(1)), "{told}");
    assert_eq!(scene.count("/api/login"), 2);
    // Taken out of the list, as by two-factor authentication.
    scene.pbx.revoke("bridge");
    scene.resync.fire();
    assert_eq!(completed(&mut scene).await["failed"], json!([]));
    assert_eq!(scene.count("/api/login"), 3);
    // The backend is in the middle of a reload: no token is good. One login, no more.
    let reload = scene.pbx.reload(Duration::from_secs(2));
    scene.resync.fire();
    let warned = scene.until("no warning", |scene| scene.health().warnings.contains_key("resync"));
    tokio::join!(warned, reload);
    let told = completed(&mut scene).await;
    assert_eq!(told["failed"].as_array().unwrap().len(), 5, "{told}");
    assert!(scene.count("/api/login") <= 4, "{}", scene.count("/api/login"));
    assert_eq!(scene.says().await, "serverReloaded");
    scene.ended(EndReason::ServerReloaded).await;
    scene.live_after("server_reloaded").await;
    assert_eq!(completed(&mut scene).await["failed"], json!([]));
}

#[tokio::test]
async fn a_session_end_cancels_its_resync() {
    let slow = |knobs: &mut pbx_simulator::Knobs| knobs.snapshot_delay = Duration::from_mins(1);
    let mut scene = scene_with(slow, None, &[ON]).await;
    scene.live().await;
    scene.notice("resync.started").await;
    scene.pbx.cut();
    scene.ended(EndReason::ConnectionClosed).await;
    scene.pbx.turn(|knobs| knobs.snapshot_delay = Duration::ZERO);
    scene.live().await;
    assert_eq!(scene.notice("resync.started").await["session"], 2);
    assert_eq!(completed(&mut scene).await["session"], 2);
}

#[tokio::test]
async fn an_account_without_rights_reads_the_rest() {
    let account = Account { profile: Profile::blind(), ..Account::new("bridge", "secret") };
    let mut scene = scene_on(Options::quiet(account), &[ON]).await;
    let gap = scene.notice("gap").await;
    assert!(!gap["mayHaveMissed"].to_string().contains("queue"), "{gap}");
    assert_eq!(scene.notice("connected").await["sees"], json!([]));
    let mut fold = Fold::default();
    let told = fold.until(&mut scene, "resync.completed").await;
    assert_eq!(
        told["refused"],
        json!(["/astproxy/queues", "/astproxy/trunks", "/astproxy/parkings"]),
        "{told}"
    );
    fold.matches(&scene);
    let health = scene.health();
    assert!(health.warnings["queue_agent"].contains("queues"), "{health:?}");
    assert!(health.visibility.unwrap().privacy);
}

#[tokio::test]
async fn a_busy_pbx_that_is_cut_again_and_again_is_known_in_the_end() {
    let flow = Flow { rate: 300.0, payload_bytes: None };
    let mut options = Options::quiet(Account::new("bridge", "secret"));
    (options.source, options.seed) = (Source::Calls(flow), fastrand::u64(..));
    let seed = options.seed;
    let mut scene = scene_on(options, &[ON, "resync_interval=1s"]).await;
    let mut fold = Fold::default();
    for round in 0..6 {
        let deadline = Instant::now() + Duration::from_millis(fastrand::u64(50..1200));
        while Instant::now() < deadline {
            let record = scene.next().await;
            fold.take(&record);
        }
        scene.pbx.turn(|knobs| knobs.snapshot_delay = Duration::from_millis(fastrand::u64(0..150)));
        if round < 5 {
            scene.pbx.cut();
            fold.until(&mut scene, "connected").await;
        }
    }
    // The last session's own resync, then what is still on its way.
    fold.until(&mut scene, "resync.completed").await;
    scene.pbx.turn(|knobs| knobs.still = true);
    let (mut state, deadline) = (None, Instant::now() + LIMIT);
    while state.as_ref() != Some(&scene.pbx.state("bridge")) {
        assert!(Instant::now() < deadline, "the calls do not end");
        state = Some(scene.pbx.state("bridge"));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    scene.pbx.emit("theEnd", "1");
    loop {
        assert!(Instant::now() < deadline, "the last event does not come");
        let record = scene.next().await;
        fold.take(&record);
        if matches!(&record.body, Body::Event(frame) if *frame.name() == *b"theEnd") {
            break;
        }
    }
    println!("seed {seed}");
    fold.matches(&scene);
}

#[tokio::test]
async fn lost_state_is_resynced_once_the_sink_is_back() {
    let mut scene = scene(None, &[ON]).await;
    scene.live().await;
    let mut fold = Fold::default();
    fold.until(&mut scene, "resync.completed").await;
    scene.sink.failing("away");
    // More than the journal holds, and then what is read again: the sink has missed the first ones.
    let large = format!(r#"{{"exten":"201","x":"{}"}}"#, "x".repeat(1 << 20));
    for _ in 0..40 {
        scene.pbx.emit("extenUpdate", &large);
    }
    scene.until("no loss", |scene| scene.journal.ledger(SinkId(0), SourceId(0)).0.lost.len() == 1).await;
    scene.journal.announce_losses();
    scene.pbx.emit("end", "");
    fold.until(&mut scene, "lost").await;
    let back = Instant::now();
    scene.sink.active();
    let started = fold.until(&mut scene, "resync.started").await;
    assert_eq!(started["reason"], "lost", "{started}");
    assert!(back.elapsed() > Duration::from_secs(5), "it may still drop: {:?}", back.elapsed());
    assert_eq!(fold.until(&mut scene, "resync.completed").await["failed"], json!([]));
    fold.matches(&scene);
}
