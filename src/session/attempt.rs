//! One attempt: token, socket, login.

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use super::{
    Input,
    frames::{Control, control, end_reason},
    login::{LoginError, login},
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
        self.due = Instant::now() + self.source.config.login_timeout;
        self.operator = false;
        let (Some(grant), Some(socket)) = (&self.grant, &mut self.socket) else { return };
        let login = login(grant, self.source.config.ua_type);
        // A write that fails is seen by the next read.
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
                    self.detail = LoginError::Unanswered(self.source.config.login_timeout).to_string();
                    return Input::Unanswered;
                }
            };
            let (detail, input) = match incoming {
                Ok(Incoming::Event(frame)) => match control(&frame) {
                    Some(Control::Accepted) => return Input::Accepted,
                    Some(Control::Refused) => (LoginError::Refused.to_string(), Input::Refused),
                    // Meant for sessions that are live.
                    Some(Control::TakenOver | Control::ServerReloaded) => continue,
                    None if self.held.len() < HELD => {
                        self.held.push(frame);
                        continue;
                    }
                    None => (LoginError::Flooded.to_string(), Input::Ended(EndReason::Internal)),
                },
                Ok(Incoming::Bad(bad)) => {
                    self.source.journal.bad_frame(self.source.id, &bad);
                    continue;
                }
                Ok(Incoming::Disconnected) => {
                    (LoginError::NamespaceClosed.to_string(), Input::Ended(EndReason::NamespaceClosed))
                }
                Err(closed) => (closed.to_string(), Input::Ended(end_reason(&closed))),
            };
            self.detail = detail;
            return input;
        }
    }
}
