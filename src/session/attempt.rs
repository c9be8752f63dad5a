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

    /// Returns if the middleware has certainly lost the token.
    async fn forgotten(&self, grant: &Grant) {
        sleep(DOUBT).await;
        if !self.account.is_forgotten(&grant.token).await {
            std::future::pending::<()>().await;
        }
    }
}

/// An open socket, and the token that it is for.
pub(super) struct Connection {
    pub(super) grant: Grant,
    pub(super) socket: Socket,
}

/// A connection whose login is yet to be answered, or has just been.
pub(super) struct LoggingIn {
    pub(super) connection: Connection,
    /// What came before the answer.
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

    /// Waits for its answer. Holds back what comes before: the middleware relays its own events from the moment the
    /// login passes it. What has arrived by then is read first, and a message that is arriving has the time it takes.
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
                    // Meant for sessions that are live.
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
