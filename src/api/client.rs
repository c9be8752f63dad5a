//! The REST client.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use parking_lot::Mutex;
use reqwest::{Method, RequestBuilder, Response, header::AUTHORIZATION, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::{
    authorization::Authorization,
    body,
    config::{Config, bare},
    error::{ApiError, RefusalReason},
    json as lenient,
    me::Me,
    stamp, transport,
};
use crate::text::PeerText;

/// The largest answer to a login, in bytes; real ones are under 1 KiB.
pub(super) const SMALL: usize = 64 * 1024;

/// A client of one PBX's REST API. A cheap handle: clones share its state.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    root: Url,
    /// `None` after a connection failed: the next request reloads the certificate files, so a new
    /// `ca_file` needs no restart.
    http: Mutex<Option<reqwest::Client>>,
}

/// The result of a login, or of the one-time password after it.
#[derive(Debug, Clone)]
pub struct Login {
    /// The bearer token.
    pub token: SecretString,
    /// The token's expiry, from the answer's own field (the token's claim is the better source).
    pub expire: Option<Timestamp>,
    /// The server's clock at the time of the answer, truncated to seconds.
    pub date: Option<Timestamp>,
}

impl Client {
    /// Loads the certificate files, so that a wrong path is noticed at the start and not at the first login.
    pub fn new(config: Config) -> Result<Self, ApiError> {
        let root = config.root();
        let http = Mutex::new(Some(build(&config)?));
        Ok(Self { shared: Arc::new(Shared { config, root, http }) })
    }

    /// The API's base, without user info.
    pub fn url(&self) -> &Url {
        &self.shared.root
    }

    /// `POST /login`. A 200 does not prove that the token works: see [`Client::me`].
    ///
    /// Cancel safe, except that the PBX may keep a token that is never logged out.
    pub async fn login(&self, username: &str, password: &SecretString) -> Result<Login, ApiError> {
        let body = json!({ "username": username, "password": password.expose_secret() });
        self.token_from("login", |request| request.json(&body), |answer| answer).await
    }

    /// `POST /2fa/verify-otp`. On success the token of the request is invalid at once.
    ///
    /// `username` must equal the login's exactly: it, and not the token, selects the secret.
    pub async fn verify_otp(
        &self,
        username: &str,
        token: &SecretString,
        code: &SecretString,
    ) -> Result<Login, ApiError> {
        // `otp` as a JSON string: a number is refused.
        let body = json!({ "username": username, "otp": code.expose_secret() });
        let request = |request: RequestBuilder| request.bearer_auth(token.expose_secret()).json(&body);
        self.token_from("2fa/verify-otp", request, |mut answer| answer["data"].take()).await
    }

    /// `GET` of a path below the base, such as `astproxy/queues`: the body of a 200, of `limit` bytes at most.
    pub async fn get(
        &self,
        authorization: &Authorization,
        path: &str,
        limit: usize,
    ) -> Result<Vec<u8>, ApiError> {
        let request = |request: RequestBuilder| request.header(AUTHORIZATION, authorization);
        self.answer(Method::GET, path, limit, request).await.map(|(_, _, body)| body)
    }

    /// `GET /user/me`: proves that a token works, including in the PBX's backend.
    pub async fn me(&self, authorization: &Authorization) -> Result<Me, ApiError> {
        let request = |request: RequestBuilder| request.header(AUTHORIZATION, authorization);
        let (url, _, body) =
            self.answer(Method::GET, "user/me", self.shared.config.max_answer, request).await?;
        Me::parse(&body).ok_or_else(|| unreadable(&url, "it does not describe a user"))
    }

    /// `GET /user/me` without a token: tests for a CTI API before a password is sent there. Returns the
    /// server's clock, truncated to seconds.
    pub async fn probe(&self) -> Result<Option<Timestamp>, ApiError> {
        let (url, date, answer) =
            self.request(Method::GET, "user/me", self.shared.config.max_answer, |request| request).await?;
        match answer {
            // The middleware gives a reason; a PBX that was not upgraded gives none.
            Err(ApiError::Refused {
                status: 401,
                reason: RefusalReason::BadToken | RefusalReason::Nothing,
                ..
            }) => Ok(date),
            Err(error) => Err(error),
            Ok(_) => Err(unreadable(&url, "the request carried no token")),
        }
    }

    /// `POST /logout`. Revokes only this token; open sockets stay. A token whose one-time password is
    /// still due can't be logged out (403).
    pub async fn logout(&self, authorization: &Authorization) -> Result<(), ApiError> {
        let path = match authorization {
            Authorization::Bearer(_) => "logout",
            Authorization::Legacy { .. } => "authentication/logout",
        };
        let request = |request: RequestBuilder| request.header(AUTHORIZATION, authorization);
        self.answer(Method::POST, path, SMALL, request).await.map(|_| ())
    }

    async fn token_from(
        &self,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
        unwrap: impl FnOnce(Value) -> Value,
    ) -> Result<Login, ApiError> {
        let (url, date, body) = self.answer(Method::POST, path, SMALL, fill).await?;
        let answer = lenient::object(&body, &["token", "expire", "data"])
            .ok_or_else(|| unreadable(&url, "its body is not one JSON object"))?;
        let Granted { token, expire } = serde_json::from_value(unwrap(answer))
            .map_err(|_| unreadable(&url, "there is no token in it"))?;
        if token.expose_secret().is_empty() {
            return Err(unreadable(&url, "the token in it is empty"));
        }
        Ok(Login { token, expire: stamp::expire(&expire), date })
    }

    pub(super) async fn answer(
        &self,
        method: Method,
        path: &str,
        limit: usize,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<(Url, Option<Timestamp>, Vec<u8>), ApiError> {
        let (url, date, answer) = self.request(method, path, limit, fill).await?;
        Ok((url, date, answer?))
    }

    /// Returns the requested URL, the `Date` of the answer, and its body or the error that it means.
    async fn request(
        &self,
        method: Method,
        path: &str,
        limit: usize,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<(Url, Option<Timestamp>, Result<Vec<u8>, ApiError>), ApiError> {
        let (url, response) = self.send(method, path, fill).await?;
        let date = stamp::date(response.headers());
        let answer = body::accepted(&url, response, limit).await;
        Ok((url, date, answer))
    }

    /// Returns the requested URL, and the raw answer.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<(Url, Response), ApiError> {
        let shared = &self.shared;
        let url =
            shared.root.join(path).map_err(|error| setup(&shared.root, PeerText::new(&error.to_string())))?;
        let request = fill(self.http().await?.request(method, url.clone()));
        let response = request.send().await.map_err(|error| {
            let error = transport::failure(url.as_str(), &error, shared.config.request_timeout);
            if error.is_transport() {
                self.slot().take();
            }
            error
        })?;
        Ok((url, response))
    }

    async fn http(&self) -> Result<reqwest::Client, ApiError> {
        if let Some(http) = self.slot().clone() {
            return Ok(http);
        }
        // Loading all the system's authorities takes tens of milliseconds: not on a thread that processes events.
        let shared = Arc::clone(&self.shared);
        let http = match tokio::task::spawn_blocking(move || build(&shared.config)).await {
            Ok(built) => built?,
            Err(error) => return Err(setup(&self.shared.root, PeerText::new(&error.to_string()))),
        };
        *self.slot() = Some(http.clone());
        Ok(http)
    }

    fn slot(&self) -> parking_lot::MutexGuard<'_, Option<reqwest::Client>> {
        self.shared.http.lock()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Granted {
    token: SecretString,
    #[serde(default)]
    expire: Value,
}

fn build(config: &Config) -> Result<reqwest::Client, ApiError> {
    let tls = config.trust.client_config().map_err(|error| ApiError::Trust(Arc::new(error)))?;
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(Arc::unwrap_or_clone(tls))
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .user_agent(concat!("cti-bridge/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(config.connect_timeout)
        .timeout(config.request_timeout)
        // A server may close a kept-alive connection just as the next request is sent. Whether it was read is unknown,
        // and a password must not be sent twice unintentionally. So each request has its own connection.
        .pool_max_idle_per_host(0);
    if let Some(proxy) = &config.proxy {
        let proxy = reqwest::Proxy::all(proxy.clone())
            .map_err(|error| setup(&bare(proxy), transport::innermost(&error)))?;
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|error| setup(&config.root(), transport::innermost(&error)))
}

fn setup(url: &Url, reason: PeerText) -> ApiError {
    ApiError::Setup { url: url.to_string(), reason }
}

pub(super) fn unreadable(url: &Url, reason: &'static str) -> ApiError {
    ApiError::Unreadable { url: url.to_string(), reason }
}
