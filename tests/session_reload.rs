//! A reload of the PBX: the next session is opened beside the one that goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "support/scene.rs"]
mod scene;

use std::time::Duration;

use cti_bridge::event::{Body, Record};
use scene::{Scene, scene};
use serde_json::Value;

/// What a record holds: a notice's name and data, or an event's name and first argument.
fn content(record: &Record) -> (String, Value) {
    match &record.body {
        Body::Notice(notice) => (notice.what.to_string(), serde_json::from_slice(&notice.data).unwrap()),
        Body::Event(frame) => {
            let name = String::from_utf8(frame.name().into_owned()).unwrap();
            (name, serde_json::from_slice(&frame.args()).unwrap_or_default())
        }
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
        more -= u64::from(scene.journal.glance().sources[0].sessions >= sessions);
        assert!(number < 20_000, "no new session: {:?}", scene.board.snapshot());
    }
    number
}

#[tokio::test]
async fn every_event_around_a_reload_is_numbered_once() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    scene.pbx.turn(|knobs| knobs.answer_delay = Duration::from_millis(200));
    scene.pbx.emit("serverReloaded", "");
    let emitted = emit_until(&scene, 2).await;
    scene.pbx.emit("end", "");
    let mut all = Vec::new();
    while all.last().is_none_or(|(name, _)| name != "end") {
        all.push(content(&scene.next().await));
    }
    let ticks: Vec<u64> =
        all.iter().filter(|(name, _)| name == "tick").map(|(_, number)| number.as_u64().unwrap()).collect();
    assert_eq!(ticks, (0..emitted).collect::<Vec<_>>());
    let others: Vec<&str> =
        all.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "tick").collect();
    assert_eq!(others, ["serverReloaded", "disconnected", "gap", "connected", "end"]);
}
