//! The server without the middleware, as on PBXs that were not upgraded: REST under `/webrest/`, the socket at
//! `/socket.io/`, and tokens of its own that a restart forgets.

use std::collections::BTreeMap;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use hyper::{Method, header::AUTHORIZATION, http::request::Parts};
use ring::hmac;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{
    accounts::Accounts,
    knobs::Login,
    lock,
    pbx::Pbx,
    reply::Reply,
    rest::{self, Credentials},
};

/// The valid tokens, by user.
#[derive(Debug, Default)]
pub(super) struct Tokens(BTreeMap<String, Vec<String>>);

impl Tokens {
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    fn has(&self, user: &str, token: &str) -> bool {
        self.0.get(user).is_some_and(|tokens| tokens.iter().any(|other| other == token))
    }
}

/// The answer to one request; `path` is without `/webrest`. A refusal of the server's own has no body.
pub(super) fn answer(pbx: &Pbx, parts: &Parts, path: &str, body: &Bytes) -> Reply {
    let knobs = pbx.knobs();
    let logging_in = (&parts.method, path) == (&Method::POST, "/authentication/login");
    if knobs.backend_down {
        // A backend that is still starting; one that is gone has a proxy in front of it.
        return if logging_in { Reply::empty(503) } else { Reply::json(502, "Bad Gateway") };
    }
    if logging_in {
        return log_in(pbx, parts, body);
    }
    let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (name, token) = header.split_once(':').unwrap_or_default();
    let Some(user) = owner(pbx, name, token) else { return Reply::empty(401) };
    match (&parts.method, path) {
        (&Method::POST, "/authentication/logout") => {
            let mut accounts = lock(&pbx.accounts);
            if let Some(tokens) = accounts.legacy.0.get_mut(&user) {
                tokens.retain(|other| other != token);
            }
            Reply::empty(200)
        }
        (&Method::GET, _) => {
            rest::from_backend(pbx, &knobs, &user, path).unwrap_or_else(|| Reply::empty(500))
        }
        _ => Reply::empty(404),
    }
}

/// Returns true if the login frame of a socket without the middleware carries a valid token.
pub(super) fn is_known(pbx: &Pbx, login: Option<&Value>) -> bool {
    let text = |name: &str| login.and_then(|object| object.get(name)).and_then(Value::as_str);
    text("accessKeyId").zip(text("token")).is_some_and(|(name, token)| owner(pbx, name, token).is_some())
}

/// The user of the token, if it is valid.
fn owner(pbx: &Pbx, name: &str, token: &str) -> Option<String> {
    if pbx.is_reloading() {
        return None;
    }
    let accounts = lock(&pbx.accounts);
    let user = user(&accounts, name)?;
    accounts.legacy.has(&user, token).then_some(user)
}

fn user(accounts: &Accounts, name: &str) -> Option<String> {
    accounts.account(&name.to_lowercase()).map(|account| account.username.clone())
}

/// Answers 401 to the right password, too, but with a nonce.
fn log_in(pbx: &Pbx, parts: &Parts, body: &Bytes) -> Reply {
    let Some(Credentials { username, password }) = rest::credentials(parts, body) else {
        return Reply::empty(401);
    };
    let username = username.to_lowercase();
    let mut accounts = lock(&pbx.accounts);
    let refused = lock(&pbx.knobs).login == Login::Refused;
    let (Some(user), true) = (user(&accounts, &username), !refused && accounts.right(&username, &password))
    else {
        return Reply::empty(401);
    };
    let nonce = accounts.nonce();
    let key = accounts.account(&user).map(|account| {
        hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, account.password.expose_secret().as_bytes())
    });
    if let Some(key) = key {
        let signed = hmac::sign(&key, format!("{username}:{password}:{nonce}").as_bytes());
        accounts.legacy.0.entry(user).or_default().push(HEXLOWER.encode(signed.as_ref()));
    }
    Reply::empty(401).challenged(&format!("Digest {nonce}"))
}
