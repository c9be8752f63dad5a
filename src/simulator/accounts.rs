//! Users, their tokens and their one-time passwords, as the middleware keeps them.

use std::{collections::HashMap, time::Duration};

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use crate::auth::Totp;

/// A user of the PBX.
#[derive(Debug, Clone)]
pub struct Account {
    /// Lower case: the middleware's key is case sensitive.
    pub username: String,
    /// The password.
    pub password: String,
    /// With a secret, logins need a one-time password.
    pub totp_secret: Option<String>,
    /// Numbers and names are masked for it.
    pub privacy: bool,
}

/// Everything the middleware knows of its users.
pub(super) struct Accounts {
    key: hmac::Key,
    users: Vec<Account>,
    /// The exact tokens that are valid, per user.
    listed: HashMap<String, Vec<String>>,
}

/// What a token says of itself.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Claims {
    pub(super) id: String,
    #[serde(rename = "2fa")]
    pub(super) two_fa: bool,
    pub(super) otp_verified: bool,
    pub(super) exp: i64,
}

/// Why a token is not good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    Malformed,
    Signature,
    Expired,
    NotListed,
}

impl Accounts {
    pub(super) fn new(users: Vec<Account>) -> Self {
        let secret: [u8; 32] = std::array::from_fn(|_| fastrand::u8(..));
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &secret), users, listed: HashMap::new() }
    }

    pub(super) fn user(&self, username: &str) -> Option<&Account> {
        self.users.iter().find(|user| user.username == username)
    }

    pub(super) fn user_mut(&mut self, username: &str) -> Option<&mut Account> {
        self.users.iter_mut().find(|user| user.username == username)
    }

    pub(super) fn login(&mut self, username: &str, password: &str, lifetime: Duration) -> Option<String> {
        let user = self.user(username).filter(|user| user.password == password)?;
        let two_fa = user.totp_secret.is_some();
        let token = self.sign(username, two_fa, false, lifetime);
        self.list(username, token.clone());
        Some(token)
    }

    /// Replaces the token of the first step.
    pub(super) fn verify(&mut self, username: &str, old: &str, lifetime: Duration) -> String {
        let token = self.sign(username, true, true, lifetime);
        let listed = self.listed.entry(username.to_owned()).or_default();
        if let Some(place) = listed.iter().position(|token| token == old) {
            listed.swap_remove(place);
        }
        self.list(username, token.clone());
        token
    }

    /// The codes of the previous, the current and the next step are good, also twice.
    pub(super) fn is_code(&self, username: &str, code: &str) -> Option<bool> {
        let secret = SecretString::from(self.user(username)?.totp_secret.clone()?);
        let totp = Totp::new(&secret).ok()?;
        let now = Timestamp::now();
        let steps = [-30, 0, 30].map(SignedDuration::from_secs);
        Some(
            steps
                .into_iter()
                .any(|step| totp.code(now.saturating_add(step).unwrap_or(now)).expose_secret() == code),
        )
    }

    fn list(&mut self, username: &str, token: String) {
        self.listed.entry(username.to_owned()).or_default().push(token);
    }

    fn sign(&self, username: &str, two_fa: bool, otp_verified: bool, lifetime: Duration) -> String {
        let iat = Timestamp::now().as_second();
        let exp = iat.saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX));
        let mut claims = json!({ "2fa": two_fa, "exp": exp, "iat": iat, "id": username, "otp_verified": otp_verified, "profile_id": "3" });
        if !otp_verified {
            claims["orig_iat"] = iat.into();
        }
        let part = |value: String| BASE64URL_NOPAD.encode(value.as_bytes());
        let signed =
            format!("{}.{}", part(json!({"alg":"HS256","typ":"JWT"}).to_string()), part(claims.to_string()));
        let signature = hmac::sign(&self.key, signed.as_bytes());
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    /// The claims of a token whose signature is ours.
    fn read(&self, token: &str) -> Result<Claims, Denied> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Denied::Malformed)?;
        let (_, claims) = signed.split_once('.').ok_or(Denied::Malformed)?;
        let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| Denied::Malformed);
        let claims = serde_json::from_slice(&decode(claims)?).map_err(|_| Denied::Malformed)?;
        hmac::verify(&self.key, signed.as_bytes(), &decode(signature)?).map_err(|_| Denied::Signature)?;
        Ok(claims)
    }

    /// A token that is listed, whether or not its one-time password is still due.
    pub(super) fn pending(&self, token: &str) -> Result<Claims, Denied> {
        let claims = self.read(token)?;
        if claims.exp <= Timestamp::now().as_second() {
            return Err(Denied::Expired);
        }
        if self.is_listed(&claims.id, token) { Ok(claims) } else { Err(Denied::NotListed) }
    }

    /// A token that is good for everything.
    pub(super) fn verified(&self, token: &str) -> Result<Claims, Denied> {
        let claims = self.pending(token)?;
        if claims.two_fa && !claims.otp_verified { Err(Denied::NotListed) } else { Ok(claims) }
    }

    pub(super) fn has_session(&self, username: &str) -> bool {
        self.listed.get(username).is_some_and(|tokens| !tokens.is_empty())
    }

    pub(super) fn is_listed(&self, username: &str, token: &str) -> bool {
        self.listed.get(username).is_some_and(|tokens| tokens.iter().any(|listed| listed == token))
    }

    pub(super) fn logout(&mut self, username: &str, token: &str) {
        if let Some(tokens) = self.listed.get_mut(username) {
            tokens.retain(|listed| listed != token);
        }
    }

    /// Drops all tokens of a user, as disabling two-factor authentication does.
    pub(super) fn revoke(&mut self, username: &str) {
        self.listed.remove(username);
    }

    /// A restart: what verify-otp gave out was never saved.
    pub(super) fn forget_verified(&mut self) {
        let verified = |token: &String| {
            let claims =
                token.split('.').nth(1).and_then(|part| BASE64URL_NOPAD.decode(part.as_bytes()).ok());
            claims
                .and_then(|claims| serde_json::from_slice::<Claims>(&claims).ok())
                .is_some_and(|claims| claims.otp_verified)
        };
        for tokens in self.listed.values_mut() {
            tokens.retain(|token| !verified(token));
        }
    }

    /// How many tokens are listed.
    pub(super) fn tokens(&self) -> usize {
        self.listed.values().map(Vec::len).sum()
    }
}
