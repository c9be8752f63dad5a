//! Tokens in the PBX's format, with an unchecked signature.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;

pub(crate) const FORTNIGHT: Duration = Duration::from_hours(14 * 24);

/// A token that contains `mark`. The same mark and time give the same token.
pub(crate) fn jwt(mark: &str, two_fa: bool, verified: bool, issued: Timestamp) -> String {
    jwt_for(FORTNIGHT, mark, two_fa, verified, issued)
}

/// [`jwt`] with a lifetime.
pub(crate) fn jwt_for(
    lifetime: Duration,
    mark: &str,
    two_fa: bool,
    verified: bool,
    issued: Timestamp,
) -> String {
    let (iat, exp) = (issued.as_second(), (issued + lifetime).as_second());
    let claims = format!(
        r#"{{"2fa":{two_fa},"exp":{exp},"iat":{iat},"id":"bridge","mark":"{mark}","otp_verified":{verified},"profile_id":"3"}}"#
    );
    let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    format!("{}.{}.{}", encode(r#"{"alg":"HS256","typ":"JWT"}"#), encode(&claims), encode("signature"))
}

/// The answer to a login.
pub(crate) fn login(token: &str) -> String {
    format!(r#"{{"code":200,"expire":"2026-12-14T01:53:20+01:00","token":"{token}"}}"#)
}

/// The answer to a one-time password.
pub(crate) fn verified(token: &str) -> String {
    format!(
        r#"{{"code":200,"data":{{"expire":"2026-12-14T01:53:20.123456789+01:00","token":"{token}"}},"message":"OTP verified"}}"#
    )
}

pub(crate) const ME: &str = r#"{"username":"bridge","name":"Bridge","profile":{"id":"3","name":"Advanced","macro_permissions":{"presence_panel":{"value":true,"permissions":{"trunks":{"value":true}}}}}}"#;
