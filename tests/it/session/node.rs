//! The session against a real Socket.IO server of the version that the PBX runs.

use cti_bridge::{
    event::{Body, EndReason, SourceId},
    socket::{Limits, Socket, Target},
    tls::Trust,
};
use interop::Node;
use serde_json::json;

use crate::support::scene::Source;

fn server() -> Node {
    let mut node = Node::start("3", None);
    logins(&mut node, "accept");
    node
}

fn source(node: &Node, settings: &[&str]) -> Source {
    Source::start(&format!("http://127.0.0.1:{}", node.port), None, settings)
}

/// How the server answers logins from now on.
fn logins(node: &mut Node, how: &str) {
    node.order("logins", &json!([how]));
    assert_eq!(node.reports("logins"), how);
}

/// Waits until the server has heard this event.
fn hears(node: &Node, name: &str) {
    while node.reports("heard") != name {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_dropped_or_cut_off_is_made_again() {
    for (how, says) in [
        ("refuse", "refuses the session's token"),
        ("drop", "does not answer the session's login"),
        ("leave", "ended the Socket.IO session before answering the login"),
    ] {
        let mut node = server();
        logins(&mut node, how);
        let mut source = source(&node, &["login_timeout=1s"]);
        hears(&node, "login");
        source.tells(says).await;
        logins(&mut node, "accept");
        source.live().await;
    }
}

/// Whether there is anything behind the middleware.
fn backend(node: &mut Node, up: bool) {
    node.order("backend", &json!([up]));
    assert_eq!(node.reports("backend"), up);
}

fn passwords(node: &mut Node) -> u64 {
    node.order("asked", &json!(["/api/login"]));
    node.reports("asked").as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_dropped_at_once_are_retried_with_the_same_token() {
    let mut node = server();
    let mut source = source(&node, &[]);
    source.live().await;
    backend(&mut node, false);
    source.ended(EndReason::ConnectionClosed).await;
    for _ in 0..4 {
        node.reports("dropped");
    }
    backend(&mut node, true);
    source.live_after("disconnected").await;
    assert_eq!(passwords(&mut node), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_starting_backends_refusal_is_retried_once_a_socket_opens() {
    let mut node = server();
    backend(&mut node, false);
    let mut source = source(&node, &[]);
    assert_eq!(source.notice("auth.failed").await["failures"], 1);
    source.retry.fire();
    for _ in 0..3 {
        node.reports("dropped");
    }
    assert_eq!(passwords(&mut node), 1);
    backend(&mut node, true);
    source.live().await;
    assert_eq!(passwords(&mut node), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn early_events_wait_and_a_second_acceptance_is_ignored() {
    let mut node = server();
    logins(&mut node, "twice");
    let mut source = source(&node, &[]);
    source.live().await;
    assert_eq!(source.says().await, "satellite/summary");
    node.order("emit", &json!(["after", 1]));
    assert_eq!(source.says().await, "after");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_frame_is_kept_or_counted_and_every_end_reconnects() {
    let mut node = server();
    let mut source = source(&node, &[]);
    source.live().await;
    node.order("raw", &json!(["42{x"]));
    node.order("raw", &json!([r#"451-["torn",{"_placeholder":true,"num":0}]"#]));
    node.order("emit", &json!(["between"]));
    node.order("rawBinary", &json!([3]));
    node.order("large", &json!(["avatar", 5_000_000]));
    assert_eq!([source.says().await, source.says().await], ["between", "torn"]);
    let Body::Event(large) = source.next().await.body else { panic!("no event") };
    assert_eq!(large.args().len(), 5_000_002);
    assert_eq!(source.journal.bad_frames(SourceId(0)), 1);
    for (order, reason) in [
        ("leave", EndReason::NamespaceClosed),
        // It says `41` before it closes.
        ("close", EndReason::NamespaceClosed),
        ("reset", EndReason::ConnectionClosed),
        ("half", EndReason::ConnectionClosed),
    ] {
        node.order(order, &json!([]));
        source.ended(reason).await;
        source.live_after("disconnected").await;
    }
    node.order("emit", &json!(["401", {}]));
    source.ended(EndReason::LoginRefused).await;
    source.live().await;
    node.order("emit", &json!(["serverReloaded"]));
    assert_eq!(source.says().await, "serverReloaded");
    source.ended(EndReason::ServerReloaded).await;
    source.live_after("server_reloaded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_is_answered_before_the_session_ends() {
    let mut node = server();
    let mut source = source(&node, &["ua_type=desktop"]);
    source.live().await;
    node.order("emit", &json!(["takeOver"]));
    hears(&node, "takeOverAck");
    assert_eq!(source.notice("takenover").await["policy"], "stand-by");
    source.ended(EndReason::TakenOver).await;
    node.reports("disconnected");
    source.retry.fire();
    source.live_after("taken_over").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_is_noticed_and_used_again_later() {
    let mut node = server();
    let mut source = source(&node, &["connect_timeout=1s"]);
    source.live().await;
    node.signal("-STOP");
    source.ended(EndReason::Silent).await;
    node.signal("-CONT");
    source.live().await;
    node.order("emit", &json!(["again", 1]));
    assert_eq!(source.says().await, "again");
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicate_sessions_yield_and_ghosts_are_waited_out() {
    let mut node = server();
    logins(&mut node, "rival");
    let mut one = source(&node, &["ua_type=desktop"]);
    one.live().await;
    let mut other = source(&node, &["ua_type=desktop"]);
    other.live().await;
    assert_eq!(one.notice("takenover").await["policy"], "stand-by");
    one.ended(EndReason::TakenOver).await;
    one.retry.fire();
    one.live_after("taken_over").await;
    other.notice("takenover").await;
    other.ended(EndReason::TakenOver).await;

    // Two that never answer: each of them logs the newcomer in when its time is over.
    let mut node = server();
    logins(&mut node, "rival");
    let mut ghosts = Vec::new();
    for _ in 0..2 {
        let url = format!("ws://127.0.0.1:{}/api/ws/", node.port).parse().unwrap();
        let target = Target { url, trust: Trust::default(), proxy: None };
        let mut ghost = Socket::connect(&target, &Limits::default()).await.unwrap();
        let login = r#"{"accessKeyId":"bridge","token":"token","uaType":"desktop"}"#;
        ghost.emit("login", Some(login)).await.unwrap();
        hears(&node, "login");
        ghosts.push(ghost);
    }
    let mut source = source(&node, &["ua_type=desktop"]);
    hears(&node, "login");
    let began = std::time::Instant::now();
    source.live().await;
    assert!(began.elapsed().as_secs() >= 1, "nobody made it wait");
    // The second acceptance is under way or has come: it changes nothing.
    node.order("emit", &json!(["after", 1]));
    assert_eq!(source.says().await, "after");
}
