//! The two other ways in: a persistent token, and a PBX that was not upgraded.

use cti_bridge::event::EndReason;
use pbx_simulator::Simulator;

use crate::support::{
    scene,
    scene::{Scene, Source, scene},
};
use pbx_client::{get, persistent, start, token};

fn count(pbx: &Simulator, path: &str) -> usize {
    pbx.seen().iter().filter(|seen| seen.path == path).count()
}

/// A session that was opened with a persistent token, and the token.
async fn with_token() -> (Simulator, Source, String) {
    let pbx = start().await;
    let token = persistent(&pbx).await;
    let mut source = Source::start(pbx.url().as_str(), None, &["auth=token", &format!("token={token}")]);
    source.live().await;
    (pbx, source, token)
}

#[tokio::test]
async fn a_persistent_token_opens_sessions_without_any_login() {
    let (pbx, mut source, token) = with_token().await;
    pbx.emit("extenUpdate", r#"{"exten":"201"}"#);
    assert_eq!(source.says().await, "extenUpdate");
    pbx.cut();
    source.ended(EndReason::ConnectionClosed).await;
    source.live().await;
    assert_eq!(count(&pbx, "/api/login"), 1, "the one that made the token");
    source.stop.end_sessions();
    (&mut source.task).await.unwrap();
    assert_eq!(count(&pbx, "/api/logout"), 0);
    assert_eq!(get(&pbx, "/api/user/me", &token).await.0, 200, "it is good for the next start");
}

#[tokio::test]
async fn a_token_that_is_withdrawn_is_the_operators() {
    let (pbx, mut source, token) = with_token().await;
    pbx.revoke("bridge");
    pbx.cut();
    source.ended(EndReason::ConnectionClosed).await;
    let failed = source.notice("auth.failed").await;
    assert_eq!(failed["operator"], true, "{failed}");
    assert_eq!(failed["reason"], "token_refused", "{failed}");
    let reason = failed["detail"].as_str().unwrap();
    assert!(reason.contains("make a new one with `cti-bridge token create`"), "{reason}");
    assert!(!reason.contains(&token[..20]), "{reason}");
}

#[tokio::test]
async fn a_token_without_backend_support_is_retried() {
    let (pbx, mut source, _) = with_token().await;
    pbx.kill_sessions();
    pbx.cut();
    source.ended(EndReason::ConnectionClosed).await;
    source.tells("does not recognise it").await;
    // Any login of the user revives it.
    token(&pbx).await;
    source.live().await;
}

#[tokio::test]
async fn a_pbx_without_the_middleware_has_the_same_session_and_events() {
    let mut scene = scene(None, &["auth=legacy"]).await;
    scene.live().await;
    // What the middleware adds, nobody adds here.
    scene.pbx.inject(r#"42["satellite/summary",{"uniqueid":"1795538000.1"}]"#);
    scene.pbx.emit("extenUpdate", r#"{"exten":"201"}"#);
    assert_eq!(scene.says().await, "extenUpdate");
    assert_eq!(scene.count("/webrest/authentication/login"), 1);
    assert_eq!(scene.count("/socket.io/"), 1);
    assert!(scene.pbx.seen().iter().all(|seen| !seen.path.starts_with("/api")));

    // Its tokens end with it, and it says so: no silence to wait for.
    scene.pbx.kill_sessions();
    scene.pbx.cut();
    scene.ended(EndReason::ConnectionClosed).await;
    scene.live().await;
    assert_eq!(scene.count("/webrest/authentication/login"), 2);
}

#[tokio::test]
async fn the_state_of_a_pbx_without_the_middleware_is_read_too() {
    let mut scene = scene(None, &["auth=legacy", "resync=true"]).await;
    scene.live().await;
    scene.notice("resync.started").await;
    let completed = completed(&mut scene).await;
    assert_eq!(
        (&completed["refused"], &completed["failed"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    assert!(
        scene.count("/webrest/astproxy/extensions") == 1 && scene.count("/webrest/user/endpoints/all") == 1
    );
}

async fn completed(scene: &mut Scene) -> serde_json::Value {
    loop {
        if let cti_bridge::event::Body::Notice(notice) = scene.next().await.body {
            assert_eq!(notice.name, "resync.completed");
            return serde_json::from_slice(&notice.data).unwrap();
        }
    }
}

#[tokio::test]
async fn a_starting_legacy_backend_is_awaited() {
    let mut scene = scene::scene_with(|knobs| knobs.backend_down = true, None, &["auth=legacy"]).await;
    scene.tells("answered 503").await;
    scene.pbx.turn(|knobs| knobs.backend_down = false);
    scene.live().await;
}
