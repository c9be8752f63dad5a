//! One attempt: token, socket, login.

use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::{
    Input,
    frames::{Control, control, end_reason},
    supervisor::Supervisor,
};
use crate::{
    auth::Consequence,
    event::EndReason,
    socketio::{Incoming, Socket},
    tls,
};

/// Frames that may arrive before the login is answered. More means that something else is wrong.
const HELD: usize = 1024;

impl Supervisor {
    pub(super) async fn authenticate(&mut self) -> Input {
        match self.source.account.grant().await {
            Ok(grant) => {
                self.grant = Some(grant);
                Input::Granted
            }
            Err(error) => {
                let consequence = error.consequence();
                self.retry_after = error.retry_after();
                self.operator = consequence == Consequence::Operator;
                self.detail = error.to_string();
                Input::NotGranted(consequence)
            }
        }
    }

    pub(super) async fn connect(&mut self) -> Input {
        let config = &self.source.config;
        match Socket::connect(&config.target(), &config.limits()).await {
            Ok(socket) => {
                let ends = socket.certificate_ends();
                let at = config.base.host_str().unwrap_or_default();
                let soon = ends.and_then(|ends| tls::ends_soon(at, ends, Timestamp::now()));
                self.source.health.warning("certificate", soon);
                self.socket = Some(socket);
                Input::Connected
            }
            Err(error) => {
                self.detail = error.to_string();
                Input::NotConnected
            }
        }
    }

    pub(super) async fn log_in(&mut self) {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Login<'a> {
            access_key_id: &'a str,
            token: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            ua_type: Option<&'static str>,
        }
        self.due = Instant::now() + self.source.config.login_timeout;
        self.operator = false;
        let (Some(grant), Some(socket)) = (&self.grant, &mut self.socket) else { return };
        let login = Login {
            access_key_id: &grant.username,
            token: grant.token.secret().expose_secret(),
            ua_type: self.source.config.ua_type.word(),
        };
        // Text of three strings: that can't fail. A write that fails is seen by the next read.
        let login = serde_json::to_string(&login).unwrap_or_default();
        if let Err(closed) = socket.emit("login", Some(&login)).await {
            self.detail = closed.to_string();
        }
    }

    /// Holds back what comes before the answer: the middleware relays its own events from the moment the
    /// login passes it.
    pub(super) async fn await_login(&mut self) -> Input {
        let Some(socket) = &mut self.socket else { return Input::Ended(EndReason::Internal) };
        loop {
            let incoming = tokio::select! {
                incoming = socket.next() => incoming,
                () = sleep_until(self.due) => {
                    self.detail = String::from("the PBX does not answer the login of the session: logging in anew");
                    return Input::Unanswered;
                }
            };
            let (detail, input) = match incoming {
                Ok(Incoming::Event(frame)) => match control(&frame) {
                    Some(Control::Accepted) => return Input::Accepted,
                    Some(Control::Refused) => {
                        ("the PBX refuses the session's token: logging in anew".to_owned(), Input::Refused)
                    }
                    // Meant for sessions that are live.
                    Some(Control::TakenOver | Control::ServerReloaded) => continue,
                    None if self.held.len() < HELD => {
                        self.held.push(frame);
                        continue;
                    }
                    None => (
                        "the PBX sends events and does not answer the login".to_owned(),
                        Input::Ended(EndReason::Internal),
                    ),
                },
                Ok(Incoming::Bad(bad)) => {
                    self.source.journal.bad_frame(self.source.id, &bad);
                    continue;
                }
                Ok(Incoming::Disconnected) => (
                    "the PBX ended the Socket.IO session before the login was answered".to_owned(),
                    Input::Ended(EndReason::NamespaceClosed),
                ),
                Err(closed) => (closed.to_string(), Input::Ended(end_reason(&closed))),
            };
            self.detail = detail;
            return input;
        }
    }
}
