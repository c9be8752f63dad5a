//! The session's login on its socket: what is sent, and how it can fail.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde::Serialize;

use super::config::UaType;
use crate::{auth::Grant, socketio::CloseReason};

/// Why a session was not accepted.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub(crate) enum LoginError {
    /// The middleware drops a login with a token that it does not list, in silence.
    #[error(
        "the PBX's middleware has lost the session's token, as after a restart without a clean stop: logging in again"
    )]
    Forgotten,
    #[error(
        "the PBX does not answer the login of the session within {}: its middleware has lost the token, as after a restart; \
         a new login mends that, and if it lasts, restart the PBX's CTI middleware",
        humantime::format_duration(*.0)
    )]
    Unanswered(Duration),
    #[error(
        "the PBX refuses the session's token: it may be restarting or applying a configuration; if it lasts, check that \
         `username` is written as the PBX has it"
    )]
    Refused,
    #[error(
        "the PBX ended the Socket.IO session before the login was answered: is its CTI server restarting?"
    )]
    NamespaceClosed,
    #[error("the PBX sends events and does not answer the login: is it a NethVoice CTI?")]
    Flooded,
    #[error(transparent)]
    Closed(#[from] CloseReason),
}

/// The argument of the event `login`.
pub(crate) fn login(grant: &Grant, ua_type: UaType) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Login<'a> {
        access_key_id: &'a str,
        token: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        ua_type: Option<&'static str>,
    }
    let login = Login {
        access_key_id: &grant.username,
        token: grant.token.secret().expose_secret(),
        ua_type: ua_type.word(),
    };
    // Text of three strings: that can't fail.
    serde_json::to_string(&login).unwrap_or_default()
}
