//! A Socket.IO session with a PBX: dialled through proxy and TLS, with errors that say what an operator can do.
//!
//! The protocol is [`socketio`]'s, which knows no PBX. The specifics of this PBX are here: its middleware acknowledges an
//! event named `ping`, which serves as probe and as barrier, and announces a `pingTimeout` of 10,000 seconds.

pub(crate) mod dial;
mod error;

use std::{fmt, time::Duration};

use jiff::Timestamp;
use socketio::{BadFrame, Options, Probe};

pub use self::{
    dial::Target,
    error::{CloseReason, ConnectError},
};
use crate::event::RawEvent;

/// The name of an event that the middleware acknowledges and otherwise ignores.
const PING: &str = "ping";

/// Something that happened on a connection.
#[derive(Debug)]
pub enum Incoming {
    /// An event.
    Event(RawEvent),
    /// The PBX has ended the namespace. The transport stays open; close it.
    Disconnected,
    /// A frame that is not an event.
    Bad(BadFrame),
    /// The answer to the barrier with this number: everything that the PBX sent before has been delivered.
    Barrier(u64),
}

/// The time limits of one connection.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For each of name resolution, the TCP connection, and the proxy's tunnel.
    pub connect: Duration,
    /// For the TLS handshake.
    pub tls: Duration,
    /// For all later steps.
    pub socket: Options,
}

impl Default for Limits {
    fn default() -> Self {
        Self::each(Duration::from_secs(10))
    }
}

impl Limits {
    /// The defaults, with this limit for each step towards a session and for each write.
    pub fn each(step: Duration) -> Self {
        let ten = Duration::from_secs(10);
        let probe = Some(Probe { event: PING.to_owned(), after: ten, answer: ten });
        Self { connect: step, tls: step, socket: Options { probe, ..Options::each(step) } }
    }
}

/// A session with its namespace joined. Dropping it closes the TCP connection at once.
pub struct Socket {
    socket: socketio::Socket,
    certificate_ends: Option<Timestamp>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

impl Socket {
    /// Connects: TCP, TLS, upgrade, open packet, namespace; each within its limit.
    pub async fn connect(target: &Target, limits: &Limits) -> Result<Self, ConnectError> {
        let (stream, certificate_ends) = dial::dial(target, limits).await?;
        let socket = socketio::Socket::connect(stream, &target.url, limits.socket.clone()).await;
        let socket = socket.map_err(|error| ConnectError::of(dial::place(&target.url), error))?;
        Ok(Self { socket, certificate_ends })
    }

    /// The expiry of the server's certificate; `None` without TLS, or if it was not verified.
    pub fn certificate_ends(&self) -> Option<Timestamp> {
        self.certificate_ends
    }

    /// Sends an event with one argument, or none: see [`socketio::Socket::emit`]. The middleware recognises a login by its first
    /// bytes, in which there is no space.
    pub async fn emit(&mut self, name: &str, argument: Option<&str>) -> Result<(), CloseReason> {
        Ok(self.socket.emit(name, argument).await?)
    }

    /// Requests an [`Incoming::Barrier`] with the returned number, after everything that the PBX sends before it.
    pub fn barrier(&mut self) -> u64 {
        self.socket.barrier(PING)
    }

    /// Waits for the next event on the connection, or the reason of its end. Cancel safe.
    pub async fn next(&mut self) -> Result<Incoming, CloseReason> {
        Ok(self.socket.next().await?.into())
    }

    /// Returns what has already arrived, without waiting. If `None`, call [`Socket::next`].
    pub fn try_next(&mut self) -> Option<Result<Incoming, CloseReason>> {
        Some(self.socket.try_next()?.map(Into::into).map_err(Into::into))
    }

    /// Returns true while a message is arriving: an awaited one may follow it.
    pub(crate) fn is_receiving(&self) -> bool {
        self.socket.is_receiving()
    }

    /// Closes the connection properly, waiting for a second at most.
    pub async fn close(self) {
        self.socket.close().await;
    }
}

impl From<socketio::Incoming> for Incoming {
    fn from(incoming: socketio::Incoming) -> Self {
        match incoming {
            socketio::Incoming::Event(frame) => Self::Event(raw(frame)),
            socketio::Incoming::Disconnected => Self::Disconnected,
            socketio::Incoming::Bad(bad) => Self::Bad(bad),
            socketio::Incoming::Barrier(number) => Self::Barrier(number),
        }
    }
}

fn raw(frame: socketio::Frame) -> RawEvent {
    let socketio::Frame { at, bytes, name, args, argc, attachments } = frame;
    RawEvent { at, bytes, name, args, argc, attachments }
}
