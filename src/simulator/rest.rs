//! The REST interface: the same statuses and bodies as the middleware's.

use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Shared, accounts::Denied};

/// An answer before it is HTTP.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// JSON, or nothing at all.
    pub(super) body: String,
    /// The JWT layer's refusals carry `WWW-Authenticate`.
    pub(super) challenge: bool,
}

/// A request, read whole.
pub(super) struct Request<'a> {
    pub(super) method: &'a Method,
    /// Below `/api/`.
    pub(super) path: &'a str,
    pub(super) authorization: Option<&'a str>,
    pub(super) is_json: bool,
    pub(super) body: &'a [u8],
}

#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
}

#[derive(Deserialize)]
struct Otp {
    username: String,
    otp: String,
}

#[derive(Deserialize)]
struct Disable {
    password: String,
}

fn answer(status: StatusCode, body: &Value) -> Answer {
    Answer { status, body: body.to_string(), challenge: false }
}

/// The middleware's error envelope; its keys are in alphabetical order.
fn error(status: StatusCode, message: &str) -> Answer {
    answer(status, &json!({ "code": status.as_u16(), "data": null, "message": message }))
}

fn refusal(message: &str) -> Answer {
    Answer { challenge: true, ..error(StatusCode::UNAUTHORIZED, message) }
}

/// A proxied route's refusal: no body at all.
fn empty(status: StatusCode) -> Answer {
    Answer { status, body: String::new(), challenge: false }
}

impl Shared {
    /// Answers a request.
    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        if self.knobs().rate_limited {
            return error(StatusCode::TOO_MANY_REQUESTS, "too many requests");
        }
        match (request.method, request.path) {
            (&Method::POST, "login") => self.login(request),
            (&Method::POST, "2fa/verify-otp") => self.verify(request),
            _ => self.with_token(request),
        }
    }

    fn login(&self, request: &Request<'_>) -> Answer {
        let knobs = self.knobs();
        let read = serde_json::from_slice::<Login>(request.body).ok();
        let read =
            read.filter(|login| request.is_json && !login.username.is_empty() && !login.password.is_empty());
        let Some(login) = read.filter(|_| request.body.len() <= 32 << 10) else {
            return refusal("missing Username or Password");
        };
        // The same answer for a wrong password and for a backend that is down.
        let token = if knobs.backend_down {
            None
        } else {
            self.accounts().login(&login.username, &login.password, knobs.token_lifetime)
        };
        let Some(token) = token else { return refusal("incorrect Username or Password") };
        let expire = expire(knobs.token_lifetime, knobs.odd_expire);
        answer(StatusCode::OK, &json!({ "code": 200, "expire": expire, "token": token }))
    }

    fn verify(&self, request: &Request<'_>) -> Answer {
        let token = match self.bearer(request, true) {
            Ok((token, _)) => token,
            Err(answer) => return answer,
        };
        let Ok(otp) = serde_json::from_slice::<Otp>(request.body) else {
            let body = json!({ "code": 400, "data": "malformed", "message": "request fields malformed" });
            return answer(StatusCode::BAD_REQUEST, &body);
        };
        let mut accounts = self.accounts();
        match accounts.is_code(&otp.username, &otp.otp) {
            None => answer(
                StatusCode::NOT_FOUND,
                &json!({ "code": 404, "data": "", "message": "user secret not found" }),
            ),
            Some(false) => error(StatusCode::BAD_REQUEST, "invalid_otp"),
            Some(true) => {
                let lifetime = self.knobs().token_lifetime;
                let token = accounts.verify(&otp.username, &token, lifetime);
                let data = json!({ "expire": expire(lifetime, true), "token": token });
                answer(StatusCode::OK, &json!({ "code": 200, "data": data, "message": "OTP verified" }))
            }
        }
    }

    /// Routes behind a token: the middleware's own, then what it passes on.
    fn with_token(&self, request: &Request<'_>) -> Answer {
        let (token, user) = match self.bearer(request, false) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        match (request.method, request.path) {
            (&Method::POST, "logout") => {
                self.accounts().logout(&user, &token);
                answer(StatusCode::OK, &json!({ "code": 200 }))
            }
            (&Method::GET, "2fa/status") => {
                let on = self.accounts().user(&user).is_some_and(|user| user.totp_secret.is_some());
                answer(StatusCode::OK, &json!({ "status": on }))
            }
            (&Method::GET, "2fa/qr-code") => self.qr_code(&user),
            (&Method::POST, "2fa/recovery-codes") => {
                let on = self.accounts().user(&user).is_some_and(|user| user.totp_secret.is_some());
                let codes: &[&str] =
                    if on { &["135790", "246801", "112358", "314159", "271828"] } else { &[] };
                answer(StatusCode::OK, &json!({ "codes": codes }))
            }
            (&Method::POST, "2fa/disable") => self.disable(&user, request.body),
            _ if self.knobs().dead_session => empty(StatusCode::UNAUTHORIZED),
            _ if self.knobs().backend_down => {
                answer(StatusCode::BAD_GATEWAY, &json!({ "code": 502, "message": "Failed to reach V1 API" }))
            }
            (&Method::GET, path) => self.snapshot(&user, path),
            _ => not_found(),
        }
    }

    fn qr_code(&self, user: &str) -> Answer {
        let mut accounts = self.accounts();
        let Some(account) = accounts.user_mut(user) else { return not_found() };
        let secret = account.totp_secret.get_or_insert_with(|| "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".to_owned());
        let url =
            format!("otpauth://totp/NethVoice:{user}?algorithm=SHA1&digits=6&period=30&secret={secret}");
        let data = json!({ "key": secret, "url": url });
        answer(StatusCode::OK, &json!({ "code": 200, "data": data, "message": "QR code string" }))
    }

    fn disable(&self, user: &str, body: &[u8]) -> Answer {
        let Ok(disable) = serde_json::from_slice::<Disable>(body) else {
            return error(StatusCode::BAD_REQUEST, "password is required to disable 2FA");
        };
        let mut accounts = self.accounts();
        let Some(account) = accounts.user_mut(user) else { return not_found() };
        if account.password != disable.password {
            return answer(
                StatusCode::UNAUTHORIZED,
                &json!({ "code": 401, "data": "", "message": "invalid password" }),
            );
        }
        if account.totp_secret.take().is_none() {
            // Status and inner code differ in the original too.
            let body = json!({ "code": 403, "data": null, "message": "error in revocate 2FA for user" });
            return answer(StatusCode::BAD_REQUEST, &body);
        }
        accounts.revoke(user);
        let message = "2FA revocate successfully - all sessions invalidated, please login again";
        answer(StatusCode::OK, &json!({ "code": 200, "data": { "must_relogin": true }, "message": message }))
    }

    fn snapshot(&self, user: &str, path: &str) -> Answer {
        let what = match path {
            "user/me" => return answer(StatusCode::OK, &self.me(user)),
            "user/endpoints/all" => "endpoints",
            "astproxy/extensions" => "extensions",
            "astproxy/queues" => "queues",
            "astproxy/trunks" => "trunks",
            "astproxy/parkings" => "parkings",
            "astproxy/opgroups" => "opgroups",
            _ => return not_found(),
        };
        Answer { status: StatusCode::OK, body: self.world().snapshot(what), challenge: false }
    }

    fn me(&self, user: &str) -> Value {
        let privacy = self.accounts().user(user).is_some_and(|user| user.privacy);
        let permission = |name: &str, value: bool| json!({ "id": "1", "name": name, "value": value });
        let with = |value: bool, names: &[(&str, bool)]| {
            let permissions: serde_json::Map<String, Value> =
                names.iter().map(|(name, value)| ((*name).to_owned(), permission(name, *value))).collect();
            json!({ "value": value, "permissions": permissions })
        };
        let macros = json!({
            "presence_panel": with(true, &[("trunks", true), ("all_groups", true)]),
            "queue_agent": with(true, &[("ad_queue_agent", true)]),
            "settings": with(true, &[("parkings", true)]),
            "qmanager": with(false, &[]),
            "operator_panel": with(false, &[]),
            "nethvoice_cti": with(true, &[("privacy", privacy)]),
        });
        json!({ "name": user, "username": user, "mainPresence": "online", "presence": "online",
            "endpoints": { "mainextension": [], "extension": [] }, "default_device": {}, "settings": {},
            "profile": { "id": "3", "name": "Advanced", "macro_permissions": macros } })
    }

    /// The token of a request and its user, or the refusal.
    fn bearer(&self, request: &Request<'_>, otp_may_be_due: bool) -> Result<(String, String), Answer> {
        let token = request.authorization.and_then(|header| header.strip_prefix("Bearer "));
        let token = token.ok_or_else(|| refusal("query token is empty"))?;
        let accounts = self.accounts();
        let claims = if otp_may_be_due { accounts.pending(token) } else { accounts.verified(token) };
        let claims = claims.map_err(|denied| match denied {
            Denied::Malformed => refusal("token is malformed: token contains an invalid number of segments"),
            Denied::Signature => refusal("token signature is invalid: signature is invalid"),
            Denied::Expired => refusal("token is expired"),
            Denied::NotListed => Answer {
                challenge: true,
                ..error(StatusCode::FORBIDDEN, "you don't have permission to access this resource")
            },
        })?;
        Ok((token.to_owned(), claims.id))
    }
}

fn not_found() -> Answer {
    error(StatusCode::NOT_FOUND, "API not found")
}

/// RFC 3339 in the server's zone: whole seconds after a login, nanoseconds after verify-otp.
fn expire(lifetime: std::time::Duration, odd: bool) -> String {
    let now = jiff::Timestamp::now();
    let at = jiff::SignedDuration::try_from(lifetime)
        .ok()
        .and_then(|lifetime| now.checked_add(lifetime).ok())
        .unwrap_or(now);
    let zone = jiff::tz::Offset::constant(1);
    let local = at.display_with_offset(zone);
    if odd { local.to_string() } else { format!("{local:.0}") }
}
