//! A PBX with a token list like the middleware's, and an account on it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cti_bridge::{
    api,
    auth::{Account, Clock, Config, Credentials, Grant, Totp},
};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;
use url::Url;

use super::{
    clock::Manual,
    http::{self, Request, Server, json},
    jwt::{self, jwt_for},
};

pub(crate) const TOTP: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

const NO_PERMISSION: &str =
    r#"{"code":403,"data":null,"message":"you don't have permission to access this resource"}"#;

pub(crate) fn start() -> Timestamp {
    // Ten seconds into a step.
    Timestamp::from_second(1_796_000_020).unwrap()
}

/// A PBX that keeps a token list, as the middleware does.
pub(crate) struct Pbx {
    pub(crate) clock: Arc<Manual>,
    /// token → whether its one-time password is verified.
    pub(crate) tokens: Mutex<HashMap<String, bool>>,
    pub(crate) two_fa: bool,
    /// The number of codes to refuse before one is accepted.
    pub(crate) refusals: AtomicUsize,
    /// The number of failing answers to `/user/me`, and their status.
    pub(crate) broken: AtomicUsize,
    pub(crate) broken_status: u16,
    /// Each permit admits one login.
    pub(crate) gate: Semaphore,
    /// The offset of its clock.
    pub(crate) ahead: Duration,
    /// The offset of the `Date` in its answers, as if a proxy wrote it.
    pub(crate) date_ahead: Duration,
    /// The lifetime of new tokens.
    pub(crate) lifetime: Duration,
}

impl Pbx {
    pub(crate) fn new(clock: Arc<Manual>) -> Self {
        Self {
            clock,
            tokens: Mutex::default(),
            two_fa: false,
            refusals: AtomicUsize::new(0),
            broken: AtomicUsize::new(0),
            broken_status: 502,
            gate: Semaphore::new(1000),
            ahead: Duration::ZERO,
            date_ahead: Duration::ZERO,
            lifetime: jwt::FORTNIGHT,
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now() + self.ahead
    }

    async fn answer(&self, request: Request) -> Vec<u8> {
        let bearer =
            request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or("");
        let date = (self.now() + self.date_ahead).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/api/login") => {
                self.gate.acquire().await.unwrap().forget();
                let token = jwt_for(self.lifetime, "a", self.two_fa, false, self.now());
                self.tokens.lock().unwrap().insert(token.clone(), !self.two_fa);
                http::with(200, &[("Date", &date)], &jwt::login(&token))
            }
            ("POST", "/api/2fa/verify-otp") => {
                assert_eq!(request.field("username").as_deref(), Some("bridge"));
                if !self.tokens.lock().unwrap().contains_key(bearer) {
                    return json(403, NO_PERMISSION);
                }
                let expected = Totp::new(&TOTP.into()).unwrap().code(self.now());
                let given = request.field("otp").unwrap();
                if take(&self.refusals) || given != expected.expose_secret() {
                    return http::json(400, r#"{"code":400,"data":null,"message":"invalid_otp"}"#);
                }
                let token = jwt_for(self.lifetime, "b", true, true, self.now());
                let mut tokens = self.tokens.lock().unwrap();
                tokens.remove(bearer);
                tokens.insert(token.clone(), true);
                json(200, &jwt::verified(&token))
            }
            _ if self.tokens.lock().unwrap().get(bearer) != Some(&true) => json(403, NO_PERMISSION),
            ("GET", "/api/user/me") if take(&self.broken) => json(self.broken_status, ""),
            ("GET", "/api/user/me") => json(200, jwt::ME),
            ("POST", "/api/logout") => {
                self.tokens.lock().unwrap().remove(bearer);
                json(200, r#"{"code":200}"#)
            }
            (method, path) => panic!("unexpected request: {method} {path}"),
        }
    }
}

/// The account's user name and password.
pub(crate) fn with_password(totp_secret: Option<&str>) -> Config {
    let credentials =
        Credentials::Password { password: "secret".into(), totp_secret: totp_secret.map(Into::into) };
    Config { username: "bridge".into(), credentials, token_cache: None }
}

/// Counts down to zero. Returns whether anything was left.
pub(crate) fn take(left: &AtomicUsize) -> bool {
    left.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

pub(crate) struct Scene {
    pub(crate) pbx: Arc<Pbx>,
    pub(crate) server: Server,
    pub(crate) account: Account,
}

pub(crate) async fn scene(pbx: Pbx) -> Scene {
    let clock: Arc<Manual> = Arc::clone(&pbx.clock);
    let pbx = Arc::new(pbx);
    let behind = Arc::clone(&pbx);
    let server = Server::start(move |request| {
        let pbx = Arc::clone(&behind);
        async move { pbx.answer(request).await }
    })
    .await
    .unwrap();
    let url = Url::parse(&format!("http://127.0.0.1:{}/api/", server.port)).unwrap();
    let client = api::Client::new(api::Config::at(url)).unwrap();
    let account = Account::with_clock(with_password(Some(TOTP)), client, clock).unwrap();
    Scene { pbx, server, account }
}

impl Scene {
    pub(crate) fn count(&self, path: &str) -> usize {
        self.server.paths().iter().filter(|seen| *seen == path).count()
    }

    pub(crate) fn listed(&self) -> usize {
        self.pbx.tokens.lock().unwrap().len()
    }

    /// The codes that were sent.
    pub(crate) fn codes(&self) -> Vec<String> {
        self.server.seen().iter().filter_map(|request| request.field("otp")).collect()
    }
}

pub(crate) fn text(grant: &Grant) -> String {
    grant.token.secret().expose_secret().to_owned()
}

/// Polls a condition on the server's side.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), met).await.is_ok(), "never: {what}");
}
