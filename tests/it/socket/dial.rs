//! Dialling a PBX: through a proxy, over TLS, and to servers that are not there.

use cti_bridge::{
    socket::{ConnectError, Incoming, Limits, Socket, Target},
    tls::Trust,
};
use futures_util::{SinkExt as _, StreamExt as _};
use interop::Node;
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
    let refused = Socket::connect(&target, &Limits::default()).await.unwrap_err();
    assert!(refused.to_string().contains("set `ca_file`"), "{refused}");
    target.trust.ca_file = Some(write("ca.crt", ca.pem()));
    let mut socket = Socket::connect(&target, &Limits::default()).await.unwrap();
    socket.emit("hello", Some("1")).await.unwrap();
    assert_eq!(node.reports("heard"), "hello");
    let wrong_name = format!("wss://127.0.0.1:{}/api/ws/", node.port).parse().unwrap();
    let refused =
        Socket::connect(&Target { url: wrong_name, ..target.clone() }, &Limits::default()).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Tls { .. }), "{refused}");
    target.trust = Trust { insecure_skip_verify: true, ..Trust::default() };
    Socket::connect(&target, &Limits::default()).await.unwrap();
}
