//! The simulator, seen by clients that are not ours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use cti_bridge::simulator::{Account, Options, Simulator};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use reqwest::{Client, Method, StatusCode};
use rust_socketio::{
    Payload, TransportType,
    asynchronous::{Client as Peer, ClientBuilder},
};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::mpsc};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};

const TOTP: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

async fn pbx(totp: Option<&str>) -> Simulator {
    let account =
        Account { username: "bridge".into(), password: "p".into(), totp_secret: totp.map(str::to_owned), privacy: false };
    Simulator::start(Options::quiet(account)).await.unwrap()
}

async fn ask(pbx: &Simulator, method: Method, path: &str, token: Option<&str>, body: Option<&Value>) -> (StatusCode, String) {
    let trust = cti_bridge::tls::Trust::default().client_config().unwrap();
    let client = Client::builder().tls_backend_preconfigured(std::sync::Arc::unwrap_or_clone(trust)).build().unwrap();
    let mut request = client.request(method, pbx.url().join(path).unwrap());
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let response = request.send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

async fn login(pbx: &Simulator) -> String {
    let (status, body) = ask(pbx, Method::POST, "/api/login", None, Some(&json!({"username":"bridge","password":"p"}))).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str::<Value>(&body).unwrap()["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn answers_as_the_middleware_does_byte_for_byte() {
    let pbx = pbx(None).await;
    let wrong = json!({"username":"bridge","password":"x"});
    let post = Method::POST;
    let get = Method::GET;
    let (status, body) = ask(&pbx, post.clone(), "/api/login", None, Some(&wrong)).await;
    assert_eq!((status.as_u16(), body.as_str()), (401, r#"{"code":401,"data":null,"message":"incorrect Username or Password"}"#));
    let (status, body) = ask(&pbx, post.clone(), "/api/login", None, Some(&json!({"username":"bridge"}))).await;
    assert_eq!((status.as_u16(), body.as_str()), (401, r#"{"code":401,"data":null,"message":"missing Username or Password"}"#));
    let (status, body) = ask(&pbx, get.clone(), "/api/user/me", None, None).await;
    assert_eq!((status.as_u16(), body.as_str()), (401, r#"{"code":401,"data":null,"message":"query token is empty"}"#));
    let token = login(&pbx).await;
    let (status, body) = ask(&pbx, get.clone(), "/api/user/me", Some(&token), None).await;
    assert_eq!(status, 200);
    assert!(serde_json::from_str::<Value>(&body).unwrap()["profile"]["macro_permissions"].is_object());
    let (status, body) = ask(&pbx, get.clone(), "/api/2fa/status", Some(&token), None).await;
    assert_eq!((status.as_u16(), body.as_str()), (200, r#"{"status":false}"#));
    let (status, body) = ask(&pbx, get.clone(), "/api/nothing", Some(&token), None).await;
    assert_eq!((status.as_u16(), body.as_str()), (404, r#"{"code":404,"data":null,"message":"API not found"}"#));
    let forged = format!("{}x", &token[..token.len() - 1]);
    let (status, body) = ask(&pbx, get.clone(), "/api/user/me", Some(&forged), None).await;
    assert_eq!(status, 401, "{body}");
    let (status, body) = ask(&pbx, post.clone(), "/api/logout", Some(&token), None).await;
    assert_eq!((status.as_u16(), body.as_str()), (200, r#"{"code":200}"#));
    let (status, body) = ask(&pbx, get.clone(), "/api/user/me", Some(&token), None).await;
    let refused = r#"{"code":403,"data":null,"message":"you don't have permission to access this resource"}"#;
    assert_eq!((status.as_u16(), body.as_str()), (403, refused));
    pbx.turn(|knobs| knobs.rate_limited = true);
    let (status, body) = ask(&pbx, get, "/api/user/me", Some(&token), None).await;
    assert_eq!((status.as_u16(), body.as_str()), (429, r#"{"code":429,"data":null,"message":"too many requests"}"#));
}

#[tokio::test]
async fn two_factor_authentication_from_login_to_disable() {
    let pbx = pbx(Some(TOTP)).await;
    let first = login(&pbx).await;
    let (status, _) = ask(&pbx, Method::GET, "/api/user/me", Some(&first), None).await;
    assert_eq!(status, 403, "the one-time password is due");
    let verify = |otp: Value| json!({ "username": "bridge", "otp": otp });
    let (status, body) = ask(&pbx, Method::POST, "/api/2fa/verify-otp", Some(&first), Some(&verify("000000".into()))).await;
    assert_eq!((status.as_u16(), body.as_str()), (400, r#"{"code":400,"data":null,"message":"invalid_otp"}"#));
    let (status, _) = ask(&pbx, Method::POST, "/api/2fa/verify-otp", Some(&first), Some(&verify(json!(123_456)))).await;
    assert_eq!(status, 400, "a number is malformed");
    let totp = cti_bridge::auth::Totp::new(&TOTP.to_owned().into()).unwrap();
    let code = totp.code(jiff::Timestamp::now());
    let code = secrecy::ExposeSecret::expose_secret(&code);
    let (status, body) = ask(&pbx, Method::POST, "/api/2fa/verify-otp", Some(&first), Some(&verify(code.into()))).await;
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let second = body["data"]["token"].as_str().unwrap().to_owned();
    assert!(body["data"]["expire"].as_str().unwrap().contains("+01:00"), "{body}");
    assert_eq!(ask(&pbx, Method::GET, "/api/user/me", Some(&second), None).await.0, 200);
    assert_eq!(ask(&pbx, Method::GET, "/api/2fa/status", Some(&first), None).await.0, 403, "the first step's token is dead");
    let (_, codes) = ask(&pbx, Method::POST, "/api/2fa/recovery-codes", Some(&second), None).await;
    assert_eq!(serde_json::from_str::<Value>(&codes).unwrap()["codes"].as_array().unwrap().len(), 5);
    let (status, body) = ask(&pbx, Method::POST, "/api/2fa/disable", Some(&second), Some(&json!({"password":"p"}))).await;
    assert!(status == 200 && body.contains("must_relogin"), "{body}");
    assert_eq!(ask(&pbx, Method::GET, "/api/user/me", Some(&second), None).await.0, 403, "all tokens are gone");
}

async fn socket(pbx: &Simulator, query: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let url = format!("ws://{}/api/ws/?{query}", pbx.url().authority());
    tokio_tungstenite::connect_async(url).await.unwrap().0
}

async fn hear(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Option<String> {
    let next = tokio::time::timeout(Duration::from_secs(10), socket.next()).await.expect("silence");
    next.and_then(Result::ok).and_then(|message| message.into_text().ok()).map(|text| text.as_str().to_owned()).filter(|text| !text.is_empty())
}

#[tokio::test]
async fn the_traps_of_the_socket() {
    let pbx = pbx(None).await;
    let token = login(&pbx).await;
    let good = "EIO=4&transport=websocket";
    let mut none = socket(&pbx, "EIO=4").await;
    assert_eq!(hear(&mut none).await, None, "101, then the end");

    let mut early = socket(&pbx, good).await;
    assert!(hear(&mut early).await.unwrap().contains("\"pingTimeout\":10000000"));
    early.send(Message::text("2")).await.unwrap();
    assert_eq!(hear(&mut early).await, None, "a client's ping ends it");

    let mut other = socket(&pbx, good).await;
    hear(&mut other).await;
    other.send(Message::text("40/foo,")).await.unwrap();
    assert_eq!(hear(&mut other).await.unwrap(), r#"44/foo,{"message":"Invalid namespace"}"#);

    let mut socket = socket(&pbx, good).await;
    hear(&mut socket).await;
    socket.send(Message::text("40")).await.unwrap();
    assert!(hear(&mut socket).await.unwrap().starts_with("40{\"sid\""));
    socket.send(Message::text(r#"4217["ping"]"#)).await.unwrap();
    assert_eq!(hear(&mut socket).await.unwrap(), "4317[]");
    // A token that is not listed: dropped in silence. The ping after it proves that.
    socket.send(Message::text(r#"42["login",{"accessKeyId":"bridge","token":"other"}]"#)).await.unwrap();
    socket.send(Message::text(r#"4218["ping"]"#)).await.unwrap();
    assert_eq!(hear(&mut socket).await.unwrap(), "4318[]");
    // Not recognised by the middleware: refused behind it; the transport stays open.
    for login in [format!(r#"421["login",{{"accessKeyId":"bridge","token":"{token}"}}]"#), format!(r#"42[ "login",{{"accessKeyId":"bridge","token":"{token}"}}]"#)] {
        socket.send(Message::text(login)).await.unwrap();
        assert_eq!(hear(&mut socket).await.unwrap(), r#"42["401",{"message":"unauthorized access"}]"#);
        assert_eq!(hear(&mut socket).await.unwrap(), "41");
    }
    socket.send(Message::text(format!(r#"42["login",{{"accessKeyId":"bridge","token":"{token}"}}]"#))).await.unwrap();
    assert_eq!(hear(&mut socket).await.unwrap(), r#"42["authe_ok",{"message":"authorized successfully"}]"#);
    socket.send(Message::text("42{x")).await.unwrap();
    assert_eq!(hear(&mut socket).await, None, "a malformed packet ends it");
}

#[tokio::test]
async fn an_independent_client_logs_in_and_hears_events() {
    let pbx = pbx(None).await;
    let token = login(&pbx).await;
    let (tell, mut told) = mpsc::channel::<(String, String)>(16);
    let client = ClientBuilder::new(pbx.url().join("/api/ws/").unwrap().to_string())
        .transport_type(TransportType::Websocket)
        .on_any(move |event, payload: Payload, _: Peer| {
            let tell = tell.clone();
            async move {
                let _ = tell.send((String::from(event), format!("{payload:?}"))).await;
            }
            .boxed()
        })
        .connect()
        .await
        .unwrap();
    let mut heard = async |name: &str| loop {
        let (event, payload) = tokio::time::timeout(Duration::from_secs(20), told.recv()).await.expect("silence").unwrap();
        if event == name {
            return payload;
        }
    };
    client.emit("login", json!({ "accessKeyId": "bridge", "token": token })).await.unwrap();
    heard("authe_ok").await;
    pbx.emit("extenUpdate", r#"{"exten":"201"}"#);
    assert!(heard("extenUpdate").await.contains("201"));
    client.disconnect().await.unwrap();
}
