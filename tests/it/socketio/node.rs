//! Our client against real Socket.IO servers: 3.1.2, which the PBX runs, and 4.8.

use std::time::Duration;

use cti_bridge::{
    socketio::{BadReason, CloseReason, ConnectError, Frame, Incoming, Limits, Socket, Target},
    tls::Trust,
};
use serde_json::json;

use crate::support::node::Node;

const VERSIONS: [&str; 2] = ["3", "4"];

fn target(node: &Node) -> Target {
    let url = format!("ws://127.0.0.1:{}/api/ws/", node.port).parse().unwrap();
    Target { url, trust: Trust::default(), proxy: None }
}

/// Short enough to see them pass, far longer than a busy machine stalls.
fn limits() -> Limits {
    let short = Duration::from_millis(1_500);
    Limits {
        margin: Duration::from_secs(2),
        attachments: short,
        probe_after: short,
        probe_answer: Duration::from_secs(5),
        ..Limits::default()
    }
}

async fn connect(node: &Node) -> Socket {
    let socket = Socket::connect(&target(node), &limits()).await.unwrap();
    node.tells("connected");
    socket
}

async fn next(socket: &mut Socket) -> Result<Incoming, CloseReason> {
    tokio::time::timeout(Duration::from_secs(30), socket.next()).await.expect("nothing in 30 s")
}

async fn event(socket: &mut Socket) -> Frame {
    match next(socket).await.unwrap() {
        Incoming::Event(frame) => frame,
        other => panic!("no event: {other:?}"),
    }
}

async fn end(socket: &mut Socket) -> CloseReason {
    loop {
        if let Err(closed) = next(socket).await {
            return closed;
        }
    }
}

#[tokio::test]
async fn events_of_every_name_and_shape() {
    for version in VERSIONS {
        let mut node = Node::start(version, None);
        let mut socket = connect(&node).await;
        let names = [
            "extenUpdate",
            "401",
            "satellite/summary",
            "error1",
            "close",
            "open",
            "message",
            "ping",
            "",
            "a b.*>",
            "è\n",
            "\u{1F600}",
        ];
        for name in names {
            node.order("emit", &json!([name]));
            let frame = event(&mut socket).await;
            assert_eq!(
                (&*frame.name(), frame.argc, &frame.args()[..]),
                (name.as_bytes(), 0, &b""[..]),
                "{version} {name:?}"
            );
        }
        let args = json!(["many", 1, "two", [3], { "four": null }, "\u{1F600}\u{0}"]);
        node.order("emit", &args);
        let frame = event(&mut socket).await;
        assert_eq!(frame.argc, 5);
        assert_eq!(&frame.args()[..], r#"1,"two",[3],{"four":null},"😀\u0000""#.as_bytes());
        // What no JSON library would hand through.
        let odd = r#"{"b":1,"a":1,"a":12345678901234567890,"x":1e999,"s":"\ud800"}"#;
        node.order("raw", &json!([format!("42[\"odd\",{odd}]")]));
        assert_eq!(&event(&mut socket).await.args()[..], odd.as_bytes());
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        node.order("raw", &json!([format!("42[\"deep\",{deep}]")]));
        assert_eq!(&event(&mut socket).await.args()[..], deep.as_bytes());
        node.order("large", &json!(["avatar", 5_000_000]));
        assert_eq!(event(&mut socket).await.args().len(), 5_000_002);
    }
}

#[tokio::test]
async fn binary_attachments_arrive_also_with_a_frame_between() {
    for version in VERSIONS {
        let mut node = Node::start(version, None);
        let mut socket = connect(&node).await;
        node.order("binary", &json!(["image", [10, 20_000, 0]]));
        let frame = event(&mut socket).await;
        let sizes: Vec<usize> = frame.attachments.iter().map(bytes::Bytes::len).collect();
        assert_eq!((sizes, frame.argc), (vec![10, 20_000, 0], 4), "{version}");

        node.order("raw", &json!([r#"451-["torn",{"_placeholder":true,"num":0}]"#]));
        node.order("emit", &json!(["between", 1]));
        node.order("rawBinary", &json!([3]));
        assert_eq!(&*event(&mut socket).await.name(), b"between");
        let torn = event(&mut socket).await;
        assert_eq!((&*torn.name(), torn.attachments.len()), (&b"torn"[..], 1));

        node.order("rawBinary", &json!([3]));
        assert_eq!(bad(&mut socket).await, BadReason::UnexpectedBinary);
        node.order("raw", &json!([r#"452-["never",{"_placeholder":true,"num":0}]"#]));
        node.order("rawBinary", &json!([3]));
        assert_eq!(bad(&mut socket).await, BadReason::AttachmentsMissing);
        node.order("raw", &json!([r#"4599-["many",1]"#]));
        assert_eq!(bad(&mut socket).await, BadReason::AttachmentsTooLarge);
        node.order("emit", &json!(["alive"]));
        assert_eq!(&*event(&mut socket).await.name(), b"alive");
    }
}

async fn bad(socket: &mut Socket) -> BadReason {
    match next(socket).await.unwrap() {
        Incoming::Bad(bad) => bad.reason,
        other => panic!("not bad: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_asked_is_answered_and_what_is_sent_is_heard() {
    for version in VERSIONS {
        let mut node = Node::start(version, None);
        let mut socket = connect(&node).await;
        node.order("ask", &json!(["question"]));
        assert_eq!(&*event(&mut socket).await.name(), b"question");
        node.order("logins", &json!(["drop"]));
        assert_eq!(node.tells("logins"), "drop");
        socket.emit("login", Some(r#"{"accessKeyId":"a","token":"t"}"#)).await.unwrap();
        // The answer leaves with the next call.
        let quiet = tokio::time::timeout(Duration::from_millis(200), socket.next()).await;
        assert!(quiet.is_err(), "{quiet:?}");
        assert_eq!(node.tells("acknowledged"), "question");
        node.order("emit", &json!(["over"]));
        assert_eq!(&*event(&mut socket).await.name(), b"over");
    }
}

#[tokio::test]
async fn a_quiet_line_stays_up_for_many_ping_intervals() {
    let mut node = Node::start("3", None);
    let mut socket = connect(&node).await;
    // The server pings every 0.3 s and would close on a ping of ours.
    let quiet = tokio::time::timeout(Duration::from_secs(5), socket.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    node.order("emit", &json!(["still", 1]));
    assert_eq!(&*event(&mut socket).await.name(), b"still");
}

#[tokio::test]
async fn a_barrier_is_answered_with_its_number_and_swallows_no_event() {
    for version in VERSIONS {
        let mut node = Node::start(version, None);
        let mut socket = connect(&node).await;
        for number in 1..4 {
            assert_eq!(socket.barrier(), number);
            let barrier = next(&mut socket).await;
            assert!(
                matches!(barrier, Ok(Incoming::Barrier(answered)) if answered == number),
                "{version} {barrier:?}"
            );
            node.order("emit", &json!(["event", number]));
            assert_eq!(&*event(&mut socket).await.name(), b"event", "{version}");
        }
    }
}

#[tokio::test]
async fn every_end_is_noticed_and_named() {
    for version in VERSIONS {
        let mut node = Node::start(version, None);
        let mut socket = connect(&node).await;
        node.order("leave", &json!([]));
        assert!(matches!(next(&mut socket).await, Ok(Incoming::Disconnected)), "{version}");

        let mut socket = connect(&node).await;
        node.order("close", &json!([]));
        let closed = end(&mut socket).await;
        assert!(matches!(closed, CloseReason::Closed(_) | CloseReason::Eof), "{version} {closed:?}");

        let mut socket = connect(&node).await;
        node.order("reset", &json!([]));
        let closed = end(&mut socket).await;
        assert!(matches!(closed, CloseReason::Eof | CloseReason::Transport(_)), "{version} {closed:?}");

        let mut socket = connect(&node).await;
        node.order("half", &json!([]));
        let closed = end(&mut socket).await;
        assert!(matches!(closed, CloseReason::Eof), "{version} {closed:?}");

        let mut socket = connect(&node).await;
        node.order("invalidUtf8", &json!([]));
        let closed = end(&mut socket).await;
        assert!(matches!(closed, CloseReason::NotUtf8), "{version} {closed:?}");

        let mut socket = connect(&node).await;
        node.signal("-KILL");
        let closed = end(&mut socket).await;
        assert!(matches!(closed, CloseReason::Eof | CloseReason::Transport(_)), "{version} {closed:?}");
    }
}

#[tokio::test]
async fn a_stopped_server_is_silent_and_that_is_noticed() {
    let node = Node::start("3", None);
    let mut socket = connect(&node).await;
    node.signal("-STOP");
    let closed = end(&mut socket).await;
    assert!(closed.is_silence(), "{closed:?}");
    node.signal("-CONT");
}

#[tokio::test]
async fn a_refused_namespace_and_an_absent_server_are_errors_with_a_sentence() {
    for version in VERSIONS {
        let mut node = Node::start(version, None);
        node.order("refuse", &json!([true]));
        node.tells("refusing");
        let refused = Socket::connect(&target(&node), &limits()).await;
        assert!(matches!(refused, Err(ConnectError::NamespaceRefused { .. })), "{version} {refused:?}");
        let gone = target(&node);
        drop(node);
        let refused = Socket::connect(&gone, &limits()).await.unwrap_err();
        assert!(refused.to_string().contains("can't be reached"), "{refused}");
    }
}

#[tokio::test]
async fn tls_with_our_own_ca_and_a_clear_error_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = rcgen::CertifiedIssuer::self_signed(params, ca_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &ca).unwrap();
    let (crt, key) = (write("tls.crt", certificate.pem()), write("tls.key", key.serialize_pem()));
    let node = Node::start("4", Some((&crt, &key)));
    let url = format!("wss://localhost:{}/api/ws/", node.port).parse().unwrap();
    let mut target = Target { url, trust: Trust::default(), proxy: None };
    let refused = Socket::connect(&target, &limits()).await.unwrap_err();
    assert!(refused.to_string().contains("set `ca_file`"), "{refused}");
    target.trust.ca_file = Some(write("ca.crt", ca.pem()));
    let mut socket = Socket::connect(&target, &limits()).await.unwrap();
    socket.emit("hello", Some("1")).await.unwrap();
    assert_eq!(node.tells("heard"), "hello");
    let wrong_name = format!("wss://127.0.0.1:{}/api/ws/", node.port).parse().unwrap();
    let refused =
        Socket::connect(&Target { url: wrong_name, ..target.clone() }, &limits()).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Tls { .. }), "{refused}");
    target.trust = Trust { insecure_skip_verify: true, ..Trust::default() };
    Socket::connect(&target, &limits()).await.unwrap();
}
