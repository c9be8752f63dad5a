//! Our client against peers that break the rules, each in one way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use cti_bridge::{
    socketio::{CloseReason, ConnectError, Incoming, Limits, Socket, Target},
    tls::Trust,
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};

const OPEN: &str = r#"0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":10000000}"#;

/// A peer whose connections each do this.
async fn peer<F: Future<Output = ()> + Send>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/api/ws/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            serve(stream).await;
        }
    });
    Target { url, trust: Trust::default(), proxy: None }
}

fn short() -> Limits {
    let short = Duration::from_millis(400);
    Limits { open: short, namespace: short, upgrade: short, ..Limits::default() }
}

/// Opens, joins, and gives the websocket to the test.
async fn joined(stream: TcpStream) -> WebSocketStream<TcpStream> {
    let mut websocket = accept_async(stream).await.unwrap();
    websocket.send(Message::text(OPEN)).await.unwrap();
    assert_eq!(websocket.next().await.unwrap().unwrap(), Message::text("40"));
    websocket.send(Message::text(r#"40{"sid":"s"}"#)).await.unwrap();
    websocket
}

async fn refused(target: &Target) -> ConnectError {
    let limits = short();
    let connecting = tokio::time::timeout(Duration::from_secs(20), Socket::connect(target, &limits));
    connecting.await.expect("connecting is not bounded").unwrap_err()
}

#[tokio::test]
async fn each_step_of_connecting_is_bounded_and_has_its_own_error() {
    let dropped = peer(|stream| async { drop(accept_async(stream).await) }).await;
    let error = refused(&dropped).await;
    assert!(matches!(error, ConnectError::Dropped { .. }), "101, then nothing: {error}");

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
    assert!(matches!(error, ConnectError::NotEngineIo { .. }), "{error}");

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
async fn a_probe_that_goes_unanswered_ends_the_connection_but_only_where_one_was_answered() {
    let limits = Limits {
        probe_after: Duration::from_millis(200),
        probe_answer: Duration::from_millis(200),
        ..Limits::default()
    };
    for answers in [1, 0] {
        let target = peer(move |stream| async move {
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
        let mut socket = Socket::connect(&target, &limits).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(3), socket.next()).await;
        match answers {
            1 => assert!(matches!(ended, Ok(Err(CloseReason::ProbeUnanswered(_)))), "{ended:?}"),
            _ => assert!(ended.is_err(), "a server that knows no probe was dropped for it: {ended:?}"),
        }
    }
}

#[tokio::test]
async fn bad_frames_are_reported_and_good_ones_after_them_arrive() {
    let target = peer(|stream| async {
        let mut websocket = joined(stream).await;
        for frame in ["42{x", "", "9", r#"42["a",]"#, r#"42/other,["a"]"#, "45", r#"42["good",1]"#] {
            websocket.send(Message::text(frame)).await.unwrap();
        }
        std::mem::forget(websocket);
    })
    .await;
    let mut socket = Socket::connect(&target, &Limits::default()).await.unwrap();
    for _ in 0..6 {
        let incoming = socket.next().await.unwrap();
        assert!(matches!(incoming, Incoming::Bad(_)), "{incoming:?}");
    }
    let Incoming::Event(frame) = socket.next().await.unwrap() else { panic!("no event") };
    assert_eq!(&*frame.name(), b"good");
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_connection_by_name() {
    let target = peer(|stream| async {
        let mut websocket = joined(stream).await;
        let _ = websocket.send(Message::text(format!(r#"42["a","{}"]"#, "x".repeat(10_000)))).await;
        std::mem::forget(websocket);
    })
    .await;
    let mut socket =
        Socket::connect(&target, &Limits { max_message: 9_000, ..Limits::default() }).await.unwrap();
    let error = socket.next().await.err().unwrap();
    assert!(matches!(error, CloseReason::TooLarge { limit: 9_000, .. }), "{error}");
    assert!(error.to_string().contains("10") && error.to_string().contains("9000 bytes"), "{error}");
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_way_and_its_refusal_is_named() {
    let pbx = peer(|stream| async {
        let mut websocket = joined(stream).await;
        let _ = websocket.send(Message::text(r#"42["through",1]"#)).await;
        std::mem::forget(websocket);
    })
    .await;
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = proxy.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = proxy.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            // user:pass
            if !head.contains("Proxy-Authorization: Basic dXNlcjpwYXNz\r\n") {
                client.write_all(b"HTTP/1.1 407 Who\r\n\r\n").await.unwrap();
                continue;
            }
            let to = head.split(' ').nth(1).unwrap().to_owned();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut server = TcpStream::connect(to).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    let through =
        |user: &str| Target { proxy: Some(format!("http://{user}{at}").parse().unwrap()), ..pbx.clone() };
    let mut socket = Socket::connect(&through("user:pass@"), &Limits::default()).await.unwrap();
    let Incoming::Event(frame) = socket.next().await.unwrap() else { panic!("no event") };
    assert_eq!(&*frame.name(), b"through");
    let error = Socket::connect(&through("user:planted@"), &Limits::default()).await.unwrap_err();
    assert!(error.to_string().contains("(407)"), "{error}");
    assert!(!format!("{error} {error:?} {:?}", through("user:planted@")).contains("planted"));
}
