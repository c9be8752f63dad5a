//! Tokens for SASL OAUTHBEARER (RFC 7628), by the client credentials grant (RFC 6749, section 4.4).

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use rdkafka::client::OAuthToken;
use reqwest::{header::CONTENT_TYPE, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::runtime::Handle;
use url::{Url, form_urlencoded};

use crate::{
    text::{PeerText, secrets},
    tls::{TlsError, Trust},
};

/// A token endpoint, and the credentials for it.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The token endpoint.
    pub url: Url,
    /// The client identifier (RFC 6749, section 2.2).
    pub client_id: String,
    /// The client password (RFC 6749, section 2.3.1).
    pub client_secret: SecretString,
    /// Scopes, separated by spaces. `None` requests the default.
    pub scope: Option<String>,
    /// The trusted CAs, as for the brokers.
    pub trust: Trust,
}

/// The time limit of a request. A broker waits no longer for a token.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer, in bytes. Usual ones have 2 KiB.
const LARGEST: usize = 64 << 10;
/// The lifetime of a token without `expires_in`, in seconds.
const LIFETIME: u32 = 300;

/// The reason why there is no token. librdkafka passes the text on as the reason of its error.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoToken {
    #[error("{0} can't be reached: {1}")]
    Unreachable(Url, PeerText),
    #[error("{0} answered {1}{2}")]
    Refused(Url, u16, Reason),
    #[error("the answer of {0} contains no token")]
    Unreadable(Url),
    #[error(transparent)]
    Trust(#[from] TlsError),
}

/// An error code of RFC 6749, section 5.2. Any other text is not shown, as an answer may repeat the request.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Reason(Option<&'static str>);

const REASONS: &[&str] = &[
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "unauthorized_client",
    "unsupported_grant_type",
];

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |word| write!(f, " {word}"))
    }
}

#[derive(Deserialize)]
struct Answer {
    access_token: SecretString,
    /// In seconds.
    expires_in: Option<u32>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Requests tokens on the runtime in which it was created, as librdkafka calls from its own threads.
#[derive(Clone)]
pub(super) struct Tokens {
    issuer: Arc<Issuer>,
    runtime: Handle,
}

impl Tokens {
    pub(super) fn new(issuer: Arc<Issuer>) -> Self {
        Self { issuer, runtime: Handle::current() }
    }

    /// Requests a token. Blocks.
    pub(super) fn token(&self) -> Result<OAuthToken, NoToken> {
        let answer = self.runtime.block_on(self.issuer.request())?;
        let lifetime = i64::from(answer.expires_in.unwrap_or(LIFETIME)) * 1_000;
        Ok(OAuthToken {
            token: answer.access_token.expose_secret().to_owned(),
            principal_name: self.issuer.client_id.clone(),
            lifetime_ms: Timestamp::now().as_millisecond() + lifetime,
        })
    }
}

impl Issuer {
    async fn request(&self) -> Result<Answer, NoToken> {
        let unreachable =
            |error: reqwest::Error| NoToken::Unreachable(self.url.clone(), crate::api::innermost(&error));
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(scope) = &self.scope {
            form.append_pair("scope", scope);
        }
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(Arc::unwrap_or_clone(self.trust.client_config()?))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("cti-bridge/", env!("CARGO_PKG_VERSION")))
            .timeout(PATIENCE)
            .build()
            .map_err(unreachable)?;
        let secret = SecretString::from(encoded(self.client_secret.expose_secret()));
        let mut response = http
            .post(self.url.clone())
            .basic_auth(encoded(&self.client_id), Some(secret.expose_secret()))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.finish())
            .send()
            .await
            .map_err(unreachable)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > LARGEST {
                return Err(NoToken::Unreadable(self.url.clone()));
            }
            body.extend_from_slice(&chunk);
        }
        if !response.status().is_success() {
            let refusal = serde_json::from_slice::<Refusal>(&body).ok();
            let word =
                refusal.and_then(|refusal| REASONS.iter().copied().find(|word| *word == refusal.error));
            return Err(NoToken::Refused(self.url.clone(), response.status().as_u16(), Reason(word)));
        }
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|_| NoToken::Unreadable(self.url.clone()))?;
        secrets::register_issued(&answer.access_token);
        Ok(answer)
    }
}
