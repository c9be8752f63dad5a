//! The middleware's JSON web tokens: HS256 (RFC 7515, appendix A.1) with its own claims.

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

/// The claims of a token. Field order is the middleware's: it serialises a map, so by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    /// Whether the account has two-factor authentication.
    #[serde(rename = "2fa")]
    pub(super) two_factor: bool,
    /// Only in persistent tokens: what they are for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) aud: Option<String>,
    /// Unix time in seconds after which the token is refused.
    pub(super) exp: i64,
    pub(super) iat: i64,
    /// The user name as it was given at login.
    pub(super) id: String,
    /// Only in tokens from the login itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) orig_iat: Option<i64>,
    pub(super) otp_verified: bool,
    pub(super) profile_id: String,
}

impl Claims {
    /// Returns true if a one-time password is still due.
    pub(super) fn pending(&self) -> bool {
        self.two_factor && !self.otp_verified
    }
}

/// The reason why a token is refused before the session list is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Malformed,
    Signature,
    NoExpiry,
    Expired,
}

impl Refusal {
    /// HTTP status and message of the middleware.
    pub(super) fn answer(self) -> (u16, &'static str) {
        match self {
            Self::Malformed => (401, "token is malformed: token contains an invalid number of segments"),
            Self::Signature => (401, "token signature is invalid: signature is invalid"),
            Self::NoExpiry => (400, "missing exp field"),
            Self::Expired => (401, "token is expired"),
        }
    }
}

/// The signing key. A restart of the middleware keeps it.
#[derive(Debug, Clone)]
pub(super) struct Key(hmac::Key);

impl Key {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    pub(super) fn sign(&self, claims: &Claims) -> String {
        let header = BASE64URL_NOPAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
        let payload = BASE64URL_NOPAD.encode(&serde_json::to_vec(claims).unwrap_or_default());
        let signed = format!("{header}.{payload}");
        let signature = hmac::sign(&self.0, signed.as_bytes());
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    /// The claims of a token with a good signature that is not expired at `now` (Unix seconds).
    pub(super) fn read(&self, token: &str, now: i64) -> Result<Claims, Refusal> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (_, payload) = signed.split_once('.').ok_or(Refusal::Malformed)?;
        let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| Refusal::Malformed);
        let (payload, signature) = (decode(payload)?, decode(signature)?);
        hmac::verify(&self.0, signed.as_bytes(), &signature).map_err(|_| Refusal::Signature)?;
        let claims: serde_json::Value = serde_json::from_slice(&payload).map_err(|_| Refusal::Malformed)?;
        if claims.get("exp").is_none() {
            return Err(Refusal::NoExpiry);
        }
        let claims: Claims = serde_json::from_value(claims).map_err(|_| Refusal::Malformed)?;
        if claims.exp < now { Err(Refusal::Expired) } else { Ok(claims) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims {
            two_factor: true,
            aud: None,
            exp: 2_000,
            iat: 1_000,
            id: "ada".into(),
            orig_iat: Some(1_000),
            otp_verified: false,
            profile_id: "3".into(),
        }
    }

    #[test]
    fn a_token_is_read_back_and_its_claims_are_in_order_of_name() {
        let key = Key::new(&[7; 32]);
        let token = key.sign(&claims());
        assert_eq!(key.read(&token, 2_000), Ok(claims()));
        let payload = token.split('.').nth(1).unwrap();
        assert_eq!(
            String::from_utf8(BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap(),
            r#"{"2fa":true,"exp":2000,"iat":1000,"id":"ada","orig_iat":1000,"otp_verified":false,"profile_id":"3"}"#
        );
    }

    #[test]
    fn each_kind_of_bad_token_has_its_own_refusal() {
        let key = Key::new(&[7; 32]);
        let token = key.sign(&claims());
        assert_eq!(key.read("garbage", 0), Err(Refusal::Malformed));
        assert_eq!(key.read(&token, 2_001), Err(Refusal::Expired));
        assert_eq!(Key::new(&[8; 32]).read(&token, 0), Err(Refusal::Signature));
    }

    #[test]
    fn the_signature_is_that_of_rfc_7515() {
        // Appendix A.1 of the RFC: the key, and the signature of the given input.
        let key = BASE64URL_NOPAD
            .decode(b"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
            .unwrap();
        let input = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let token = format!("{input}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        // The header and claims are foreign, so only the signature decides between these two refusals.
        assert_eq!(Key::new(&key).read(&token, 0), Err(Refusal::Malformed));
        assert_eq!(Key::new(&[0; 32]).read(&token, 0), Err(Refusal::Signature));
    }
}
