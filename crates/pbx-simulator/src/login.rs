//! The login frame: the decisions of the middleware and of the backend.

use serde_json::Value;

use super::{
    accounts::{SessionFault, TokenState},
    hub::LoggedInUser,
    knobs::{Knobs, SocketLogin},
    lock,
    pbx::Pbx,
    token::Refusal,
};

/// The middleware's decision on a text frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forwarding {
    /// Forwarded unchanged.
    Passed,
    /// Forwarded with the backend's own token in place of the client's.
    Trusted,
    /// Dropped, without an answer: the token isn't in the list.
    Dropped,
}

/// The backend's decision on a login.
#[derive(Debug)]
pub(super) enum Admission {
    Accepted(LoggedInUser),
    Refused,
    Silent,
}

/// Decides how the middleware forwards a frame. It recognises a login only by its exact first bytes: with an acknowledgement
/// id, or a space after the bracket, the client's token reaches the backend unchanged, which refuses it.
pub(super) fn forwarding(pbx: &Pbx, text: &str) -> Forwarding {
    if !text.starts_with(r#"42["login""#) {
        return Forwarding::Passed;
    }
    let Ok(args) = serde_json::from_str::<Vec<Value>>(&text[2..]) else { return Forwarding::Passed };
    let field = |name: &str| args.get(1).and_then(|object| object.get(name)).and_then(Value::as_str);
    let Some(username) = field("accessKeyId") else { return Forwarding::Passed };
    let token = field("token");
    match lock(&pbx.accounts).token_state(username, token.unwrap_or_default()) {
        TokenState::Unlisted if token.is_some() => Forwarding::Dropped,
        // Without a backend token the frame is dropped.
        TokenState::SessionFault(SessionFault::NoBackendToken) => Forwarding::Dropped,
        TokenState::NoSession | TokenState::Unlisted | TokenState::SessionFault(SessionFault::Refused) => {
            Forwarding::Passed
        }
        TokenState::Good => Forwarding::Trusted,
    }
}

/// Decides on a login in the backend. `trusted` is true if the middleware has validated the token.
pub(super) fn admit(pbx: &Pbx, login: Option<&Value>, trusted: bool) -> Admission {
    let field = |name: &str| login.and_then(|object| object.get(name));
    let text = |name: &str| field(name).and_then(Value::as_str);
    let (Some(username), Some(token)) = (text("accessKeyId"), text("token")) else {
        return Admission::Refused;
    };
    // A value that is not a string counts as missing.
    let ua_type = text("uaType");
    if !trusted || ua_type.is_some_and(|ua| !matches!(ua, "mobile" | "desktop")) {
        return Admission::Refused;
    }
    if pbx.is_reloading() {
        return Admission::Refused;
    }
    let knobs = pbx.knobs();
    match knobs.socket_login {
        SocketLogin::Dropped => return Admission::Silent,
        SocketLogin::Refused => return Admission::Refused,
        SocketLogin::Normal => {}
    }
    if stale(pbx, &knobs, token) {
        return Admission::Refused;
    }
    let profile = lock(&pbx.accounts).account(username).map(|account| account.profile.clone());
    match profile {
        None => Admission::Refused,
        Some(profile) => Admission::Accepted(LoggedInUser {
            username: username.to_owned(),
            ua_type: ua_type.map(ToOwned::to_owned),
            profile,
        }),
    }
}

fn stale(pbx: &Pbx, knobs: &Knobs, token: &str) -> bool {
    let now = pbx.now().as_second();
    match lock(&pbx.accounts).key.read(token, now) {
        Ok(claims) => knobs.refuse_unverified && claims.pending(),
        Err(refusal) => knobs.refuse_expired && refusal == Refusal::Expired,
    }
}
