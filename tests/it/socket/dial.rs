//! Dialling a PBX: through a proxy, and to servers that are not there.

use cti_bridge::{
    socket::{Incoming, Limits, Socket, Target},
    tls::Trust,
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{accept_async, tungstenite::Message};

/// A server that sends one event to each client.
async fn server(event: &'static str) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/api/ws/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut websocket = accept_async(stream).await.unwrap();
            websocket.send(Message::text(r#"0{"sid":"e","pingInterval":25000}"#)).await.unwrap();
            assert_eq!(websocket.next().await.unwrap().unwrap(), Message::text("40"));
            websocket.send(Message::text(r#"40{"sid":"s"}"#)).await.unwrap();
            websocket.send(Message::text(event)).await.unwrap();
            std::mem::forget(websocket);
        }
    });
    Target { url, trust: Trust::default(), proxy: None }
}

#[tokio::test]
async fn an_absent_server_is_an_error_with_a_remedy() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let target =
        Target { url: format!("ws://{free}/api/ws/").parse().unwrap(), trust: Trust::default(), proxy: None };
    let refused = Socket::connect(&target, &Limits::default()).await.unwrap_err();
    assert!(refused.to_string().contains("can't be reached"), "{refused}");
}

#[tokio::test]
async fn a_proxy_opens_a_tunnel_and_its_refusal_is_named() {
    let pbx = server(r#"42["through",1]"#).await;
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
            // Without a reason phrase (RFC 9112, section 4).
            client.write_all(b"HTTP/1.1 200\r\nVia: x\r\n\r\n").await.unwrap();
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
