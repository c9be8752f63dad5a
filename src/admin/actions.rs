//! Actions on a running bridge, beside the signals.

use hyper::{Method, StatusCode, header::HeaderMap};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::{request::Request, telemetry};

/// An action, by the last part of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Every live session reads the PBX's state again: SIGUSR1.
    Resync,
    /// Reopen every session, and retry failed components at once.
    Reconnect,
    /// Set the log level to the body, until the next reload or restart.
    LogLevel,
}

/// The actions by path.
pub(super) const ACTIONS: [(&str, Action); 3] =
    [("resync", Action::Resync), ("reconnect", Action::Reconnect), ("log-level", Action::LogLevel)];

/// The reason why an action is refused; the text goes to the client.
pub(super) type Refusal = (StatusCode, String);

/// Whether this request is authorized.
pub(super) fn allow(
    token: Option<&SecretString>,
    method: &Method,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    if method != Method::POST {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "use POST".to_owned()));
    }
    let Some(token) = token else {
        let text = "actions are off: set `actions = true` and `token_file` in [admin]";
        return Err((StatusCode::FORBIDDEN, text.to_owned()));
    };
    let shown = headers.get(hyper::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim);
    // Digests of equal length: the duration of the comparison reveals nothing about the token.
    if shown.is_some_and(|shown| Sha256::digest(shown) == Sha256::digest(token.expose_secret())) {
        return Ok(());
    }
    let text =
        "show the token of [admin], as in: curl -H \"Authorization: Bearer $(cat TOKEN_FILE)\" -X POST …";
    Err((StatusCode::UNAUTHORIZED, text.to_owned()))
}

/// Executes an action, or passes it on. Returns the answer.
pub(super) fn take(
    action: Action,
    body: &[u8],
    requests: &mpsc::Sender<Request>,
) -> Result<&'static str, Refusal> {
    let pass_on = |request, said| match requests.try_send(request) {
        Ok(()) => Ok(said),
        Err(_) => Err((StatusCode::TOO_MANY_REQUESTS, "earlier requests are still pending".to_owned())),
    };
    match action {
        Action::Resync => pass_on(Request::Resync, "every live session reads the PBX's state again"),
        Action::Reconnect => pass_on(Request::Reconnect, "reopening every session"),
        Action::LogLevel => {
            let text = std::str::from_utf8(body).unwrap_or_default().trim();
            let level = telemetry::config::targets(text).ok_or_else(|| {
                let text = "the body is not a level: send error, warn, info, debug, trace or off, or per module, as in \
                            info,cti_bridge::session=debug";
                (StatusCode::BAD_REQUEST, text.to_owned())
            })?;
            telemetry::set_level(&level);
            tracing::info!(level = text, "log level set until the next reload or restart");
            Ok("the level is set, until the next reload or restart")
        }
    }
}
