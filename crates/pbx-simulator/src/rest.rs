//! The REST interface: what the middleware answers itself, what it proxies, and in which words it
//! refuses.

use bytes::Bytes;
use hyper::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
    http::request::Parts,
};
use serde::Deserialize;

use super::{
    accounts::{Grant, TokenState, Verified},
    factor_routes,
    knobs::{self, Knobs},
    lock,
    pbx::Pbx,
    reply::{Reply, quoted},
    snapshot,
    token::Claims,
};

/// The largest body of a login or a one-time password.
const BODY_CAP: usize = 32 * 1024;
const UNREACHABLE: &str = r#"{"code":502,"message":"Failed to reach V1 API"}"#;
const PERSISTENT: &str = "/tokens/persistent/";
const FORBIDDEN: &str = "you don't have permission to access this resource";

/// The token of a request.
#[derive(Debug)]
pub(super) struct Bearer {
    pub(super) token: String,
    pub(super) claims: Claims,
    dead: bool,
}

#[derive(Deserialize)]
pub(super) struct Credentials {
    #[serde(default)]
    pub(super) username: String,
    #[serde(default)]
    pub(super) password: String,
}

/// The answer to one request; `path` is without `/api`.
pub(super) fn answer(pbx: &Pbx, parts: &Parts, path: &str, body: &Bytes) -> Reply {
    let knobs = pbx.knobs();
    if knobs.too_many_requests {
        return Reply::limited();
    }
    if (&parts.method, path) == (&Method::POST, "/login") {
        return log_in(pbx, parts, body);
    }
    let verifying = (&parts.method, path) == (&Method::POST, "/2fa/verify-otp");
    let bearer = match authorize(pbx, parts, verifying) {
        Ok(bearer) => bearer,
        Err(refusal) => return refusal,
    };
    match (&parts.method, path) {
        (&Method::POST, "/2fa/verify-otp") => factor_routes::verify(pbx, &bearer, body),
        (&Method::GET, "/2fa/status") => factor_routes::status(pbx, &bearer),
        (&Method::GET, "/2fa/qr-code") => factor_routes::qr_code(pbx, &bearer),
        (&Method::POST, "/2fa/recovery-codes") => factor_routes::recovery_codes(pbx, &bearer),
        (&Method::POST, "/2fa/disable") => factor_routes::disable(pbx, &bearer, body),
        (&Method::POST, "/logout") => {
            lock(&pbx.accounts).log_out(&bearer.claims.id, &bearer.token);
            Reply::json(200, r#"{"code":200}"#)
        }
        (method, path) if path.starts_with(PERSISTENT) => persistent(pbx, &bearer, method, path),
        _ if knobs.backend_down => Reply::json(502, UNREACHABLE),
        _ if bearer.dead || pbx.is_reloading() => Reply::empty(401),
        (&Method::GET, _) => from_backend(pbx, &knobs, &bearer.claims.id, path)
            .unwrap_or_else(|| Reply::json(502, UNREACHABLE)),
        _ => Reply::no_such_route(path),
    }
}

/// The backend's answer to a user with a valid token; `None` if it fails.
pub(super) fn from_backend(pbx: &Pbx, knobs: &Knobs, user: &str, path: &str) -> Option<Reply> {
    if has(&knobs.failing, path) {
        return None;
    }
    Some(if has(&knobs.forbidden, path) {
        Reply::empty(403)
    } else if has(&knobs.empty, path) {
        Reply::json(200, "{}")
    } else {
        let reply = snapshot::answer(pbx, user, path).without(&knobs.removed);
        if has(&knobs.cut_short, path) { reply.cut_short() } else { reply }
    })
}

fn persistent(pbx: &Pbx, bearer: &Bearer, method: &Method, path: &str) -> Reply {
    let audience = path.strip_prefix(PERSISTENT).unwrap_or_default();
    if !["phone-island", "mobile-app", "nethlink"].contains(&audience) {
        return Reply::json(400, r#"{"message":"invalid audience"}"#);
    }
    let now = pbx.now().as_second();
    let mut accounts = lock(&pbx.accounts);
    let user = &bearer.claims.id;
    match *method {
        Method::POST => {
            let token = accounts.persist(&bearer.claims, audience, now);
            Reply::json(200, format!(r#"{{"token":{}}}"#, quoted(&token)))
        }
        Method::GET => {
            Reply::json(200, format!(r#"{{"exists":{}}}"#, accounts.is_persistent(user, audience)))
        }
        Method::DELETE => {
            accounts.end_persistent(user, audience);
            Reply::empty(204)
        }
        _ => Reply::no_such_route(path),
    }
}

fn has(paths: &[String], path: &str) -> bool {
    paths.iter().any(|other| other == path)
}

fn log_in(pbx: &Pbx, parts: &Parts, body: &Bytes) -> Reply {
    let missing = || Reply::challenge(401, "missing Username or Password");
    let Some(Credentials { username, password }) = credentials(parts, body) else { return missing() };
    if username.is_empty() || password.is_empty() {
        return missing();
    }
    let knobs = pbx.knobs();
    let now = pbx.now();
    let mut accounts = lock(&pbx.accounts);
    let refused = || Reply::challenge(401, "incorrect Username or Password");
    // A backend that is down looks exactly like a wrong password.
    if knobs.backend_down || knobs.login == knobs::Login::Refused || !accounts.right(&username, &password) {
        return refused();
    }
    match knobs.login {
        knobs::Login::Crash => return Reply::empty(500),
        knobs::Login::Glued => {
            let body = format!(r#"{{"message":"failed to parse server v1 response"}}{}"#, refused().body);
            return Reply::json(500, body);
        }
        knobs::Login::Normal | knobs::Login::Dead | knobs::Login::Refused => {}
    }
    let lifetime = i64::try_from(knobs.token_lifetime.as_secs()).unwrap_or(i64::MAX / 2);
    let grant = Grant { username: &username, now: now.as_second(), lifetime };
    let (token, claims) = accounts.admit(grant, knobs.login == knobs::Login::Dead);
    drop(accounts);
    let at = jiff::Timestamp::from_second(claims.exp).unwrap_or(now);
    let expire = pbx.local(at, "%Y-%m-%dT%H:%M:%S");
    Reply::json(200, format!(r#"{{"code":200,"expire":"{expire}","token":{}}}"#, quoted(&token)))
}

/// JSON or a form, as the content type says; without one the body isn't read.
pub(super) fn credentials(parts: &Parts, body: &Bytes) -> Option<Credentials> {
    if body.len() > BODY_CAP {
        return None;
    }
    let kind = parts.headers.get(CONTENT_TYPE)?.to_str().ok()?;
    match kind.split(';').next()?.trim() {
        "application/json" => serde_json::from_slice(body).ok(),
        "application/x-www-form-urlencoded" => {
            let field = |name| {
                let found = url::form_urlencoded::parse(body).find(|(key, _)| key == name);
                found.map(|(_, value)| value.into_owned()).unwrap_or_default()
            };
            Some(Credentials { username: field("username"), password: field("password") })
        }
        _ => None,
    }
}

/// Whose request it is. `pending`: a token whose one-time password is due will do.
fn authorize(pbx: &Pbx, parts: &Parts, pending: bool) -> Result<Bearer, Reply> {
    let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let header = header.and_then(|value| value.strip_prefix("Bearer ")).filter(|token| !token.is_empty());
    let query = parts.uri.query().and_then(|query| {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == "jwt")
            .map(|(_, value)| value.into_owned())
    });
    let token = match (header, query) {
        (Some(token), _) => token.to_owned(),
        (None, Some(token)) if !token.is_empty() => token,
        // The middleware's error about the header is overwritten by the one about the query.
        _ => return Err(Reply::challenge(401, "query token is empty")),
    };
    let now = pbx.now().as_second();
    let accounts = lock(&pbx.accounts);
    let claims = accounts.key.read(&token, now).map_err(|refusal| {
        let (status, message) = refusal.answer();
        Reply::challenge(status, message)
    })?;
    // The list is asked for the header's token, so one from the query never passes.
    let state = accounts.token_state(&claims.id, header.unwrap_or_default());
    if !matches!(state, TokenState::Good | TokenState::SessionFault(_)) || (claims.pending() && !pending) {
        return Err(Reply::challenge(403, FORBIDDEN));
    }
    Ok(Bearer { token, claims, dead: state != TokenState::Good })
}

/// Reads a one-time password's answer as the middleware words it.
pub(super) fn verified(pbx: &Pbx, outcome: &Verified) -> Reply {
    match outcome {
        Verified::NoSecret => Reply::envelope(404, r#""""#, "user secret not found"),
        Verified::Wrong => Reply::envelope(400, "null", "invalid_otp"),
        Verified::Crash => Reply::empty(500),
        Verified::Token(token) => {
            let lifetime = lock(&pbx.knobs).token_lifetime;
            let now = pbx.now();
            let expire = pbx.local(now.checked_add(lifetime).unwrap_or(now), "%Y-%m-%dT%H:%M:%S%.f");
            let data = format!(r#"{{"expire":"{expire}","token":{}}}"#, quoted(token));
            Reply::envelope(200, &data, "OTP verified")
        }
    }
}

/// The cap on bodies that [`factor_routes`] share with the login.
pub(super) const fn too_long(body: &Bytes) -> bool {
    body.len() > BODY_CAP
}
