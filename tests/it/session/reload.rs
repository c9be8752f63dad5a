//! A reload of the PBX: the next session is opened while the current one continues.

use std::time::{Duration, Instant};

use cti_bridge::event::{Body, EndReason, Record};
use pbx_simulator::SocketLogin;
use serde_json::Value;

use crate::support::scene::{Scene, scene, scene_with};

/// What a record holds: a notice's name and data, or an event's name and first argument.
fn content(record: &Record) -> (String, Value) {
    match &record.body {
        Body::Notice(notice) => (notice.name.to_string(), serde_json::from_slice(&notice.data).unwrap()),
        Body::Event(frame) => {
            let name = String::from_utf8(frame.name().into_owned()).unwrap();
            (name, serde_json::from_slice(&frame.args()).unwrap_or_default())
        }
        Body::Call(call) => panic!("a call: {call:?}"),
    }
}

/// Emits numbered events, one per millisecond, until so many sessions are live and some events more.
async fn emit_until(scene: &Scene, sessions: u64) -> u64 {
    let mut number = 0;
    let mut more = 50;
    while more > 0 {
        scene.pbx.emit("tick", &number.to_string());
        number += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
        more -= u64::from(scene.journal.stats().sources[0].sessions >= sessions);
        assert!(number < 20_000, "no new session: {:?}", scene.board.snapshot());
    }
    number
}

/// Everything up to the event `end`, which is emitted now.
async fn up_to_the_end(scene: &mut Scene) -> Vec<(String, Value)> {
    scene.pbx.emit("end", "");
    let mut all = Vec::new();
    while all.last().is_none_or(|(name, _)| name != "end") {
        all.push(content(&scene.next().await));
    }
    all
}

fn ticks(all: &[(String, Value)]) -> Vec<u64> {
    all.iter().filter(|(name, _)| name == "tick").map(|(_, number)| number.as_u64().unwrap()).collect()
}

fn others(all: &[(String, Value)]) -> Vec<&str> {
    all.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "tick" && *name != "end").collect()
}

fn gap(all: &[(String, Value)]) -> &Value {
    &all.iter().find(|(name, _)| name == "gap").unwrap().1
}

const ONCE: [&str; 4] = ["serverReloaded", "disconnected", "gap", "connected"];

#[tokio::test]
async fn every_event_around_a_reload_is_numbered_once() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    scene.pbx.turn(|knobs| knobs.answer_delay = Duration::from_millis(200));
    scene.pbx.emit("serverReloaded", "");
    let emitted = emit_until(&scene, 2).await;
    let all = up_to_the_end(&mut scene).await;
    assert_eq!(ticks(&all), (0..emitted).collect::<Vec<_>>());
    assert_eq!(others(&all), ONCE);
    let gap = gap(&all);
    assert_eq!((&gap["reason"], &gap["certain"]), (&"server_reloaded".into(), &false.into()), "{gap}");
    assert_eq!(gap["mayHaveMissed"], serde_json::json!([]), "both sessions were live: {gap}");
}

#[tokio::test]
async fn without_a_barrier_events_are_numbered_at_most_twice() {
    let mut scene = scene_with(|knobs| knobs.ping_ack = false, None, &[]).await;
    scene.live().await;
    scene.pbx.emit("serverReloaded", "");
    let emitted = emit_until(&scene, 2).await;
    // Alike, so nobody can tell how many there were: each is numbered all the same.
    let all = up_to_the_end(&mut scene).await;
    let mut once = ticks(&all);
    once.sort_unstable();
    once.dedup();
    assert_eq!(once, (0..emitted).collect::<Vec<_>>());
    assert_eq!(others(&all), ONCE);
    let gap = gap(&all);
    assert_eq!(gap["certain"], false, "{gap}");
    assert!(!gap["mayHaveMissed"].as_array().unwrap().is_empty(), "{gap}");
}

#[tokio::test]
async fn identical_events_are_numbered_once_or_twice_never_skipped() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    scene.pbx.emit("serverReloaded", "");
    let mut emitted = 0;
    while scene.journal.stats().sources[0].sessions < 2 {
        scene.pbx.emit("tick", "0");
        emitted += 1;
        assert!(emitted < 20_000, "no new session: {:?}", scene.board.snapshot());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let numbered = ticks(&up_to_the_end(&mut scene).await).len();
    assert!((emitted..emitted + 50).contains(&numbered), "{numbered} for {emitted}");
}

#[tokio::test]
async fn refusals_during_a_reload_cost_neither_the_token_nor_an_event() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    scene.pbx.turn(|knobs| knobs.socket_login = SocketLogin::Refused);
    scene.pbx.emit("serverReloaded", "");
    let sockets = scene.count("/api/ws/");
    let recover = async {
        scene.until("no third attempt", |scene| scene.count("/api/ws/") >= sockets + 3).await;
        scene.pbx.turn(|knobs| knobs.socket_login = SocketLogin::Normal);
    };
    let (emitted, ()) = tokio::join!(emit_until(&scene, 2), recover);
    let all = up_to_the_end(&mut scene).await;
    assert_eq!(ticks(&all), (0..emitted).collect::<Vec<_>>());
    assert_eq!(others(&all), ONCE);
    assert_eq!(scene.count("/api/login"), 1, "the token was good all along");
}

#[tokio::test]
async fn a_reload_during_a_reload_restarts_the_attempt() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    scene.pbx.turn(|knobs| knobs.socket_login = SocketLogin::Dropped);
    let sockets = scene.count("/api/ws/");
    scene.pbx.emit("serverReloaded", "");
    scene.until("no attempt", |scene| scene.count("/api/ws/") > sockets).await;
    // The first attempt waits for an answer that never comes.
    scene.pbx.turn(|knobs| knobs.socket_login = SocketLogin::Normal);
    let reloaded = Instant::now();
    scene.pbx.emit("serverReloaded", "");
    let emitted = emit_until(&scene, 2).await;
    assert!(reloaded.elapsed() < Duration::from_secs(10), "{:?}", reloaded.elapsed());
    let all = up_to_the_end(&mut scene).await;
    assert_eq!(ticks(&all), (0..emitted).collect::<Vec<_>>());
    assert_eq!(others(&all), [&["serverReloaded"], &ONCE[..]].concat());
}

#[tokio::test]
async fn a_reload_during_an_overlap_opens_another_session() {
    let mut scene = scene_with(|knobs| knobs.ping_ack = false, None, &[]).await;
    scene.live().await;
    scene.pbx.emit("serverReloaded", "");
    let mut live = scene.pbx.live();
    tokio::time::timeout(Duration::from_secs(20), live.wait_for(|live| *live == 2)).await.unwrap().unwrap();
    scene.pbx.emit("serverReloaded", "");
    assert_eq!([scene.says().await, scene.says().await], ["serverReloaded", "serverReloaded"]);
    scene.ended(EndReason::ServerReloaded).await;
    scene.live_after("server_reloaded").await;
    scene.pbx.turn(|knobs| knobs.ping_ack = true);
    scene.ended(EndReason::ServerReloaded).await;
    scene.live_after("server_reloaded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_reloads_under_load_loses_and_doubles_nothing() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    let mut number = 0;
    for sessions in 2..8 {
        scene.pbx.emit("serverReloaded", "");
        while scene.journal.stats().sources[0].sessions < sessions {
            assert!(number < 400_000, "no new session: {:?}", scene.board.snapshot());
            for _ in 0..20 {
                scene.pbx.emit("tick", &number.to_string());
                number += 1;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let all = up_to_the_end(&mut scene).await;
    assert_eq!(ticks(&all), (0..number).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_session_that_dies_during_a_reload_is_followed_by_a_gap() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    scene.pbx.turn(|knobs| knobs.socket_login = SocketLogin::Refused);
    let sockets = scene.count("/api/ws/");
    scene.pbx.emit("serverReloaded", "");
    scene.until("no attempt", |scene| scene.count("/api/ws/") > sockets).await;
    scene.pbx.cut();
    assert_eq!(scene.says().await, "serverReloaded");
    scene.ended(EndReason::ConnectionClosed).await;
    scene.until("no further attempts", |scene| scene.count("/api/ws/") > sockets + 2).await;
    scene.pbx.turn(|knobs| knobs.socket_login = SocketLogin::Normal);
    scene.live_after("disconnected").await;
    assert_eq!(scene.count("/api/login"), 1, "refusals right after a reload are no matter of the token");
}

#[tokio::test]
async fn a_stop_during_a_reload_ends_both_sessions() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    scene.pbx.turn(|knobs| knobs.socket_login = SocketLogin::Dropped);
    let sockets = scene.count("/api/ws/");
    scene.pbx.emit("serverReloaded", "");
    scene.until("no attempt", |scene| scene.count("/api/ws/") > sockets).await;
    scene.pbx.emit("last", "1");
    assert_eq!([scene.says().await, scene.says().await], ["serverReloaded", "last"]);
    scene.stop.end_sessions();
    scene.ended(EndReason::Stopping).await;
    scene.until("the session does not end", |scene| scene.task.is_finished()).await;
    let mut live = scene.pbx.live();
    tokio::time::timeout(Duration::from_secs(20), live.wait_for(|live| *live == 0)).await.unwrap().unwrap();
}

#[tokio::test]
async fn with_a_ua_type_a_reload_reconnects_within_seconds() {
    let mut scene = scene(None, &["ua_type=desktop"]).await;
    scene.live().await;
    // Young sessions: the pace of attempts that fail is none of theirs.
    for round in 0..6 {
        scene.pbx.emit("serverReloaded", "");
        assert_eq!(scene.says().await, "serverReloaded");
        scene.ended(EndReason::ServerReloaded).await;
        let away = Instant::now();
        scene.live_after("server_reloaded").await;
        assert!(away.elapsed() < Duration::from_secs(2), "{:?} in round {round}", away.elapsed());
    }
}
