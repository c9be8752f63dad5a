//! The login of a session on its socket: the message, and how it can fail.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde::Serialize;
use tokio::time::Instant;

use super::config::UaType;
use crate::{auth::Grant, socket::CloseReason, socketio::Deadline};

/// The reason why a session was not accepted.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub(crate) enum LoginError {
    /// The middleware silently drops a login with a token that it does not list.
    #[error(
        "the PBX's middleware has lost the session's token, as after a restart without a clean stop: logging in again"
    )]
    Forgotten,
    #[error(
        "the PBX does not answer the session's login within {}: its middleware has lost the token, as after a restart; a new \
         login fixes that; if it persists, restart the PBX's CTI middleware",
        humantime::format_duration(*.0)
    )]
    Unanswered(Duration),
    #[error(
        "the PBX refuses the session's token: it may be restarting or applying a configuration; if it persists, check that \
         `username` is spelled as in the PBX"
    )]
    Refused,
    #[error(
        "the PBX ended the Socket.IO session before answering the login: its CTI server may be restarting"
    )]
    NamespaceClosed,
    #[error("the PBX sends events but does not answer the login: check that `url` is a NethVoice CTI")]
    Flooded,
    #[error(transparent)]
    Closed(#[from] CloseReason),
}

/// Interval between checks whether a message is still being received.
const RECEIVING: Duration = Duration::from_secs(1);

/// The time limit of an answer. It does not expire before data that has already arrived was read, nor while a message is
/// being received, as the answer may follow it.
#[derive(Debug)]
pub(crate) struct LoginLimit {
    by: Instant,
    deadline: Deadline,
}

impl LoginLimit {
    pub(crate) fn new(by: Instant) -> Self {
        Self { by, deadline: Deadline::default() }
    }

    /// When to call [`LoginLimit::is_over`] next.
    pub(crate) fn due(&self) -> Instant {
        self.deadline.due(self.by)
    }

    pub(crate) fn is_over(&mut self, is_receiving: bool) -> bool {
        let now = Instant::now();
        if is_receiving {
            self.by = now + RECEIVING;
        }
        self.deadline.is_over(self.by, now)
    }
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
    // Serializing three strings cannot fail.
    serde_json::to_string(&login).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep_until};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_login_does_not_time_out_while_a_message_is_arriving() {
        let start = Instant::now();
        let mut limit = LoginLimit::new(start + Duration::from_secs(15));
        let mut over = false;
        while !over {
            sleep_until(limit.due()).await;
            over = limit.is_over(start.elapsed() < Duration::from_mins(1));
        }
        assert!((60..62).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_does_not_time_out_before_its_answer_is_read() {
        let mut limit = LoginLimit::new(Instant::now() + Duration::from_secs(15));
        // The process was stopped.
        advance(Duration::from_secs(50)).await;
        assert!(!limit.is_over(false));
        sleep_until(limit.due()).await;
        assert!(limit.is_over(false));
    }
}
