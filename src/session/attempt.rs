//! One attempt: token, socket, login.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Input,
    frames::{Control, control, end_reason},
    login::{LoginError, LoginLimit, login},
    overlap::Held,
    supervisor::{Source, Supervisor},
};
use crate::{
    auth::{Consequence, Grant},
    event::{AuthFailure, EndReason},
    socket::{CloseReason, ConnectError, Incoming, Socket},
    tls,
};

/// A PBX in good health answers a login within milliseconds. After this time its middleware is asked whether it lists the
/// token, since it drops a login with one that it does not list in silence.
const DOUBT: Duration = Duration::from_secs(1);

impl Source {
    /// Opens the socket, up to the namespace.
    pub(super) async fn connect(&self) -> Result<Socket, ConnectError> {
        let socket = Socket::connect(&self.config.target(), &self.config.limits()).await?;
        let ends = socket.certificate_ends();
        let at = self.config.base.host_str().unwrap_or_default();
        let soon = ends.and_then(|ends| tls::ends_soon(at, ends, Timestamp::now()));
        self.health.warning("certificate", soon);
        Ok(socket)
    }

    /// Sends the login.
    pub(super) async fn log_in(&self, grant: &Grant, socket: &mut Socket) -> Result<(), CloseReason> {
        socket.emit("login", Some(&login(grant, self.config.ua_type))).await
    }

    /// Waits for its answer. Holds back what comes before: the middleware relays its own events from the moment the
    /// login passes it. What has arrived by then is read first, and a message that is arriving has the time it takes.
    pub(super) async fn accepted(
        &self,
        grant: &Grant,
        socket: &mut Socket,
        held: &mut Held,
        by: Instant,
    ) -> Result<(), LoginError> {
        let forgotten = self.forgotten(grant);
        tokio::pin!(forgotten);
        let mut limit = LoginLimit::new(by);
        loop {
            let incoming = tokio::select! {
                biased;
                incoming = socket.next() => incoming,
                () = &mut forgotten => return Err(LoginError::Forgotten),
                () = sleep_until(limit.due()) => {
                    if limit.is_over(socket.is_receiving()) {
                        return Err(LoginError::Unanswered(self.config.login_timeout));
                    }
                    continue;
                }
            };
            match incoming? {
                Incoming::Event(frame) => match control(&frame) {
                    Some(Control::Accepted) => return Ok(()),
                    Some(Control::Refused) => return Err(LoginError::Refused),
                    // Meant for sessions that are live.
                    Some(Control::TakenOver | Control::ServerReloaded) => {}
                    None if held.is_full() => return Err(LoginError::Flooded),
                    None => held.push(frame),
                },
                Incoming::Bad(bad) => self.journal.bad_frame(self.id, bad.reason, bad.size),
                Incoming::Barrier(_) => {}
                Incoming::Disconnected => return Err(LoginError::NamespaceClosed),
            }
        }
    }

    /// Returns if the middleware has certainly lost the token.
    async fn forgotten(&self, grant: &Grant) {
        sleep(DOUBT).await;
        if !self.account.is_forgotten(&grant.token).await {
            std::future::pending::<()>().await;
        }
    }
}

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
                self.failure = error.reason();
                self.detail = error.to_string();
                Input::NotGranted(consequence)
            }
        }
    }

    pub(super) async fn connect(&mut self) -> Input {
        match self.source.connect().await {
            Ok(socket) => {
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
        // A write that fails is seen by the next read.
        if let Err(closed) = self.source.log_in(grant, socket).await {
            self.detail = closed.to_string();
        }
    }

    pub(super) async fn await_login(&mut self) -> Input {
        let (Some(grant), Some(socket)) = (&self.grant, &mut self.socket) else {
            return Input::Ended(EndReason::Internal);
        };
        let Err(error) = self.source.accepted(grant, socket, &mut self.held, self.due).await else {
            return Input::Accepted;
        };
        self.detail = error.to_string();
        self.failure = match error {
            LoginError::Forgotten | LoginError::Unanswered(_) => AuthFailure::SessionUnanswered,
            _ => AuthFailure::SessionRefused,
        };
        match error {
            LoginError::Forgotten | LoginError::Unanswered(_) => Input::Unanswered,
            LoginError::Refused => Input::Refused,
            LoginError::NamespaceClosed => Input::Ended(EndReason::NamespaceClosed),
            LoginError::Flooded => Input::Ended(EndReason::Internal),
            LoginError::Closed(closed) => Input::Ended(end_reason(&closed)),
        }
    }
}
