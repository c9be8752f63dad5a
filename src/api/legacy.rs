//! The login to a PBX that was not upgraded: without the middleware, at the server itself (`/webrest`).
//!
//! The server answers 401 to any password, right or wrong, and adds a nonce in a header; the token is computed
//! from both. Nothing else differs: paths and answers below the base are the same.

use data_encoding::HEXLOWER;
use reqwest::{Method, StatusCode, header::WWW_AUTHENTICATE};
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{
    body,
    client::{Client, SMALL, unreadable},
    error::ApiError,
};

impl Client {
    /// `POST /authentication/login`: computes the token of this password. A wrong password is [`ApiError::Refused`] with 401,
    /// a server that is still starting answers 503.
    pub async fn legacy_login(
        &self,
        username: &str,
        password: &SecretString,
    ) -> Result<SecretString, ApiError> {
        let credentials = json!({ "username": username, "password": password.expose_secret() });
        let (url, response) =
            self.send(Method::POST, "authentication/login", |request| request.json(&credentials)).await?;
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(nonce) =
                response.headers().get(WWW_AUTHENTICATE).and_then(|value| nonce(value.to_str().ok()?))
        {
            return Ok(token(username, password, nonce));
        }
        body::accepted(&url, response, SMALL).await?;
        Err(unreadable(&url, "a login there is answered 401 with a nonce"))
    }
}

/// Forty hexadecimal digits after `Digest `; the server uses nothing else of RFC 7616.
fn nonce(header: &str) -> Option<&str> {
    let nonce = header.strip_prefix("Digest ")?.trim();
    (nonce.len() == 40 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(nonce)
}

/// HMAC-SHA1 (RFC 2104) under the password, in hexadecimal digits.
fn token(username: &str, password: &SecretString, nonce: &str) -> SecretString {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.expose_secret().as_bytes());
    let text = SecretString::from(format!("{username}:{}:{nonce}", password.expose_secret()));
    HEXLOWER.encode(hmac::sign(&key, text.expose_secret().as_bytes()).as_ref()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_that_of_openssl() {
        // printf 'ada:geheim:<nonce>' | openssl dgst -sha1 -hmac geheim
        let token = token("ada", &"geheim".into(), "0123456789abcdef0123456789abcdef01234567");
        assert_eq!(token.expose_secret(), "aaf1e3fb90c14af9ec468a453390f6ae445d3852");
    }

    #[test]
    fn a_nonce_is_forty_hexadecimal_digits_after_its_word() {
        let digits = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(nonce(&format!("Digest {digits}")), Some(digits));
        for header in
            ["", "Digest ", "Digest x", &format!("Basic {digits}"), &format!("Digest {digits}0"), digits]
        {
            assert_eq!(nonce(header), None, "{header}");
        }
    }
}
