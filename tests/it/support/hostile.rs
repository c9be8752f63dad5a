//! Hostile peers: they echo everything they receive, in every encoding, with line breaks and terminal control characters.

use std::{io, net::SocketAddr};

use data_encoding::{BASE64, BASE64URL, HEXLOWER};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use super::{
    http::{Request, Server, json as answer, with},
    jwt,
};

/// Text that no output may contain unescaped: line breaks that start an assignment, terminal controls, invisible characters.
pub(crate) const BAIT: &str =
    "\nMAINPID=1\nWATCHDOG=trigger\n\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\u{2066}\u{200b}\u{2028}";

fn percent(text: &str, is_kept: fn(u8) -> bool) -> String {
    text.bytes().fold(String::new(), |text, byte| {
        if is_kept(byte) {
            text + char::from(byte).encode_utf8(&mut [0; 4])
        } else {
            format!("{text}%{byte:02x}")
        }
    })
}

/// A text in every encoding, joined by the bait.
pub(crate) fn echo(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    let url = percent(text, |_| false);
    let form: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    [
        text,
        &quoted,
        &url,
        &form,
        &BASE64.encode(text.as_bytes()),
        &BASE64URL.encode(format!("x{text}").as_bytes()),
        &HEXLOWER.encode(text.as_bytes()),
    ]
    .join(BAIT)
}

/// The encodings of `secret` that `text` contains.
pub(crate) fn found(secret: &str, text: &str) -> Vec<&'static str> {
    let json = serde_json::to_string(secret).unwrap();
    let ascii: String = json
        .chars()
        .map(|ch| if ch.is_ascii() { ch.to_string() } else { format!("\\u{:04x}", u32::from(ch)) })
        .collect();
    let inner = |text: &str| text[1..text.len() - 1].to_owned();
    let url = percent(secret, |_| false);
    let strict = percent(secret, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let decimal = secret.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
    let (lower, secret) = (text.to_ascii_lowercase(), secret.to_owned());
    let plain = [
        ("as it is", secret.clone()),
        ("as JSON", inner(&json)),
        ("as JSON twice", inner(&serde_json::to_string(&inner(&json)).unwrap())),
        ("as ASCII JSON", inner(&ascii)),
        ("as hexadecimal digits", HEXLOWER.encode(secret.as_bytes())),
        ("as decimal bytes", decimal),
        ("percent-encoded", url),
        ("percent-encoded where needed", strict),
        ("as a form", form),
    ];
    let mut found: Vec<_> = plain
        .into_iter()
        .filter(|(_, form)| text.contains(form.as_str()) || lower.contains(&form.to_ascii_lowercase()))
        .map(|(name, _)| name)
        .collect();
    if in_base64(secret.as_bytes(), text) {
        found.push("in base64");
    }
    found
}

fn in_base64(secret: &[u8], text: &str) -> bool {
    let is_base64 = |ch: char| ch.is_ascii_alphanumeric() || "+/-_".contains(ch);
    text.split(|ch| !is_base64(ch)).any(|run| {
        let run = run.replace('-', "+").replace('_', "/");
        (0..4).any(|skip| {
            let run = run.as_bytes().get(skip..).unwrap_or_default();
            let whole = &run[..run.len() / 4 * 4];
            BASE64.decode(whole).is_ok_and(|bytes| bytes.windows(secret.len()).any(|window| window == secret))
        })
    })
}

/// The behaviour of a hostile PBX.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pbx {
    /// Refuses every request.
    Refuses,
    /// Accepts the login and returns a user with hostile names. Refuses everything else.
    Grants,
    /// Requests a one-time password at every login, and refuses it.
    WantsOtp,
    /// Redirects every request.
    Redirects,
    /// Answers every request with 200 and an unreadable body.
    Babbles,
}

/// The token of a PBX that grants a login.
pub(crate) fn token(verified: bool) -> String {
    jwt::jwt("planted-token", !verified, verified, jiff::Timestamp::now())
}

impl Pbx {
    pub(crate) async fn start(self) -> Server {
        Server::start(move |request| async move { self.answer(&request) }).await.unwrap()
    }

    fn answer(self, request: &Request) -> Vec<u8> {
        let said = echo(&format!(
            "{} {}",
            request.header("authorization").unwrap_or_default(),
            String::from_utf8_lossy(&request.body)
        ));
        let password = request.field("password").unwrap_or_default();
        let message = json!({ "code": 401, "message": format!("{said} {}", echo(&password)), "data": said });
        let path = request.path.trim_start_matches("/api/");
        match (self, path) {
            (Self::Grants, "login") => answer(200, &jwt::login(&token(true))),
            (Self::WantsOtp, "login") => answer(200, &jwt::login(&token(false))),
            (Self::Grants, "user/me") => {
                let me: Value = serde_json::from_str(jwt::ME).unwrap();
                let name = format!("{BAIT}{}{said}", request.header("authorization").unwrap_or_default());
                answer(200, &json!({ "username": name, "profile": { "id": name, "name": name, "macro_permissions": me["profile"]["macro_permissions"] } }).to_string())
            }
            (Self::Redirects, _) => {
                let host: String = said.chars().filter(char::is_ascii_alphanumeric).collect();
                let to = format!(
                    "gopher://{host}{}/x?{host}",
                    password.replace(|ch: char| !ch.is_ascii_graphic(), "")
                );
                with(302, &[("Location", &to)], &said)
            }
            (Self::Babbles, _) => answer(200, &said),
            _ => answer(401, &message.to_string()),
        }
    }
}

/// The moment at which a NATS server sends its error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nats {
    /// In response to CONNECT.
    AtOnce,
    /// At the first publish or subscribe.
    Later,
}

impl Nats {
    /// Starts a server that echoes the CONNECT in `-ERR`.
    pub(crate) async fn start(self) -> SocketAddr {
        serve(move |stream| self.talk(stream)).await
    }

    async fn talk(self, stream: TcpStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        let info = json!({
            "server_id": BAIT, "server_name": BAIT, "version": "2.10.0", "go": BAIT, "host": "127.0.0.1", "port": 4222,
            "headers": true, "max_payload": 1_048_576, "proto": 1, "auth_required": true, "nonce": "bm9uY2U",
        });
        stream.write_all(format!("INFO {info}\r\n").as_bytes()).await?;
        let mut said = String::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let is_connect = line.starts_with("CONNECT ");
            if let Some(sent) = line.trim_end().strip_prefix("CONNECT ") {
                let fields: Value = serde_json::from_str(sent).unwrap();
                let values = ["pass", "auth_token", "jwt", "sig", "nkey"]
                    .map(|key| fields[key].as_str().unwrap_or_default());
                // The short ones first, as the text is truncated.
                said = format!("{}{BAIT}{sent}", values.map(echo).join(BAIT));
            }
            let wanted = match self {
                Self::AtOnce => is_connect,
                Self::Later => {
                    line.starts_with("SUB ") || line.starts_with("PUB ") || line.starts_with("HPUB ")
                }
            };
            if wanted {
                stream.write_all(format!("-ERR '{said}'\r\n").as_bytes()).await?;
                return stream.shutdown().await;
            }
            if line.starts_with("PING") {
                stream.write_all(b"PONG\r\n").await?;
            }
        }
    }
}

/// Starts a Kafka broker that echoes the password of SASL PLAIN in its refusal.
pub(crate) async fn kafka() -> SocketAddr {
    serve(broker).await
}

async fn broker(mut stream: TcpStream) -> io::Result<()> {
    loop {
        let length = usize::try_from(stream.read_i32().await?).unwrap_or_default();
        let mut request = vec![0; length];
        stream.read_exact(&mut request).await?;
        let (key, version) = (short(&request, 0), short(&request, 2));
        let mut reply = request[4..8].to_vec();
        match key {
            // ApiVersions: flexible from version 3 on.
            18 => {
                reply.extend(0i16.to_be_bytes());
                let keys: [(i16, i16); 5] = [(0, 7), (3, 4), (17, 1), (18, 3), (36, 0)];
                if version >= 3 {
                    reply.push(6);
                } else {
                    reply.extend(5i32.to_be_bytes());
                }
                for (key, most) in keys {
                    for number in [key, 0, most] {
                        reply.extend(number.to_be_bytes());
                    }
                    reply.extend((version >= 3).then_some(0));
                }
                reply.extend([0; 4]);
                reply.extend((version >= 3).then_some(0));
            }
            // SaslHandshake.
            17 => {
                reply.extend([0, 0, 0, 0, 0, 1, 0, 5]);
                reply.extend(b"PLAIN");
            }
            // SaslAuthenticate: error 58, with a text.
            36 => {
                let sent = request.split(|byte| *byte == 0).next_back().unwrap_or_default();
                let text = echo(&String::from_utf8_lossy(sent));
                reply.extend(58i16.to_be_bytes());
                reply.extend(i16::try_from(text.len()).unwrap().to_be_bytes());
                reply.extend(text.as_bytes());
                reply.extend([0; 4]);
            }
            _ => return Ok(()),
        }
        stream.write_i32(i32::try_from(reply.len()).unwrap()).await?;
        stream.write_all(&reply).await?;
    }
}

fn short(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes([bytes[at], bytes[at + 1]])
}

async fn serve<F>(talk: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream));
        }
    });
    address
}

/// Starts a token endpoint that echoes the client's secret.
pub(crate) async fn issuer() -> Server {
    Server::start(|request| async move {
        let sent = request.header("authorization").unwrap_or_default();
        let basic = sent.trim_start_matches("Basic ");
        let decoded = BASE64.decode(basic.as_bytes()).unwrap_or_default();
        let said = format!("{}{BAIT}{}", echo(&String::from_utf8_lossy(&decoded)), echo(sent));
        answer(401, &json!({ "error": said, "error_description": said }).to_string())
    })
    .await
    .unwrap()
}
