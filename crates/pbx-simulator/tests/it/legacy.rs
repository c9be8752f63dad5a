//! The simulated PBX without its middleware, and the persistent tokens with it, word for word.

use pbx_simulator::{Login, Simulator};
use reqwest::Method;

use pbx_client::{AUTHE_OK, Raw, call, connected, field, get, persistent, post, start, token};

const LOGIN: &str = "/webrest/authentication/login";

/// The nonce of a login of `bridge`.
async fn nonce(pbx: &Simulator) -> String {
    let body = r#"{"username":"bridge","password":"secret"}"#;
    let (status, body, challenge) = call(pbx, Method::POST, LOGIN, None, Some(body)).await;
    assert_eq!((status, body.as_str()), (401, ""));
    let nonce = challenge.unwrap().strip_prefix("Digest ").unwrap().to_owned();
    assert!(nonce.len() == 40 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit()), "{nonce}");
    nonce
}

fn legacy_token(nonce: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"secret");
    let signed = ring::hmac::sign(&key, format!("bridge:secret:{nonce}").as_bytes());
    data_encoding::HEXLOWER.encode(signed.as_ref())
}

async fn with(pbx: &Simulator, method: Method, path: &str, authorization: &str) -> (u16, String) {
    let request = pbx_client::client().request(method, pbx.url().join(path).unwrap());
    let answer = request.header("authorization", authorization).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn only_the_right_password_gets_a_nonce() {
    let pbx = start().await;
    nonce(&pbx).await;
    for body in [r#"{"username":"bridge","password":"x"}"#, r#"{"username":"eve","password":"secret"}"#, "{"]
    {
        let (status, text, challenge) = call(&pbx, Method::POST, LOGIN, None, Some(body)).await;
        assert_eq!((status, text.as_str(), challenge), (401, "", None), "{body}");
    }
    pbx.turn(|knobs| knobs.login = Login::Refused);
    let (status, _, challenge) =
        call(&pbx, Method::POST, LOGIN, None, Some(r#"{"username":"bridge","password":"secret"}"#)).await;
    assert_eq!((status, challenge), (401, None));
    pbx.turn(|knobs| knobs.backend_down = true);
    assert_eq!(post(&pbx, LOGIN, None, "{}").await.0, 503, "it is still starting");
}

#[tokio::test]
async fn a_token_of_the_server_opens_its_api_until_logout_or_restart() {
    let pbx = start().await;
    let token = legacy_token(&nonce(&pbx).await);
    let bearer = format!("bridge:{token}");
    let (status, body) = with(&pbx, Method::GET, "/webrest/user/me", &bearer).await;
    assert_eq!((status, field(&body, &["username"])), (200, "bridge".to_owned()));
    for wrong in ["", &token, &format!("eve:{token}"), &format!("Bearer {token}"), "bridge:x"] {
        let refused = with(&pbx, Method::GET, "/webrest/user/me", wrong).await;
        assert_eq!(refused, (401, String::new()), "{wrong}");
    }
    assert_eq!(with(&pbx, Method::POST, "/webrest/authentication/logout", &bearer).await.0, 200);
    assert_eq!(with(&pbx, Method::GET, "/webrest/user/me", &bearer).await.0, 401);

    let bearer = format!("bridge:{}", legacy_token(&nonce(&pbx).await));
    pbx.kill_sessions();
    assert_eq!(with(&pbx, Method::GET, "/webrest/user/me", &bearer).await.0, 401);
}

#[tokio::test]
async fn the_legacy_socket_answers_a_refused_login() {
    let pbx = start().await;
    let token = legacy_token(&nonce(&pbx).await);
    let mut raw = Raw::dial_at(&pbx, "/socket.io/?EIO=4&transport=websocket").await;
    assert!(raw.text().await.starts_with("0{"));
    raw.send("40").await;
    assert!(raw.text().await.starts_with("40{"));
    raw.send(&pbx_client::login("no such token", "")).await;
    assert_eq!(raw.text().await, r#"42["401",{"message":"unauthorized access"}]"#);
    assert_eq!(raw.text().await, "41");
    raw.send("40").await;
    assert!(raw.text().await.starts_with("40{"));
    // A space that the middleware would stumble over is none here.
    raw.send(&pbx_client::login(&token, "").replace("[\"login\"", "[ \"login\"")).await;
    assert_eq!(raw.text().await, AUTHE_OK);
    connected(&pbx, 1).await;
    pbx.inject(r#"42["satellite/summary",{}]"#);
    pbx.emit("after", "1");
    assert_eq!(raw.text().await, r#"42["after",1]"#);

    let polling = pbx_client::client().get(pbx.url().join("/socket.io/?EIO=4&transport=polling").unwrap());
    let answer = polling.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 400);
    assert_eq!(answer.text().await.unwrap(), r#"{"code":0,"message":"Transport unknown"}"#);
}

#[tokio::test]
async fn a_persistent_token_lasts_until_the_next_or_a_2fa_change() {
    let pbx = start().await;
    let login = token(&pbx).await;
    let route = "/api/tokens/persistent/nethlink";
    assert_eq!(get(&pbx, route, &login).await, (200, r#"{"exists":false}"#.to_owned()));
    let first = persistent(&pbx).await;
    assert_eq!(get(&pbx, route, &login).await, (200, r#"{"exists":true}"#.to_owned()));
    assert_eq!(post(&pbx, "/api/logout", Some(&login), "").await.0, 200);
    assert_eq!(get(&pbx, "/api/user/me", &first).await.0, 200, "not removed by a logout, be it the last");
    Raw::login(&pbx, &first).await;

    // Times are whole seconds: a second one within this one is the same text.
    let other = pbx.url().join("/api/tokens/persistent/nethlink").unwrap();
    let second = loop {
        let answer = pbx_client::client().post(other.clone()).bearer_auth(&first).send().await.unwrap();
        let second = field(&answer.text().await.unwrap(), &["token"]);
        if second != first {
            break second;
        }
    };
    assert_eq!(get(&pbx, "/api/user/me", &first).await.0, 403, "new replaces old");
    let (status, body) = post(&pbx, "/api/tokens/persistent/pager", Some(&second), "").await;
    assert_eq!((status, body.as_str()), (400, r#"{"message":"invalid audience"}"#));
    pbx.restart();
    assert_eq!(get(&pbx, "/api/user/me", &second).await.0, 200, "it is on disk");
    pbx.two_factor("bridge", Some("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"));
    assert_eq!(get(&pbx, "/api/user/me", &second).await.0, 403);
}
