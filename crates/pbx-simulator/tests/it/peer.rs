//! The simulator with a client written by others, over TLS, with its own calls, and in a hurry.

use std::{collections::HashSet, io::Write as _, time::Instant};

use futures_util::FutureExt as _;
use pbx_simulator::{Flow, Replay, Source, Tls, frame};
use rust_socketio::{
    Event, Payload, TransportType,
    asynchronous::{Client, ClientBuilder},
};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};

use pbx_client::{AUTHE_OK, DEADLINE, Raw, connected, login, start, start_with, token};

#[tokio::test]
async fn an_independent_client_joins_logs_in_and_hears_the_events() {
    let pbx = start().await;
    let token = token(&pbx).await;
    let (heard, mut events) = mpsc::channel(100);
    let client: Client = ClientBuilder::new(pbx.url().join("/api/ws/").unwrap())
        .transport_type(TransportType::Websocket)
        .reconnect(false)
        .on_any(move |event: Event, payload: Payload, _| {
            let heard = heard.clone();
            async move {
                if let Payload::Text(args) = payload {
                    heard.send((String::from(event), args)).await.unwrap();
                }
            }
            .boxed()
        })
        .connect()
        .await
        .unwrap();
    let credentials = json!({"accessKeyId": "bridge", "token": token, "uaType": "desktop"});
    // The library may have to wait for the namespace; the simulator ignores a login before that.
    client.emit("login", credentials).await.unwrap();
    let mut next = async || timeout(DEADLINE, events.recv()).await.unwrap().unwrap();
    let message = json!({"message": "authorized successfully"});
    assert_eq!(next().await, ("authe_ok".to_owned(), vec![message]));
    connected(&pbx, 1).await;
    pbx.emit("extenUpdate", r#"{"exten":"201"}"#);
    pbx.emit("callWebrtc", r#""01632960111""#);
    assert_eq!(next().await, ("extenUpdate".to_owned(), vec![json!({"exten": "201"})]));
    assert_eq!(next().await, ("callWebrtc".to_owned(), vec![json!("01632960111")]));
    client.disconnect().await.unwrap();
    connected(&pbx, 0).await;
}

#[tokio::test]
async fn over_tls_it_is_the_same_server() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let tls = Tls { certificates: made.cert.pem(), key: made.signing_key.serialize_pem().into() };
    let pbx = start_with(|options| options.tls = Some(tls)).await;
    assert_eq!(pbx.url().scheme(), "https");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
    let answer = client
        .post(pbx.url().join("/api/login").unwrap())
        .json(&json!({"username": "bridge", "password": "secret"}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let wrong = Tls { certificates: "nonsense".to_owned(), key: "nonsense".into() };
    let mut options = pbx_simulator::Options::quiet(pbx_simulator::Account::new("a", "b"));
    options.tls = Some(wrong);
    let error = pbx_simulator::Simulator::start(options).await.unwrap_err();
    assert!(error.to_string().starts_with("the simulator's private key can't be used"), "{error}");
}

#[tokio::test]
async fn the_office_keeps_the_wanted_rate_and_size() {
    const RATE: f64 = 400.0;
    const EVENTS: u32 = 1_200;
    let flow = Flow { rate: RATE, payload_bytes: Some(2_000) };
    let pbx = start_with(|options| options.source = Source::Calls(flow)).await;
    let token = token(&pbx).await;
    let mut raw = Raw::login(&pbx, &token).await;
    let (began, mut names) = (Instant::now(), HashSet::new());
    for _ in 0..EVENTS {
        let text = raw.text().await;
        let args: Vec<Value> = serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap();
        if args.get(1).is_some_and(Value::is_object) {
            assert!(text.len() >= 2_000, "{text}");
        }
        names.insert(args[0].as_str().unwrap().to_owned());
    }
    let rate = f64::from(EVENTS) / began.elapsed().as_secs_f64();
    assert!((RATE / 3.0..RATE * 3.0).contains(&rate), "{rate} events per second");
    assert!(names.len() > 5 && !names.contains("extenRinging"), "{names:?}");
    // What the events said last is what the snapshot says, but for events that are under way.
    let (status, body) = pbx_client::get(&pbx, "/api/astproxy/extensions", &token).await;
    assert_eq!((status, pbx_client::field(&body, &["201", "exten"])), (200, "201".to_owned()));
}

#[tokio::test]
async fn a_recording_is_played_byte_for_byte_and_again() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for second in 0..3 {
        writeln!(
            file,
            r#"{{"at":"2026-11-24T10:00:0{second}Z","event":"n\u002f{second}","args":[{{"n": 1.0e5}}]}}"#
        )
        .unwrap();
    }
    let replay = Replay::read(file.path(), 100.0, true).unwrap();
    let pbx = start_with(|options| options.source = Source::Replay(replay)).await;
    let token = token(&pbx).await;
    let mut raw = Raw::login(&pbx, &token).await;
    while !raw.text().await.contains("f2\"") {}
    for second in [0, 1, 2, 0, 1, 2] {
        assert_eq!(raw.text().await, format!(r#"42["n\u002f{second}",{{"n": 1.0e5}}]"#));
    }
}

#[tokio::test]
async fn a_burst_is_complete_and_in_order_on_every_socket() {
    const COUNT: u64 = 50_000;
    let pbx = start().await;
    let token = token(&pbx).await;
    let mut sockets = [Raw::login(&pbx, &token).await, Raw::login(&pbx, &token).await];
    let mut idle = Raw::join(&pbx).await;
    let first = pbx.burst_numbered(10, 850);
    let second = pbx.burst_numbered(COUNT, 850);
    assert_eq!((first, second), (0..10, 10..COUNT + 10));
    pbx.burst(&["42[\"a\"]".to_owned(), "42[\"b\"]".to_owned()], 3);
    pbx.emit("after", "");
    idle.is_silent().await;
    for raw in &mut sockets {
        for number in 0..COUNT + 10 {
            let text = raw.text().await;
            assert!(text.contains(&format!(r#""uniqueId":"1795538000.{number:012}""#)), "{text}");
        }
        for name in ["a", "b", "a", "after"] {
            assert_eq!(raw.text().await, format!(r#"42["{name}"]"#));
        }
    }
}

#[tokio::test]
async fn anything_can_be_put_on_the_wire() {
    let pbx = start().await;
    let token = token(&pbx).await;
    let mut raw = Raw::join(&pbx).await;
    raw.send(&login(&token, "")).await;
    assert_eq!(raw.text().await, AUTHE_OK);
    let large = format!(r#"42["large","{}"]"#, "x".repeat(5 << 20));
    pbx.send_text(&large);
    assert_eq!(raw.text().await, large);
    let whole = frame::text(br#"42["halves"]"#);
    pbx.send_bytes(whole.slice(..5));
    pbx.send_bytes(whole.slice(5..));
    assert_eq!(raw.text().await, r#"42["halves"]"#);
    pbx.send_bytes(frame::text(b"42[\"\xff\"]"));
    assert!(raw.next().await.is_none(), "invalid UTF-8 was taken");
}
