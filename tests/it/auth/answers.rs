//! Every status and body that the PBX, or a proxy before it, is known to answer with: each has a named
//! error and a consequence, and neither error nor log ever shows a secret.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use cti_bridge::{
    api,
    auth::{Account, AuthError, Config, Consequence, Credentials},
};
use jiff::Timestamp;
use url::Url;

use crate::support::{
    clock::Manual,
    http,
    http::{Request, Server, json, promising, with},
    jwt, process,
};

const NOW: &str = "2026-11-30T00:53:20Z";
const PASSWORD: &str = "planted-password";
const TOTP: &str = "PLANTEDSECRETAAAAAAAAAAAAAAAAAAA";
/// Text that must never be shown: secrets, and free text of a server.
const HIDDEN: [&str; 5] = ["planted", "PLANTED", "eyJ", "2026-12-14", "2026-11-29"];

/// At which request the answer under test is given; those before it go well.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Login,
    Otp,
    Me,
}
use At::{Login, Me, Otp};

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

async fn answered(at: At, answer: Vec<u8>) -> (AuthError, Vec<Request>) {
    let answer = Arc::new(answer);
    let server = Server::start(move |request| {
        let answer = Arc::clone(&answer);
        async move {
            let here = match request.path.as_str() {
                "/api/login" => Login,
                "/api/2fa/verify-otp" => Otp,
                "/api/user/me" => Me,
                other => panic!("nobody should ask for {other}"),
            };
            match here {
                _ if here == at => answer.to_vec(),
                Login => json(200, &jwt::login(&jwt::jwt("planted", at == Otp, false, now()))),
                Otp => json(200, &jwt::verified(&jwt::jwt("planted", true, true, now()))),
                Me => json(200, jwt::ME),
            }
        }
    })
    .await
    .unwrap();
    let url = format!("http://planted:planted@127.0.0.1:{}/api", server.port);
    let mut config = api::Config::at(Url::parse(&url).unwrap());
    config.request_timeout = Duration::from_secs(5);
    let client = api::Client::new(config).unwrap();
    let credentials =
        Credentials::Password { password: PASSWORD.into(), totp_secret: (at == Otp).then(|| TOTP.into()) };
    let config = Config { username: "bridge".to_owned(), credentials, token_cache: None };
    let account = Account::with_clock(config, client, Arc::new(Manual::leaping(now()))).unwrap();
    assert_hidden(&format!("{account:?}"));
    let error = account.grant().await.expect_err("it must fail");
    (error, server.seen())
}

fn assert_hidden(text: &str) {
    for hidden in HIDDEN {
        assert!(!text.contains(hidden), "{hidden} in: {text}");
    }
}

struct Row {
    at: At,
    answer: Vec<u8>,
    /// The name of the error's variant, and of the one inside.
    name: &'static str,
    consequence: Consequence,
    /// What the message must say.
    says: &'static str,
}

fn row(at: At, answer: Vec<u8>, name: &'static str, consequence: Consequence, says: &'static str) -> Row {
    Row { at, answer, name, consequence, says }
}

const WRONG: &str = r#"{"code":401,"data":null,"message":"incorrect Username or Password"}"#;
const DENIED: &str =
    r#"{"code":403,"data":null,"message":"you don't have permission to access this resource"}"#;
const PAGE: &str = "<!DOCTYPE html><html><body>planted</body></html>";

fn login_rows() -> Vec<Row> {
    use Consequence::{Later, Operator, Slowly, Soon};
    let glued = format!(r#"{{"message":"failed to parse server v1 response"}}{WRONG}"#);
    let missing = r#"{"code":401,"data":null,"message":"missing Username or Password"}"#;
    let limited = r#"{"code":429,"message":"too many requests","data":null}"#;
    vec![
        row(Login, json(401, WRONG), "Credentials", Slowly, "still starting"),
        row(Login, json(401, WRONG), "Credentials", Slowly, "user name or password is wrong"),
        row(Login, json(401, ""), "Credentials", Slowly, "check `username`"),
        row(Login, json(401, missing), "NotReceived", Operator, "alters requests"),
        row(Login, json(500, &glued), "Refused", Soon, "its backend failed"),
        row(Login, json(500, ""), "Refused", Soon, "answered 500"),
        row(Login, json(429, limited), "Limited", Later, "too many requests"),
        row(Login, json(502, r#"{"code":502,"message":"Failed to reach V1 API"}"#), "Refused", Soon, "502"),
        row(Login, with(502, &[("Content-Type", "text/html")], PAGE), "Refused", Soon, "502"),
        row(Login, with(503, &[], "no available server\n"), "Refused", Soon, "503"),
        row(Login, with(504, &[], "Gateway Timeout"), "Refused", Soon, "504"),
        row(Login, with(404, &[], "404 page not found\n"), "NoApi", Operator, "no CTI API at that path"),
        row(Login, promising(404, 50, ""), "NoApi", Operator, "\"legacy\" for a PBX that was not upgraded"),
        row(
            Login,
            promising(404, 500, r#"{"code":404,"data":null,"message":"API no"#),
            "NoApi",
            Operator,
            "404",
        ),
        row(Login, json(405, ""), "NoApi", Operator, "405"),
        row(Login, json(400, r#"{"message":"planted"}"#), "Refused", Slowly, "another reason"),
        row(Login, json(403, r#"{"message":"planted"}"#), "Refused", Slowly, "403"),
        row(
            Login,
            with(403, &[("Content-Type", "text/html; charset=utf-8")], PAGE),
            "NotTheApi",
            Operator,
            "web page",
        ),
        row(Login, with(200, &[("Content-Type", "text/html")], PAGE), "NotTheApi", Operator, "check `url`"),
        row(Login, with(200, &[], PAGE), "NotTheApi", Operator, "not the CTI API"),
        row(
            Login,
            with(301, &[("Location", "https://pbx.example:8443/planted?planted")], ""),
            "Redirect",
            Operator,
            "https://pbx.example:8443:",
        ),
        row(
            Login,
            with(307, &[("Location", "/planted")], ""),
            "Redirect",
            Operator,
            "redirect to http://127.0.0.1",
        ),
        row(Login, with(308, &[], ""), "Redirect", Operator, "an unnamed place"),
        row(Login, json(200, "{}"), "Unreadable", Slowly, "no token"),
        row(Login, json(200, r#"{"token":""}"#), "Unreadable", Slowly, "empty"),
        row(Login, json(200, r#"{"token":7}"#), "Unreadable", Slowly, "no token"),
        row(Login, json(200, "[]"), "Unreadable", Slowly, "not one JSON object"),
        row(
            Login,
            json(200, r#"{"token":"planted"}{"code":401}"#),
            "Unreadable",
            Slowly,
            "not one JSON object",
        ),
        row(Login, json(200, ""), "Unreadable", Slowly, "not one JSON object"),
        row(Login, json(200, &"x".repeat(70_000)), "TooLarge", Operator, "65536 bytes"),
        row(
            Login,
            promising(200, 500, r#"{"code":200,"token":"pl"#),
            "CutShort",
            Soon,
            "cut its answer short",
        ),
        row(Login, b"HTTP/1.1 200 OK\r\nContent-Len".to_vec(), "Unreachable", Soon, "can't be reached"),
        row(Login, Vec::new(), "Unreachable", Soon, "can't be reached"),
        row(Login, b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), "Unreachable", Soon, "can't be reached"),
        row(
            Login,
            with(200, &[("Content-Encoding", "gzip")], "\u{1f}\u{8}planted"),
            "Unreadable",
            Slowly,
            "compressed, which was not requested",
        ),
        row(Login, with(200, &[("Content-Encoding", "Identity")], "{}"), "Unreadable", Slowly, "no token"),
    ]
}

fn later_rows() -> Vec<Row> {
    use Consequence::{Later, NewLogin, Operator, Slowly, Soon};
    let said =
        |code: u16, text: &str| json(code, &format!(r#"{{"code":{code},"data":null,"message":"{text}"}}"#));
    vec![
        row(Otp, said(400, "invalid_otp"), "OtpRefused", Slowly, "check `totp_secret`, and the clocks"),
        row(Otp, said(404, "user secret not found"), "OtpNoSecret", Operator, "QR code"),
        row(Otp, said(400, "request fields malformed"), "Refused", Slowly, "malformed request"),
        row(Otp, said(400, "OTP recovery codes not updated"), "Refused", Slowly, "400"),
        row(Otp, said(400, "failed to enable 2FA"), "Refused", Slowly, "400"),
        row(Otp, said(500, "failed to generate new token"), "Refused", Soon, "500"),
        row(Otp, json(500, ""), "Refused", Soon, "500"),
        row(Otp, json(403, DENIED), "Withdrawn", NewLogin, "withdrawn"),
        row(Otp, said(401, "token is expired"), "Withdrawn", NewLogin, "withdrawn"),
        row(Otp, said(429, "too many requests"), "Limited", Later, "429"),
        row(Otp, json(200, r#"{"code":200,"token":"planted"}"#), "Unreadable", Slowly, "no token"),
        row(Otp, promising(200, 500, "{"), "CutShort", Soon, "cut its answer short"),
        row(Me, json(401, ""), "DeadSession", NewLogin, "not an extension"),
        row(Me, json(403, ""), "DeadSession", NewLogin, "dead session"),
        row(Me, json(403, DENIED), "DeadSession", NewLogin, "403"),
        row(Me, said(401, "token is expired"), "DeadSession", NewLogin, "401"),
        row(Me, said(401, "query token is empty"), "DeadSession", NewLogin, "401"),
        row(Me, said(401, "token is malformed: planted"), "DeadSession", NewLogin, "401"),
        row(
            Me,
            said(401, "token signature is invalid: signature is invalid"),
            "DeadSession",
            NewLogin,
            "401",
        ),
        row(Me, said(400, "missing exp field"), "DeadSession", NewLogin, "400"),
        row(Me, said(502, "Failed to reach V1 API"), "Refused", Soon, "its backend failed"),
        row(Me, json(500, ""), "Refused", Soon, "500"),
        row(Me, promising(404, 50, r#"{"code":404,"#), "Refused", Slowly, "404"),
        row(Me, said(429, "too many requests"), "Limited", Later, "429"),
        row(Me, json(200, "{}"), "Unreadable", Slowly, "does not describe a user"),
        row(Me, json(200, r#"{"lkhash":"planted"}"#), "Unreadable", Slowly, "does not describe a user"),
        row(Me, promising(200, 5000, r#"{"username":"bridge","#), "CutShort", Soon, "cut its answer short"),
        row(
            Me,
            with(302, &[("Location", "https://sso.example/planted")], ""),
            "Redirect",
            Operator,
            "sso.example",
        ),
    ]
}

/// Everything that is logged, by us and by the HTTP client, at the most talkative level. One for the
/// whole process: a subscriber per thread misses what another thread's first call has switched off.
static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        // What is hidden may be today's date.
        .without_time()
        .with_writer(move || writer.clone())
        .init();
    log
});

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn every_answer_has_a_consequence_and_shows_no_secret() {
    // The log is the whole process's.
    if !process::is_own(module_path!(), "every_answer_has_a_consequence_and_shows_no_secret") {
        return;
    }
    let log = LOG.clone();
    for Row { at, answer, name, consequence, says } in login_rows().into_iter().chain(later_rows()) {
        let case = String::from_utf8_lossy(&answer).into_owned();
        let (error, seen) = answered(at, answer).await;
        let debug = format!("{error:?}");
        let inner = debug.strip_prefix("Api(").unwrap_or(&debug);
        assert!(inner.starts_with(&format!("{name} {{")), "{name} expected for {case}: {debug}");
        assert_eq!(error.consequence(), consequence, "{case}: {debug}");
        let message = error.to_string();
        assert!(message.contains(says), "{says} expected for {case}: {message}");
        assert!(message.contains("http://127.0.0.1:"), "no URL: {message}");
        assert_hidden(&debug);
        assert_hidden(&message);
        assert!(
            seen.iter().all(|request| request.header("accept-encoding").is_none()),
            "compression was asked for"
        );
        let logins = seen.iter().filter(|request| request.path == "/api/login").count();
        assert_eq!(logins, 1, "a login must not be repeated by itself: {case}");
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("127.0.0.1"), "nothing was captured");
    assert_hidden(&log);
}

#[tokio::test]
async fn retry_after_is_passed_on_and_absent_without_it() {
    let answer = with(429, &[("Retry-After", "90")], "");
    assert_eq!(answered(Login, answer).await.0.retry_after(), Some(Duration::from_secs(90)));
    assert_eq!(answered(Login, json(429, "")).await.0.retry_after(), None);
    assert_eq!(answered(Login, json(503, "")).await.0.retry_after(), None);
}

#[tokio::test]
async fn a_server_that_never_answers_is_named_after_the_time_limit() {
    let server = Server::start(|_| std::future::pending()).await.unwrap();
    let mut config = api::Config::at(Url::parse(&format!("http://127.0.0.1:{}/api", server.port)).unwrap());
    config.request_timeout = Duration::from_millis(200);
    let client = api::Client::new(config).unwrap();
    let error = AuthError::Api(client.login("bridge", &PASSWORD.into()).await.unwrap_err());
    assert!(error.to_string().contains("did not answer within 200ms"), "{error}");
    assert_eq!(error.consequence(), Consequence::Soon);
}

#[tokio::test]
async fn a_closed_port_is_named() {
    let server = Server::start(|_| std::future::ready(Vec::new())).await.unwrap();
    let url = Url::parse(&format!("http://127.0.0.1:{}/api", server.port)).unwrap();
    drop(server);
    let client = api::Client::new(api::Config::at(url)).unwrap();
    // The port closes when the server's task is dropped, which is a moment later.
    let closed = async {
        loop {
            let error = client.login("bridge", &PASSWORD.into()).await.unwrap_err();
            if error.to_string().contains("refused") {
                return error;
            }
            tokio::task::yield_now().await;
        }
    };
    let error = tokio::time::timeout(Duration::from_secs(10), closed).await.expect("never refused");
    assert_eq!(AuthError::Api(error).consequence(), Consequence::Soon);
}

#[tokio::test]
async fn proxy_credentials_are_used_and_never_shown() {
    let proxy = Server::start(|_| std::future::ready(json(200, &jwt::login("t")))).await.unwrap();
    // A name that no resolver knows: only the proxy can have been asked.
    let mut config = api::Config::at(Url::parse("http://pbx.invalid/api").unwrap());
    config.proxy = Some(Url::parse(&format!("http://user:planted@127.0.0.1:{}", proxy.port)).unwrap());
    let client = api::Client::new(config.clone()).unwrap();
    client.login("bridge", &PASSWORD.into()).await.unwrap();
    let seen = proxy.seen();
    assert_eq!(seen[0].path, "http://pbx.invalid/api/login");
    // base64 of user:planted
    assert_eq!(seen[0].header("proxy-authorization"), Some("Basic dXNlcjpwbGFudGVk"));

    config.base = Url::parse("https://pbx.invalid/api").unwrap();
    let refusing = Server::start(|_| std::future::ready(http::with(407, &[], ""))).await.unwrap();
    config.proxy = Some(Url::parse(&format!("http://user:planted@127.0.0.1:{}", refusing.port)).unwrap());
    let error = api::Client::new(config).unwrap().login("bridge", &PASSWORD.into()).await.unwrap_err();
    assert_eq!(refusing.seen()[0].method, "CONNECT");
    assert_hidden(&format!("{error} {error:?}"));
    assert!(error.to_string().contains("proxy"), "{error}");
}

#[test]
fn the_environments_proxy_is_not_used() {
    // Another test of this file, in a process whose environment sends everything to a closed port.
    let mut again = process::again(module_path!(), "retry_after_is_passed_on_and_absent_without_it");
    again.env_remove("NO_PROXY").env_remove("no_proxy");
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        again.env(name, "http://127.0.0.1:1");
    }
    let output = again.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
