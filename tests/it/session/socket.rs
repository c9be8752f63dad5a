//! Everything that a live session's socket can deliver, and all its ends.

use std::time::Duration;

use cti_bridge::event::{Body, EndReason, SinkId, SourceId};

use crate::support::scene::{scene, scene_with};

#[tokio::test]
async fn a_namespace_closed_during_login_closes_the_transport() {
    let mut scene = scene_with(|knobs| knobs.before_login = vec!["41".to_owned()], None, &[]).await;
    scene.tells("ended the Socket.IO session before answering the login").await;
    scene.pbx.turn(|knobs| knobs.before_login.clear());
    scene.live().await;
    assert_eq!(scene.count("/api/login"), 1, "the token was never refused");
}

#[tokio::test]
async fn missing_pings_are_noticed_before_the_servers_timeout() {
    let silence = |knobs: &mut pbx_simulator::Knobs| {
        (knobs.heartbeat, knobs.ping_ack, knobs.ping_interval) = (false, false, Duration::from_secs(1));
    };
    let mut scene = scene_with(silence, None, &[]).await;
    scene.live().await;
    scene.ended(EndReason::Silent).await;
    scene.live().await;
}

#[tokio::test]
async fn a_half_open_connection_is_noticed_and_replaced() {
    let settings = ["connect_timeout=1s", "request_timeout=2s"];
    let mut scene = scene_with(|knobs| knobs.ping_interval = Duration::from_secs(1), None, &settings).await;
    scene.live().await;
    scene.pbx.freeze(true);
    scene.ended(EndReason::Silent).await;
    scene.until("no attempt", |scene| scene.health().retry_at.is_some()).await;
    scene.pbx.freeze(false);
    scene.live().await;
    assert_eq!(scene.count("/api/login"), 1);
}

#[tokio::test]
async fn every_frame_is_kept_or_counted_and_none_ends_the_session() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    for bad in ["42{x", "45", "4", "zzz", ""] {
        scene.pbx.send_text(bad);
    }
    scene.pbx.send_binary(&[1]);
    // The middleware speaks between a binary event and its attachment.
    scene.pbx.send_text(r#"451-["torn",{"_placeholder":true,"num":0}]"#);
    scene.pbx.inject(r#"42["satellite/summary",{}]"#);
    scene.pbx.send_binary(&[7; 3]);
    let avatar = format!(r#"{{"username":"ada","avatar":"{}"}}"#, "x".repeat(5_000_000));
    scene.pbx.emit("userProfileAvatarUpdate", &avatar);
    scene.pbx.emit("authe_ok", "{}");
    scene.pbx.emit("last", "");
    assert_eq!(scene.says().await, "satellite/summary");
    let Body::Event(torn) = scene.next().await.body else { panic!("no event") };
    assert_eq!((&*torn.name(), torn.attachments.len()), (&b"torn"[..], 1));
    let Body::Event(large) = scene.next().await.body else { panic!("no event") };
    assert_eq!(large.args(), avatar.as_bytes());
    assert_eq!(scene.says().await, "last");
    assert_eq!(scene.journal.bad_frames(SourceId(0)), 6);
}

#[tokio::test]
async fn a_stalled_sink_does_not_slow_reading_down() {
    const COUNT: u64 = 100_000;
    let scene = scene(None, &[]).await;
    scene.until("not live", |scene| *scene.pbx.live().borrow() == 1).await;
    let (before, _) = scene.journal.newest(SourceId(0));
    // Some 50 MB, where the journal holds 16: the rest is dropped and counted, never left to the PBX to keep.
    scene.pbx.burst_numbered(COUNT, 500);
    scene
        .until("the socket is not read to its end", |scene| {
            scene.journal.newest(SourceId(0)).0.0 >= before.0 + COUNT
        })
        .await;
    let (ledger, pending) = scene.journal.ledger(SinkId(0), SourceId(0));
    assert!(ledger.lost.values().sum::<u64>() > 0 && pending < COUNT, "{ledger:?}");
}
