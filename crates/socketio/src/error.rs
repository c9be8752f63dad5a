//! Errors: failed connections, the ends of sessions, and malformed frames.

use std::{io, time::Duration};

use bytes::Bytes;

use crate::packet::Malformed;

/// The reason why no session was established on a connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The connection failed, or the server closed it during the upgrade.
    #[error("the connection failed: {0}")]
    Io(#[source] io::Error),
    /// The server answered the websocket upgrade with another status than 101.
    #[error("the server refused the websocket with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// The answer is not a valid websocket upgrade (RFC 6455, section 4.1).
    #[error("the server does not speak websocket: {0}")]
    NotWebsocket(&'static str),
    /// The server upgraded, and closed the connection before the namespace was joined.
    #[error("the server accepted the websocket and closed it")]
    Dropped,
    /// A step took longer than its limit.
    #[error("the server did not {step} within {limit:?}")]
    TimedOut {
        /// The awaited step, to follow "did not".
        step: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The first message is not an Engine.IO 4 open packet.
    #[error("the server did not open with an Engine.IO 4 packet")]
    NotEngineIo,
    /// The server refused the main namespace.
    #[error("the server refused the Socket.IO namespace")]
    NamespaceRefused,
}

/// The reason why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum CloseReason {
    /// The connection ended, with or without a close frame.
    #[error("the server closed the connection")]
    Eof,
    /// The server closed the websocket with this code (RFC 6455, section 7.4).
    #[error("the server closed the connection with code {0}")]
    Closed(u16),
    /// The server closed the Engine.IO session.
    #[error("the server closed the Engine.IO session")]
    EngineClosed,
    /// Nothing arrived for longer than the ping interval and the margin.
    #[error("the server was silent for {0:?}")]
    Silent(Duration),
    /// A probe was not answered, by a server that has answered one before.
    #[error("the server did not answer a probe within {0:?}")]
    ProbeUnanswered(Duration),
    /// A message began, and was still incomplete after this time.
    #[error("a message was still incomplete after {0:?}")]
    Incomplete(Duration),
    /// The server did not read what was written.
    #[error("a write took longer than {0:?}")]
    WriteTimeout(Duration),
    /// A message exceeds [`Options::max_message`](crate::Options::max_message).
    #[error("a message of {size} bytes is larger than the limit of {limit} bytes")]
    TooLarge {
        /// Its size in bytes, as announced.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A text message was not UTF-8 (RFC 6455, section 8.1).
    #[error("a text message was not UTF-8")]
    NotUtf8,
    /// The transport failed, or the server broke the websocket protocol.
    #[error("the connection failed: {0}")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl CloseReason {
    /// Returns true if the peer just went quiet.
    pub fn is_silence(&self) -> bool {
        matches!(
            self,
            Self::Silent(_) | Self::ProbeUnanswered(_) | Self::Incomplete(_) | Self::WriteTimeout(_)
        )
    }
}

/// A frame that is not an event.
#[derive(Debug, Clone)]
pub struct BadFrame {
    /// The reason.
    pub reason: BadReason,
    /// Its length in bytes.
    pub size: usize,
    /// Its first bytes, 256 at most. May hold personal data: never log it.
    pub start: Bytes,
}

impl BadFrame {
    pub(crate) fn new(reason: BadReason, frame: &[u8]) -> Self {
        let start = frame.get(..256).unwrap_or(frame);
        Self { reason, size: frame.len(), start: Bytes::copy_from_slice(start) }
    }
}

/// The reason why a frame is not an event: a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadReason {
    /// It is not a packet.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A binary frame that no event announced.
    #[error("unexpected binary frame")]
    UnexpectedBinary,
    /// More attachments, or larger ones, than allowed.
    #[error("attachments over the limit")]
    AttachmentsTooLarge,
    /// Announced attachments did not arrive.
    #[error("attachments missing")]
    AttachmentsMissing,
}
