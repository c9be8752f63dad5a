//! A low-level client of the simulated PBX: REST through reqwest, the websocket frame by frame.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use pbx_simulator::{Account, Options, Simulator};
use reqwest::Method;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

/// The timeout of a test's step, also on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub async fn start() -> Simulator {
    start_with(|_| {}).await
}

pub async fn start_with(change: impl FnOnce(&mut Options)) -> Simulator {
    let mut options = Options::quiet(Account::new("bridge", "secret"));
    change(&mut options);
    Simulator::start(options).await.unwrap()
}

/// Waits until this many sockets are logged in.
pub async fn connected(pbx: &Simulator, count: usize) {
    let mut live = pbx.live();
    timeout(DEADLINE, live.wait_for(|live| *live == count)).await.unwrap().unwrap();
}

/// Sends a request. Returns status, body, and the `WWW-Authenticate` header.
pub async fn call(
    pbx: &Simulator,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<&str>,
) -> (u16, String, Option<String>) {
    let url = pbx.url().join(path).unwrap();
    let mut request = client().request(method, url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_owned());
    }
    let answer = timeout(DEADLINE, request.send()).await.unwrap().unwrap();
    let challenge = answer.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), answer.text().await.unwrap(), challenge)
}

pub fn client() -> reqwest::Client {
    // The test binary has no default provider unless somebody sets one; a second call is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub async fn get(pbx: &Simulator, path: &str, token: &str) -> (u16, String) {
    let (status, body, _) = call(pbx, Method::GET, path, Some(token), None).await;
    (status, body)
}

pub async fn post(pbx: &Simulator, path: &str, token: Option<&str>, body: &str) -> (u16, String) {
    let (status, body, _) = call(pbx, Method::POST, path, token, Some(body)).await;
    (status, body)
}

/// Logs `bridge` in. Returns the token.
pub async fn token(pbx: &Simulator) -> String {
    let (status, body) = post(pbx, "/api/login", None, r#"{"username":"bridge","password":"secret"}"#).await;
    assert_eq!(status, 200, "{body}");
    field(&body, &["token"])
}

/// Logs `bridge` in and creates a persistent token.
pub async fn persistent(pbx: &Simulator) -> String {
    let token = token(pbx).await;
    let (status, body) = post(pbx, "/api/tokens/persistent/nethlink", Some(&token), "").await;
    assert_eq!(status, 200, "{body}");
    field(&body, &["token"])
}

/// A string at a path in a JSON text.
pub fn field(body: &str, path: &[&str]) -> String {
    let value: serde_json::Value = serde_json::from_str(body).unwrap();
    path.iter().fold(&value, |value, key| &value[key]).as_str().unwrap().to_owned()
}

/// One websocket.
#[derive(Debug)]
pub struct Raw(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Raw {
    /// Connects up to the 101 answer.
    pub async fn dial(pbx: &Simulator, query: &str) -> Self {
        Self::dial_at(pbx, &format!("/api/ws/?{query}")).await
    }

    /// Same as [`Raw::dial`], at any path.
    pub async fn dial_at(pbx: &Simulator, at: &str) -> Self {
        let address = pbx.address();
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let url = format!("ws://{address}{at}");
        let dial = connect_async_with_config(url, Some(config), true);
        Self(timeout(DEADLINE, dial).await.unwrap().unwrap().0)
    }

    /// Connects up to the open packet. Returns it too.
    pub async fn open(pbx: &Simulator) -> (Self, String) {
        let mut raw = Self::dial(pbx, "EIO=4&transport=websocket").await;
        let open = raw.text().await;
        (raw, open)
    }

    /// Connects up to the joined namespace.
    pub async fn join(pbx: &Simulator) -> Self {
        let (mut raw, _) = Self::open(pbx).await;
        raw.send("40").await;
        let joined = raw.text().await;
        assert!(joined.starts_with(r#"40{"sid":""#), "{joined}");
        raw
    }

    /// Connects up to `authe_ok`.
    pub async fn login(pbx: &Simulator, token: &str) -> Self {
        let mut raw = Self::join(pbx).await;
        raw.send(&login(token, "")).await;
        assert_eq!(raw.text().await, AUTHE_OK);
        raw
    }

    pub async fn send(&mut self, text: &str) {
        timeout(DEADLINE, self.0.send(Message::text(text))).await.unwrap().unwrap();
    }

    /// The next message, or `None` at the end of the connection, with or without a close frame.
    pub async fn next(&mut self) -> Option<Message> {
        match timeout(DEADLINE, self.0.next()).await.expect("nothing came in time") {
            Some(Ok(message)) => Some(message),
            Some(Err(_)) | None => None,
        }
    }

    pub async fn text(&mut self) -> String {
        match self.next().await {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("{other:?} instead of a text"),
        }
    }

    /// Asserts that the server ends the connection without a close frame.
    pub async fn is_cut(&mut self) {
        let last = self.next().await;
        assert!(last.is_none(), "{last:?} instead of an end");
    }

    /// Asserts that nothing was sent so far: the answer to a probe comes first.
    pub async fn is_silent(&mut self) {
        self.send(r#"4277["ping"]"#).await;
        assert_eq!(self.text().await, "4377[]");
    }
}

pub const AUTHE_OK: &str = r#"42["authe_ok",{"message":"authorized successfully"}]"#;
pub const UNAUTHORIZED: &str = r#"42["401",{"message":"unauthorized access"}]"#;

/// A login frame of `bridge`; `more` continues the object.
pub fn login(token: &str, more: &str) -> String {
    format!(r#"42["login",{{"accessKeyId":"bridge","token":"{token}"{more}}}]"#)
}
