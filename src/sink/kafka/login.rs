//! Authentication: the keys of the table, and the SASL settings they result in.

use std::sync::Arc;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::oauth::Issuer;
use crate::{config::Section, net::Address, tls::Trust};

/// The SASL credentials (RFC 4422).
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "named after what they are")]
pub enum Sasl {
    Password { mechanism: Mechanism, username: String, password: SecretString },
    Token(Arc<Issuer>),
}

impl Sasl {
    /// Returns the mechanism.
    pub(super) fn mechanism(&self) -> Mechanism {
        match self {
            Self::Password { mechanism, .. } => *mechanism,
            Self::Token(_) => Mechanism::OAuthBearer,
        }
    }
}

/// A SASL mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the names of the mechanisms")]
pub enum Mechanism {
    #[serde(rename = "PLAIN")]
    Plain,
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    #[serde(rename = "OAUTHBEARER")]
    OAuthBearer,
}

impl Mechanism {
    /// Returns the name, as librdkafka spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OAuthBearer => "OAUTHBEARER",
        }
    }
}

/// The keys for authentication, unchecked.
pub(super) struct Login {
    pub(super) mechanism: Option<Mechanism>,
    pub(super) username: Option<String>,
    pub(super) password: Option<SecretString>,
    pub(super) tokens: Option<(Address, Option<String>)>,
    pub(super) allow_plaintext: bool,
}

impl Login {
    /// Checks the keys. `None` without authentication, and after reporting a problem.
    pub(super) fn sasl(self, trust: &Trust, section: &mut Section<'_>) -> Option<Sasl> {
        if self.tokens.is_some() && self.mechanism != Some(Mechanism::OAuthBearer) {
            section.problem(
                "token_url",
                "is only for OAUTHBEARER: set `sasl_mechanism = \"OAUTHBEARER\"`, or remove it",
            );
        }
        let (mechanism, username) = match (self.mechanism, self.username) {
            (Some(mechanism), Some(username)) => (mechanism, username),
            (Some(_), None) => {
                section.problem("sasl_mechanism", "needs a user name: set `username` and `password_file`");
                return None;
            }
            (None, Some(_)) => {
                section.problem(
                    "username",
                    "needs a mechanism: set `sasl_mechanism`, for example to \"SCRAM-SHA-512\"",
                );
                return None;
            }
            (None, None) => return None,
        };
        if self.password.is_none() && !section.is_set("password") && !section.is_set("password_file") {
            section.problem("username", "has no password: set `password_file` (or `password`)");
        }
        let password = self.password?;
        if mechanism != Mechanism::OAuthBearer {
            return Some(Sasl::Password { mechanism, username, password });
        }
        let Some((address, scope)) = self.tokens else {
            section.problem("sasl_mechanism", "needs a token endpoint: set `token_url`");
            return None;
        };
        let clear = match address.url().scheme() {
            "https" => false,
            "http" => true,
            _ => {
                section.problem("token_url", "is not the URL of a token endpoint: write https://host/path");
                return None;
            }
        };
        if clear && !self.allow_plaintext && !address.is_loopback() {
            section.problem("token_url", "would receive the secret unencrypted: write https://");
        }
        if address.user_info().is_some() {
            section.problem("token_url", "contains credentials: set `username` and `password_file` instead");
        }
        let (url, trust) = (address.url().clone(), trust.clone());
        let issuer = Issuer { url, client_id: username, client_secret: password, scope, trust };
        Some(Sasl::Token(Arc::new(issuer)))
    }
}
