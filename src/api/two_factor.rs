//! `/2fa/…`, except for the one-time password at login ([`Client::verify_otp`]). Every request needs a token
//! without a pending one-time password; otherwise it is refused with 403.

use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    client::{Client, SMALL, unreadable},
    error::ApiError,
    json,
};
use crate::text::secrets;

/// The data that an authenticator app needs.
#[derive(Debug, Clone, Deserialize)]
pub struct Enrolment {
    /// Base32.
    #[serde(rename = "key")]
    pub secret: SecretString,
    /// `otpauth://totp/…`, with the secret in it.
    pub url: SecretString,
}

impl Client {
    /// `GET /2fa/status`: returns true if two-factor authentication is on.
    pub async fn two_factor_status(&self, token: &SecretString) -> Result<bool, ApiError> {
        #[derive(Deserialize)]
        struct Status {
            status: bool,
        }
        let Status { status } = self
            .two_factor(Method::GET, "2fa/status", token, |request| request, "it has no `status`")
            .await?;
        Ok(status)
    }

    /// `GET /2fa/qr-code`: the user's secret, created now if there is none. Switches nothing on, and never
    /// changes an existing secret.
    pub async fn qr_code(&self, token: &SecretString) -> Result<Enrolment, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            data: Enrolment,
        }
        let Answer { data } =
            self.two_factor(Method::GET, "2fa/qr-code", token, |request| request, "it has no secret").await?;
        secrets::register_issued(&data.secret);
        secrets::register_issued(&data.url);
        Ok(data)
    }

    /// `POST /2fa/recovery-codes`: the remaining codes; empty without a secret. Each logs in once, instead of
    /// a one-time password. The request does not create new ones, and the PBX does not check the password.
    pub async fn recovery_codes(
        &self,
        token: &SecretString,
        password: &SecretString,
    ) -> Result<Vec<SecretString>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            codes: Vec<SecretString>,
        }
        let body = json!({ "password": password.expose_secret() });
        let Answer { codes } = self
            .two_factor(
                Method::POST,
                "2fa/recovery-codes",
                token,
                |request| request.json(&body),
                "it has no codes",
            )
            .await?;
        Ok(codes)
    }

    /// `POST /2fa/disable`. Revokes every token of the user, including this one.
    pub async fn disable_two_factor(
        &self,
        token: &SecretString,
        password: &SecretString,
    ) -> Result<(), ApiError> {
        let body = json!({ "password": password.expose_secret() });
        let request = |request: RequestBuilder| request.bearer_auth(token.expose_secret()).json(&body);
        self.answer(Method::POST, "2fa/disable", SMALL, request).await.map(|_| ())
    }

    async fn two_factor<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        token: &SecretString,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
        otherwise: &'static str,
    ) -> Result<T, ApiError> {
        let request = |request: RequestBuilder| fill(request.bearer_auth(token.expose_secret()));
        let (url, _, body) = self.answer(method, path, SMALL, request).await?;
        json::read(&body, &["status", "data", "codes"]).ok_or_else(|| unreadable(&url, otherwise))
    }
}
