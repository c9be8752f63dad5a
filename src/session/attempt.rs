//! One attempt: token, socket, login.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    frames::{Control, control},
    login::{LoginError, LoginLimit, login},
    overlap::Held,
    supervisor::Source,
};
use crate::{
    auth::Grant,
    socket::{CloseReason, ConnectError, Incoming, Socket},
    tls,
};

/// A healthy PBX answers a login within milliseconds. After this time the bridge asks the middleware whether it lists the
/// token, as it silently drops a login with a token that it does not list.
const DOUBT: Duration = Duration::from_secs(1);

impl Source {
    /// Opens the socket and joins the namespace.
    pub(super) async fn connect(&self) -> Result<Socket, ConnectError> {
        let socket = Socket::connect(&self.config.target(), &self.config.limits()).await?;
        let ends = socket.certificate_ends();
        let at = self.config.base.host_str().unwrap_or_default();
        let soon = ends.and_then(|ends| tls::ends_soon(at, ends, Timestamp::now()));
        self.health.warning("certificate", soon);
        Ok(socket)
    }

    /// Returns once the middleware has confirmed that it lost the token.
    async fn forgotten(&self, grant: &Grant) {
        sleep(DOUBT).await;
        if !self.account.is_forgotten(&grant.token).await {
            std::future::pending::<()>().await;
        }
    }
}

/// An open socket and its token.
pub(super) struct Connection {
    pub(super) grant: Grant,
    pub(super) socket: Socket,
}

/// A connection whose login is awaiting an answer, or was just accepted.
pub(super) struct LoggingIn {
    pub(super) connection: Connection,
    /// Events that arrived before the answer.
    pub(super) held: Held,
    by: Instant,
}

impl LoggingIn {
    pub(super) fn new(connection: Connection, source: &Source) -> Self {
        let by = Instant::now() + source.config.login_timeout;
        Self { connection, held: Held::default(), by }
    }

    /// Sends the login.
    pub(super) async fn send(&mut self, source: &Source) -> Result<(), CloseReason> {
        let Connection { grant, socket } = &mut self.connection;
        socket.emit("login", Some(&login(grant, source.config.ua_type))).await
    }

    /// Waits for the answer. Holds back events that arrive before it: the middleware relays its own events from the moment
    /// the login passes it. Data that has already arrived is read before the timeout counts, and a message that is being
    /// received is waited for.
    pub(super) async fn accepted(&mut self, source: &Source) -> Result<(), LoginError> {
        let Self { connection: Connection { grant, socket }, held, by } = self;
        let forgotten = source.forgotten(grant);
        tokio::pin!(forgotten);
        let mut limit = LoginLimit::new(*by);
        loop {
            let incoming = tokio::select! {
                biased;
                incoming = socket.next() => incoming,
                () = &mut forgotten => return Err(LoginError::Forgotten),
                () = sleep_until(limit.due()) => {
                    if limit.is_over(socket.is_receiving()) {
                        return Err(LoginError::Unanswered(source.config.login_timeout));
                    }
                    continue;
                }
            };
            match incoming? {
                Incoming::Event(frame) => match control(&frame) {
                    Some(Control::Accepted) => return Ok(()),
                    Some(Control::Refused) => return Err(LoginError::Refused),
                    // For live sessions only.
                    Some(Control::TakenOver | Control::ServerReloaded) => {}
                    None if held.is_full() => return Err(LoginError::Flooded),
                    None => held.push(frame),
                },
                Incoming::Bad(bad) => source.journal.bad_frame(source.id, bad.reason, bad.size),
                Incoming::Barrier(_) => {}
                Incoming::Disconnected => return Err(LoginError::NamespaceClosed),
            }
        }
    }
}
