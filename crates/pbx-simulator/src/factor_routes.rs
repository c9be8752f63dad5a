//! The REST routes of two-factor authentication.

use bytes::Bytes;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::{
    accounts::{Grant, Verified},
    lock,
    pbx::Pbx,
    reply::{Reply, quoted},
    rest::{Bearer, too_long, verified},
};

/// The issuer in the address of a QR code.
const ISSUER: &str = "NethVoice";

#[derive(Deserialize)]
struct Code {
    #[serde(default)]
    username: String,
    #[serde(default)]
    otp: String,
}

#[derive(Deserialize)]
struct Password {
    #[serde(default)]
    password: String,
}

fn malformed(reason: &str) -> Reply {
    Reply::envelope(400, &quoted(reason), "request fields malformed")
}

/// The user named in the body, not the token's, decides whose seed is asked.
pub(super) fn verify(pbx: &Pbx, bearer: &Bearer, body: &Bytes) -> Reply {
    if too_long(body) {
        return malformed("http: request body too large");
    }
    let code: Code = match serde_json::from_slice(body) {
        Ok(code) => code,
        Err(error) => return malformed(&error.to_string()),
    };
    if code.username.is_empty() || code.otp.is_empty() {
        return malformed("a required field is missing");
    }
    let lifetime = i64::try_from(lock(&pbx.knobs).token_lifetime.as_secs()).unwrap_or(i64::MAX / 2);
    let grant = Grant { username: &code.username, now: pbx.now().as_second(), lifetime };
    if lock(&pbx.knobs).refuse_otp {
        return verified(pbx, &Verified::Wrong);
    }
    let outcome = lock(&pbx.accounts).verify(grant, &bearer.token, &code.otp);
    verified(pbx, &outcome)
}

pub(super) fn status(pbx: &Pbx, bearer: &Bearer) -> Reply {
    let enabled = lock(&pbx.accounts).enabled(&bearer.claims.id);
    Reply::json(200, format!(r#"{{"status":{enabled}}}"#))
}

/// The existing seed if there is one, even while two-factor authentication is on.
pub(super) fn qr_code(pbx: &Pbx, bearer: &Bearer) -> Reply {
    let user = &bearer.claims.id;
    let key = lock(&pbx.accounts).seed(user);
    // The middleware's JSON writer escapes `&`.
    let address = format!("otpauth://totp/{ISSUER}:{user}?algorithm=SHA1&digits=6&period=30&secret={key}");
    let address = quoted(&address).replace('&', r"\u0026");
    Reply::envelope(200, &format!(r#"{{"key":{},"url":{address}}}"#, quoted(&key)), "QR code string")
}

/// The password in the body isn't looked at.
pub(super) fn recovery_codes(pbx: &Pbx, bearer: &Bearer) -> Reply {
    let codes = lock(&pbx.accounts).recovery_codes(&bearer.claims.id);
    let codes: Vec<String> = codes.iter().map(|code| quoted(code)).collect();
    Reply::json(200, format!(r#"{{"codes":[{}]}}"#, codes.join(",")))
}

pub(super) fn disable(pbx: &Pbx, bearer: &Bearer, body: &Bytes) -> Reply {
    let password = match serde_json::from_slice::<Password>(body) {
        Ok(Password { password }) if password.is_empty() => {
            return Reply::envelope(400, "null", "password is required to disable 2FA");
        }
        Ok(Password { password }) => password,
        Err(error) => return malformed(&error.to_string()),
    };
    let user = &bearer.claims.id;
    let mut accounts = lock(&pbx.accounts);
    let known = accounts.account(user).is_some_and(|found| found.password.expose_secret() == password);
    if !known {
        return Reply::envelope(401, r#""""#, "invalid password");
    }
    if accounts.disable(user) {
        let message = "2FA revocate successfully - all sessions invalidated, please login again";
        Reply::envelope(200, r#"{"must_relogin":true}"#, message)
    } else {
        // The status and the code inside differ on the real server too.
        Reply::json(400, r#"{"code":403,"data":null,"message":"error in revocate 2FA for user"}"#)
    }
}
