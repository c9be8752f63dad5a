//! Tests the client against peers that violate the protocol, each in one way.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use socketio::{CloseReason, ConnectError, Incoming, Options};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, accept_async,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};
use url::Url;

use crate::{connect, probe};

const OPEN: &str = r#"0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":10000000}"#;

/// A peer that handles each connection with this function.
async fn peer<F: Future<Output = ()> + Send>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/api/ws/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            serve(stream).await;
        }
    });
    url
}

fn short() -> Options {
    let short = Duration::from_millis(400);
    Options { open: short, namespace: short, upgrade: short, ..Options::default() }
}

/// Opens the session, joins the namespace, and passes the websocket to the test.
async fn joined(stream: TcpStream) -> WebSocketStream<TcpStream> {
    let mut websocket = accept_async(stream).await.unwrap();
    websocket.send(Message::text(OPEN)).await.unwrap();
    assert_eq!(websocket.next().await.unwrap().unwrap(), Message::text("40"));
    websocket.send(Message::text(r#"40{"sid":"s"}"#)).await.unwrap();
    websocket
}

async fn refused(url: &Url) -> ConnectError {
    let connecting = tokio::time::timeout(Duration::from_secs(20), connect(url, short()));
    connecting.await.expect("connecting is not bounded").unwrap_err()
}

#[tokio::test]
async fn each_step_of_connecting_is_bounded_and_has_its_own_error() {
    let dropped = peer(|stream| async { drop(accept_async(stream).await) }).await;
    let error = refused(&dropped).await;
    assert!(matches!(error, ConnectError::Dropped), "101, then nothing: {error}");

    let html = peer(|mut stream| async move {
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>").await;
    })
    .await;
    let error = refused(&html).await;
    assert!(matches!(error, ConnectError::Refused { status: 502, .. }), "{error}");

    let deaf = peer(|stream| async { std::mem::forget(stream) }).await;
    let error = refused(&deaf).await;
    assert!(matches!(error, ConnectError::TimedOut { step: "answer the websocket upgrade", .. }), "{error}");

    let mute = peer(|stream| async { std::mem::forget(accept_async(stream).await) }).await;
    let error = refused(&mute).await;
    assert!(error.to_string().contains("open packet"), "{error}");

    let other = peer(|stream| async {
        let mut websocket = accept_async(stream).await.unwrap();
        let _ = websocket.send(Message::text("hello")).await;
        std::mem::forget(websocket);
    })
    .await;
    let error = refused(&other).await;
    assert!(matches!(error, ConnectError::NotEngineIo), "{error}");

    let unjoined = peer(|stream| async {
        let mut websocket = accept_async(stream).await.unwrap();
        let _ = websocket.send(Message::text(OPEN)).await;
        std::mem::forget(websocket);
    })
    .await;
    let error = refused(&unjoined).await;
    assert!(error.to_string().contains("join the namespace"), "{error}");
}

#[tokio::test]
async fn an_unanswered_probe_counts_only_after_an_answered_one() {
    let options = Options {
        probe: Some(probe(Duration::from_millis(200), Duration::from_millis(200))),
        ..Options::default()
    };
    for answers in [1, 0] {
        let url = peer(move |stream| async move {
            let mut websocket = joined(stream).await;
            let mut left = answers;
            while let Some(Ok(message)) = websocket.next().await {
                if message == Message::text(r#"420["ping"]"#) && left > 0 {
                    left -= 1;
                    let _ = websocket.send(Message::text("430[]")).await;
                }
            }
        })
        .await;
        let mut socket = connect(&url, options.clone()).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(3), socket.next()).await;
        match answers {
            1 => assert!(matches!(ended, Ok(Err(CloseReason::ProbeUnanswered(_)))), "{ended:?}"),
            _ => assert!(ended.is_err(), "a server without probe support was dropped: {ended:?}"),
        }
    }
}

#[tokio::test]
async fn bad_frames_are_reported_and_good_ones_after_them_arrive() {
    let url = peer(|stream| async {
        let mut websocket = joined(stream).await;
        for frame in ["42{x", "", "9", r#"42["a",]"#, r#"42/other,["a"]"#, "45", r#"42["good",1]"#] {
            websocket.send(Message::text(frame)).await.unwrap();
        }
        std::mem::forget(websocket);
    })
    .await;
    let mut socket = connect(&url, Options::default()).await.unwrap();
    for _ in 0..6 {
        let incoming = socket.next().await.unwrap();
        assert!(matches!(incoming, Incoming::Bad(_)), "{incoming:?}");
    }
    let Incoming::Event(frame) = socket.next().await.unwrap() else { panic!("no event") };
    assert_eq!(&*frame.name().unwrap(), "good");
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_connection() {
    let url = peer(|stream| async {
        let mut websocket = joined(stream).await;
        let _ = websocket.send(Message::text(format!(r#"42["a","{}"]"#, "x".repeat(10_000)))).await;
        std::mem::forget(websocket);
    })
    .await;
    let mut socket = connect(&url, Options { max_message: 9_000, ..Options::default() }).await.unwrap();
    let error = socket.next().await.err().unwrap();
    assert!(matches!(error, CloseReason::TooLarge { limit: 9_000, .. }), "{error}");
    assert!(error.to_string().contains("10") && error.to_string().contains("9000 bytes"), "{error}");
}

/// Answers the upgrade with this head, in which `{accept}` is filled in; then opens and joins.
async fn upgraded(mut stream: TcpStream, head: &str) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    let request = String::from_utf8(request).unwrap();
    assert!(request.starts_with("GET /api/ws/?EIO=4&transport=websocket HTTP/1.1\r\n"), "{request}");
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let head = head.replace("{accept}", &derive_accept_key(key.as_bytes()));
    // In one piece with the first frame, which must not be lost.
    let open = [&[0x81, u8::try_from(OPEN.len()).unwrap()], OPEN.as_bytes()].concat();
    stream.write_all(&[head.as_bytes(), &open].concat()).await.unwrap();
    let mut websocket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    if websocket.next().await.is_some_and(|message| message.is_ok()) {
        let _ = websocket.send(Message::text(r#"40{"sid":"s"}"#)).await;
        std::mem::forget(websocket);
    }
}

#[tokio::test]
async fn every_upgrade_answer_that_the_rfc_allows_is_accepted() {
    for head in [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n",
        "HTTP/1.1 101\r\nconnection: close\r\nCONNECTION:upgrade\r\nupgrade: WebSocket\r\nsec-websocket-accept:{accept} \r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Extensions: \r\n\r\n",
    ] {
        let url = peer(move |stream| upgraded(stream, head)).await;
        connect(&url, short()).await.unwrap();
    }
}

#[tokio::test]
async fn an_invalid_upgrade_answer_has_its_reason() {
    let right =
        "HTTP/1.1 101\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n";
    for (wrong, says) in [
        (right.replace("Upgrade: websocket", "Upgrade: h2c"), "lacks `Upgrade: websocket`"),
        (right.replace("Connection: Upgrade", "Connection: upgrades"), "lacks `Connection: Upgrade`"),
        (right.replace("{accept}", "c2VjcmV0"), "wrong `Sec-WebSocket-Accept`"),
        (format!("{right}Sec-WebSocket-Extensions: permessage-deflate\r\n"), "extension"),
        (format!("{right}Sec-WebSocket-Protocol: chat\r\n"), "subprotocol"),
        ("SSH-2.0-OpenSSH_9.6\r\n".to_owned(), "not HTTP/1.1"),
    ] {
        let url = peer(move |stream| {
            let head = format!("{wrong}\r\n");
            async move { upgraded(stream, &head).await }
        })
        .await;
        let error = refused(&url).await;
        assert!(
            matches!(&error, ConnectError::NotWebsocket(_)) && error.to_string().contains(says),
            "{error}"
        );
    }
}

/// The peer's pause: longer than the silence before a probe, and shorter than the limit for its answer.
const SILENCE: Duration = Duration::from_millis(400);

/// Sends a message's frame in 12 pieces, 100 ms apart.
async fn slowly(websocket: &mut WebSocketStream<TcpStream>, kind: u8, payload: &[u8]) {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let frame = [&[0x80 | kind, 126], &length[..], payload].concat();
    let stream = websocket.get_mut();
    for piece in frame.chunks(frame.len().div_ceil(12)) {
        stream.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_slow_message_keeps_the_connection_and_attachments() {
    let options = Options {
        margin: Duration::ZERO,
        probe: Some(probe(Duration::from_millis(300), Duration::from_millis(600))),
        attachments: Duration::from_millis(600),
        ..Options::default()
    };
    let url = peer(|stream| async {
        let mut websocket = joined(stream).await;
        while websocket.next().await.unwrap().unwrap() != Message::text(r#"420["ping"]"#) {}
        websocket.send(Message::text("430[]")).await.unwrap();
        // From here on an unanswered probe counts, and the next is outstanding before the first message is complete.
        tokio::time::sleep(SILENCE).await;
        let text = format!(r#"42["avatarUpdate","{}"]"#, "A".repeat(3000));
        slowly(&mut websocket, 1, text.as_bytes()).await;
        websocket.send(Message::text(r#"451-["image",{"_placeholder":true,"num":0}]"#)).await.unwrap();
        slowly(&mut websocket, 2, &[7; 3000]).await;
        std::mem::forget(websocket);
    })
    .await;
    let mut socket = connect(&url, options.clone()).await.unwrap();
    for (name, attachments) in [("avatarUpdate", 0), ("image", 1)] {
        match socket.next().await {
            Ok(Incoming::Event(frame)) => {
                assert_eq!((&*frame.name().unwrap(), frame.attachments.len()), (name, attachments));
            }
            other => panic!("{other:?}"),
        }
    }
    let ended = tokio::time::timeout(Duration::from_secs(20), socket.next()).await.unwrap();
    assert!(matches!(ended, Err(CloseReason::ProbeUnanswered(_))), "{ended:?}");
}

#[tokio::test]
async fn packets_may_begin_with_a_byte_order_mark() {
    let url = peer(|stream| async {
        let mut websocket = accept_async(stream).await.unwrap();
        let open = r#"{"sid":"a","pingInterval":1,"pingInterval":25000.0}"#;
        for packet in [&format!("\u{feff}0{open}"), "40\u{feff}{}", "\u{feff}42[\"marked\"]"] {
            websocket.send(Message::text(packet)).await.unwrap();
        }
        std::mem::forget(websocket);
    })
    .await;
    let mut socket = connect(&url, Options::default()).await.unwrap();
    let Incoming::Event(frame) = socket.next().await.unwrap() else { panic!("no event") };
    assert_eq!(&*frame.name().unwrap(), "marked");
}
