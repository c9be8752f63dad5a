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

/// Who asks for tokens, and where.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The token endpoint.
    pub url: Url,
    /// RFC 6749, section 2.2.
    pub client_id: String,
    /// RFC 6749, section 2.3.1.
    pub client_secret: SecretString,
    /// Scopes, with spaces between.
    pub scope: Option<String>,
    /// Whom to trust, as for the brokers.
    pub trust: Trust,
}

/// What a request may take. The broker waits for a token no longer than that.
const PATIENCE: Duration = Duration::from_secs(5);
/// An answer has some 2 KiB.
const LARGEST: usize = 64 << 10;
/// For an issuer that does not tell.
const LIFETIME: u32 = 300;

/// Why there is no token. librdkafka hands the text on as the cause.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoToken {
    #[error("{0} can't be reached: {1}")]
    Unreachable(Url, PeerText),
    #[error("{0} answers {1}{2}")]
    Refused(Url, u16, Reason),
    #[error("the answer of {0} has no token in it")]
    Unreadable(Url),
    #[error(transparent)]
    Trust(#[from] TlsError),
}

/// RFC 6749, section 5.2. The words of the standard alone: an answer may repeat what was sent.
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

/// Asks on the runtime it was made in; librdkafka calls from threads of its own.
#[derive(Clone)]
pub(super) struct Tokens {
    issuer: Arc<Issuer>,
    runtime: Handle,
}

impl Tokens {
    pub(super) fn new(issuer: Arc<Issuer>) -> Self {
        Self { issuer, runtime: Handle::current() }
    }

    /// Waits for a new token.
    pub(super) fn token(&self) -> Result<OAuthToken, NoToken> {
        let answer = self.runtime.block_on(self.issuer.ask())?;
        let lifetime = i64::from(answer.expires_in.unwrap_or(LIFETIME)) * 1_000;
        Ok(OAuthToken {
            token: answer.access_token.expose_secret().to_owned(),
            principal_name: self.issuer.client_id.clone(),
            lifetime_ms: Timestamp::now().as_millisecond() + lifetime,
        })
    }
}

impl Issuer {
    async fn ask(&self) -> Result<Answer, NoToken> {
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
            let said = serde_json::from_slice::<Refusal>(&body).ok();
            let word = said.and_then(|said| REASONS.iter().copied().find(|word| *word == said.error));
            return Err(NoToken::Refused(self.url.clone(), response.status().as_u16(), Reason(word)));
        }
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|_| NoToken::Unreadable(self.url.clone()))?;
        secrets::register_issued(&answer.access_token);
        Ok(answer)
    }
}
