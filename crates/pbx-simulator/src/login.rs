//! The login frame: the decisions of the middleware and of the backend.

use serde_json::Value;

use super::{
    accounts::{Dead, TokenState},
    hub::Seat,
    knobs::{Knobs, SocketLogin},
    lock,
    pbx::Pbx,
    token::Refusal,
};

/// The middleware's decision on a text frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    /// Passed on unchanged.
    Passed,
    /// Passed on with the backend's own token in place of the client's.
    Trusted,
    /// Dropped, without an answer: the token isn't in the list.
    Dropped,
}

/// The backend's decision on a login.
#[derive(Debug)]
pub(super) enum Admission {
    Seat(Seat),
    Refused,
    Silent,
}

/// The middleware knows a login only by its exact first bytes: with an acknowledgement id or a space
/// after the bracket the client's token reaches the backend as it is, which refuses it.
pub(super) fn judge(pbx: &Pbx, text: &str) -> Judged {
    if !text.starts_with(r#"42["login""#) {
        return Judged::Passed;
    }
    let Ok(args) = serde_json::from_str::<Vec<Value>>(&text[2..]) else { return Judged::Passed };
    let field = |name: &str| args.get(1).and_then(|object| object.get(name)).and_then(Value::as_str);
    let Some(username) = field("accessKeyId") else { return Judged::Passed };
    let token = field("token");
    match lock(&pbx.accounts).token_state(username, token.unwrap_or_default()) {
        TokenState::Unlisted if token.is_some() => Judged::Dropped,
        // With no token to put in its place, the frame goes nowhere.
        TokenState::Dead(Dead::Hollow) => Judged::Dropped,
        TokenState::NoSession | TokenState::Unlisted | TokenState::Dead(Dead::Refused) => Judged::Passed,
        TokenState::Good => Judged::Trusted,
    }
}

/// The backend's decision. `trusted`: the middleware has vouched for the token.
pub(super) fn admit(pbx: &Pbx, login: Option<&Value>, trusted: bool) -> Admission {
    let field = |name: &str| login.and_then(|object| object.get(name));
    let text = |name: &str| field(name).and_then(Value::as_str);
    let (Some(username), Some(token)) = (text("accessKeyId"), text("token")) else {
        return Admission::Refused;
    };
    // Anything but a string is as good as none.
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
        Some(profile) => Admission::Seat(Seat {
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
