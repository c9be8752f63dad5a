//! Persistent tokens: created once, valid for a hundred years, so that no password has to be stored on disk.
//!
//! The middleware keeps one per user and audience; a new one revokes the old one. Older middlewares lack these routes.

use reqwest::{Method, RequestBuilder, header::AUTHORIZATION};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::{
    authorization::Authorization,
    client::{Client, SMALL, unreadable},
    error::ApiError,
    json,
};
use crate::text::secrets;

/// The client that the token is issued for. The middleware knows only these, so the bridge shares one with the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Audience {
    /// The desktop client `NethLink`.
    Nethlink,
    /// The telephone in the browser.
    PhoneIsland,
    /// The client for mobile telephones.
    MobileApp,
}

impl Audience {
    /// The name that the middleware uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nethlink => "nethlink",
            Self::PhoneIsland => "phone-island",
            Self::MobileApp => "mobile-app",
        }
    }
}

#[derive(Deserialize)]
struct Made {
    token: SecretString,
}

#[derive(Deserialize)]
struct Exists {
    exists: bool,
}

impl Client {
    /// `POST /tokens/persistent/…`: creates a token and revokes the user's earlier one for this audience.
    pub async fn make_persistent(
        &self,
        authorization: &Authorization,
        audience: Audience,
    ) -> Result<SecretString, ApiError> {
        let (url, body) = self.persistent(Method::POST, authorization, audience).await?;
        let made: Made =
            json::read(&body, &["token"]).ok_or_else(|| unreadable(&url, "there is no token in it"))?;
        secrets::register_issued(&made.token);
        Ok(made.token)
    }

    /// `GET /tokens/persistent/…`: returns true if there is one.
    pub async fn has_persistent(
        &self,
        authorization: &Authorization,
        audience: Audience,
    ) -> Result<bool, ApiError> {
        let (url, body) = self.persistent(Method::GET, authorization, audience).await?;
        let found: Exists = json::read(&body, &["exists"])
            .ok_or_else(|| unreadable(&url, "it does not say whether there is a token"))?;
        Ok(found.exists)
    }

    /// `DELETE /tokens/persistent/…`: revokes it, if there is one.
    pub async fn end_persistent(
        &self,
        authorization: &Authorization,
        audience: Audience,
    ) -> Result<(), ApiError> {
        match self.persistent(Method::DELETE, authorization, audience).await {
            // This route reports success with 204.
            Ok(_) | Err(ApiError::Refused { status: 204, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn persistent(
        &self,
        method: Method,
        authorization: &Authorization,
        audience: Audience,
    ) -> Result<(Url, Vec<u8>), ApiError> {
        let path = format!("tokens/persistent/{}", audience.word());
        let request = |request: RequestBuilder| request.header(AUTHORIZATION, authorization);
        let (url, _, body) = self.answer(method, &path, SMALL, request).await?;
        Ok((url, body))
    }
}
