//! Why there is no connection, why it ended, and what was no event.

use std::time::Duration;

use bytes::Bytes;

use super::packet::Malformed;
use crate::{
    text::PeerText,
    tls::{TlsError, TlsFault},
};

/// Why no connection came about. `at` is host and port, without user info.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ConnectError {
    #[error("the name of {at} does not resolve ({source}): check `url` and `proxy`, and this machine's DNS")]
    NoSuchHost { at: String, source: std::io::Error },
    #[error("{at} can't be reached ({source}): is it up, and the way open?")]
    Unreachable { at: String, source: std::io::Error },
    #[error("the proxy {at} refuses the way ({status}): check `proxy` and its user and password")]
    Proxy { at: String, status: PeerText },
    #[error(transparent)]
    Trust(#[from] TlsError),
    #[error("{at} has no trusted TLS: {fault}")]
    Tls { at: String, fault: TlsFault },
    #[error("{at} refuses the websocket with status {status}: {}", refusal(*status))]
    Refused { at: String, status: u16 },
    #[error("{at} does not speak websocket ({reason}): check `url`")]
    NotWebsocket { at: String, reason: PeerText },
    /// The middleware is up, its backend is not.
    #[error("{at} took the websocket and closed it: the PBX is starting, or its CTI server is down")]
    Dropped { at: String },
    #[error("{at} did not {step} within {limit:?}")]
    TimedOut { at: String, step: &'static str, limit: Duration },
    #[error("{at} opened with something that is not Engine.IO 4: is it a NethVoice CTI?")]
    NotEngineIo { at: String },
    #[error("{at} refuses the Socket.IO namespace")]
    NamespaceRefused { at: String },
}

/// What a status instead of 101 most likely means. The middleware itself never refuses: so it is the limiter before it,
/// or something on the way.
fn refusal(status: u16) -> &'static str {
    match status {
        300..=399 => "a redirect, which is not followed; set `url` to where the PBX really is",
        429 => "too many requests from this address; slow down whatever else asks the PBX from here",
        500..=599 => "a proxy before the PBX finds it away or starting",
        _ => "check `url`, and that nothing on the way blocks websockets",
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum CloseReason {
    #[error("the PBX closed the connection")]
    Eof,
    #[error("the PBX closed the connection with code {0}")]
    Closed(u16),
    #[error("the PBX closed the Engine.IO session")]
    EngineClosed,
    #[error("the PBX was silent for {0:?}")]
    Silent(Duration),
    #[error("the PBX did not answer a probe within {0:?}")]
    ProbeUnanswered(Duration),
    #[error("a message of the PBX was still incomplete after {0:?}")]
    Incomplete(Duration),
    #[error("a write took longer than {0:?}")]
    WriteTimeout(Duration),
    #[error(
        "a message of {size} bytes is larger than `max_frame` ({limit} bytes): raise it, or reduce what the account may see"
    )]
    TooLarge { size: usize, limit: usize },
    #[error("a text message was no UTF-8")]
    NotUtf8,
    #[error("the connection failed: {0}")]
    Transport(PeerText),
}

impl CloseReason {
    /// Whether the peer just went quiet.
    pub fn is_silence(&self) -> bool {
        matches!(
            self,
            Self::Silent(_) | Self::ProbeUnanswered(_) | Self::Incomplete(_) | Self::WriteTimeout(_)
        )
    }
}

/// A frame that is no event.
#[derive(Debug, Clone)]
pub struct BadFrame {
    /// What is wrong with it.
    pub reason: BadReason,
    /// Its length in bytes.
    pub size: usize,
    /// Its first bytes, 256 at most. May hold personal data: never log it.
    pub start: Bytes,
}

impl BadFrame {
    pub(super) fn new(reason: BadReason, frame: &[u8]) -> Self {
        let start = frame.get(..256).unwrap_or(frame);
        Self { reason, size: frame.len(), start: Bytes::copy_from_slice(start) }
    }
}

/// What is wrong with a frame: a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadReason {
    /// It is no packet.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A binary frame that no event announced.
    #[error("unexpected binary frame")]
    UnexpectedBinary,
    /// More attachments, or larger ones, than allowed.
    #[error("attachments over the limit")]
    AttachmentsTooLarge,
    /// Announced attachments did not come.
    #[error("attachments missing")]
    AttachmentsMissing,
}
