//! Variations of answers, by a PBX or a proxy in front of it, that must not prevent a session.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use cti_bridge::{
    api,
    auth::{Account, Config, Credentials, Grant},
};
use jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::support::{
    http::{Server, json},
    jwt,
};

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn account(port: u16, totp: Option<&str>) -> Account {
    let url = format!("http://127.0.0.1:{port}/api").parse().unwrap();
    let client = api::Client::new(api::Config::at(url)).unwrap();
    let credentials = Credentials::Password { password: "secret".into(), totp_secret: totp.map(Into::into) };
    Account::new(Config { username: "bridge".to_owned(), credentials, token_cache: None }, client).unwrap()
}

/// Logs in at a PBX whose answers are changed so.
async fn granted(change: impl Fn(&str) -> String + Send + Sync + 'static) -> Grant {
    let change = Arc::new(change);
    let server = Server::start(move |request| {
        let change = Arc::clone(&change);
        async move {
            let now = Timestamp::now();
            let body = match request.path.as_str() {
                "/api/login" => jwt::login(&jwt::jwt("one", true, false, now)),
                "/api/2fa/verify-otp" => jwt::verified(&jwt::jwt("two", true, true, now)),
                "/api/user/me" => jwt::ME.to_owned(),
                other => panic!("nobody should ask for {other}"),
            };
            json(200, &change(&body))
        }
    })
    .await
    .unwrap();
    account(server.port, Some(SECRET)).grant().await.unwrap()
}

#[tokio::test]
async fn a_byte_order_mark_prevents_no_session() {
    granted(|body| format!("\u{feff}{body}")).await;
}

#[tokio::test]
async fn half_a_character_and_keys_that_come_twice_prevent_no_session() {
    let grant = granted(|body| {
        let start = r#"{"note":"cut \ud83d","note":1e999,"token":"","username":"someone","data":"\ude00","#;
        body.replacen('{', start, 1)
    })
    .await;
    assert_eq!(grant.me.username.as_deref(), Some("bridge"), "the last of its name counts");
}

#[tokio::test]
async fn an_image_in_the_settings_prevents_no_session() {
    let image = "A".repeat(5_000_000);
    let grant = granted(move |body| {
        body.replacen(r#""name":"Bridge""#, &format!(r#""settings":{{"avatar":"{image}"}}"#), 1)
    })
    .await;
    assert!(grant.me.profile.is_some());
}

/// Reads one request.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    stream.read_exact(&mut vec![0; length.unwrap_or(0)]).await.ok()?;
    head.split(' ').nth(1).map(str::to_owned)
}

#[tokio::test]
async fn a_dropped_connection_does_not_resend_the_password() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let logins = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&logins);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let logins = Arc::clone(&counted);
            tokio::spawn(async move {
                let now = Timestamp::now();
                let body = match request(&mut stream).await?.as_str() {
                    "/api/login" => {
                        logins.fetch_add(1, Ordering::Relaxed);
                        jwt::login(&jwt::jwt("one", true, false, now))
                    }
                    "/api/2fa/verify-otp" => jwt::verified(&jwt::jwt("two", true, true, now)),
                    _ => jwt::ME.to_owned(),
                };
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).await.ok()?;
                // It offers to be kept, and ends as the next request is read.
                request(&mut stream).await
            });
        }
    });
    account(port, Some(SECRET)).grant().await.unwrap();
    assert_eq!(logins.load(Ordering::Relaxed), 1);
}
