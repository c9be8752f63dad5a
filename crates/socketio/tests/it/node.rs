//! Tests the client against the official Socket.IO servers 3.1.2 and 4.8.

use std::time::Duration;

use interop::Node;
use serde_json::json;
use socketio::{BadReason, CloseReason, ConnectError, Frame, Incoming, Options, Socket};
use url::Url;

use crate::probe;

const VERSIONS: [&str; 2] = ["3", "4"];

fn url(node: &Node) -> Url {
    format!("ws://127.0.0.1:{}/api/ws/", node.port).parse().unwrap()
}

/// Short enough to expire during a test, far longer than a busy machine stalls.
fn options() -> Options {
    let short = Duration::from_millis(1_500);
    Options {
        margin: Duration::from_secs(2),
        attachments: short,
        probe: Some(probe(short, Duration::from_secs(5))),
        ..Options::default()
    }
}

async fn connect(node: &Node) -> Socket {
    let socket = crate::connect(&url(node), options()).await.unwrap();
    node.reports("connected");
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
                (&*frame.name().unwrap(), frame.argc, &frame.args()[..]),
                (name, 0, &b""[..]),
                "{version} {name:?}"
            );
        }
        let args = json!(["many", 1, "two", [3], { "four": null }, "\u{1F600}\u{0}"]);
        node.order("emit", &args);
        let frame = event(&mut socket).await;
        assert_eq!(frame.argc, 5);
        assert_eq!(&frame.args()[..], r#"1,"two",[3],{"four":null},"😀\u0000""#.as_bytes());
        // Text that no JSON library would preserve.
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
        assert_eq!(&*event(&mut socket).await.name().unwrap(), "between");
        let torn = event(&mut socket).await;
        assert_eq!((&*torn.name().unwrap(), torn.attachments.len()), ("torn", 1));

        node.order("rawBinary", &json!([3]));
        assert_eq!(bad(&mut socket).await, BadReason::UnexpectedBinary);
        node.order("raw", &json!([r#"452-["never",{"_placeholder":true,"num":0}]"#]));
        node.order("rawBinary", &json!([3]));
        assert_eq!(bad(&mut socket).await, BadReason::AttachmentsMissing);
        node.order("raw", &json!([r#"4599-["many",1]"#]));
        assert_eq!(bad(&mut socket).await, BadReason::AttachmentsTooLarge);
        node.order("emit", &json!(["alive"]));
        assert_eq!(&*event(&mut socket).await.name().unwrap(), "alive");
    }
}

async fn bad(socket: &mut Socket) -> BadReason {
    match next(socket).await.unwrap() {
        Incoming::Bad(bad) => bad.reason,
        other => panic!("not bad: {other:?}"),
    }
}

#[tokio::test]
async fn acknowledgements_and_sent_events_arrive() {
    for version in VERSIONS {
        let mut node = Node::start(version, None);
        let mut socket = connect(&node).await;
        node.order("ask", &json!(["question"]));
        assert_eq!(&*event(&mut socket).await.name().unwrap(), "question");
        node.order("logins", &json!(["drop"]));
        assert_eq!(node.reports("logins"), "drop");
        socket.emit("login", Some(r#"{"accessKeyId":"a","token":"t"}"#)).await.unwrap();
        // The answer is sent by the next call.
        let quiet = tokio::time::timeout(Duration::from_millis(200), socket.next()).await;
        assert!(quiet.is_err(), "{quiet:?}");
        assert_eq!(node.reports("acknowledged"), "question");
        node.order("emit", &json!(["over"]));
        assert_eq!(&*event(&mut socket).await.name().unwrap(), "over");
    }
}

#[tokio::test]
async fn a_quiet_connection_survives_many_ping_intervals() {
    let mut node = Node::start("3", None);
    let mut socket = connect(&node).await;
    // The server pings every 0.3 s and would close on a ping of ours.
    let quiet = tokio::time::timeout(Duration::from_secs(5), socket.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    node.order("emit", &json!(["still", 1]));
    assert_eq!(&*event(&mut socket).await.name().unwrap(), "still");
}

#[tokio::test]
async fn a_barrier_is_answered_and_no_event_is_lost() {
    for version in VERSIONS {
        let mut node = Node::start(version, None);
        let mut socket = connect(&node).await;
        for number in 1..4 {
            assert_eq!(socket.barrier("ping"), number);
            let barrier = next(&mut socket).await;
            assert!(
                matches!(barrier, Ok(Incoming::Barrier(answered)) if answered == number),
                "{version} {barrier:?}"
            );
            node.order("emit", &json!(["event", number]));
            assert_eq!(&*event(&mut socket).await.name().unwrap(), "event", "{version}");
        }
    }
}

#[tokio::test]
async fn every_end_has_its_reason() {
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
async fn a_stopped_server_is_detected_as_silent() {
    let node = Node::start("3", None);
    let mut socket = connect(&node).await;
    node.signal("-STOP");
    let closed = end(&mut socket).await;
    assert!(closed.is_silence(), "{closed:?}");
    node.signal("-CONT");
}

#[tokio::test]
async fn a_refused_namespace_is_an_error() {
    for version in VERSIONS {
        let mut node = Node::start(version, None);
        node.order("refuse", &json!([true]));
        node.reports("refusing");
        let refused = crate::connect(&url(&node), options()).await;
        assert!(matches!(refused, Err(ConnectError::NamespaceRefused)), "{version} {refused:?}");
    }
}
