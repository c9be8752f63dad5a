//! The reasons why a session could not start or has ended, in an operator's terms.

use std::{fmt, time::Duration};

use crate::{
    text::PeerText,
    tls::{TlsError, TlsFault},
};

/// The reason why no session could be opened. `at` is host and port, without user info.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ConnectError {
    #[error("the name of {at} does not resolve ({source}): check `url` and `proxy`, and this machine's DNS")]
    NoSuchHost { at: String, source: std::io::Error },
    #[error("{at} can't be reached ({source}): check that it is running and reachable")]
    Unreachable { at: String, source: std::io::Error },
    #[error("the proxy {at} refuses the tunnel ({status}): check `proxy` and its user and password")]
    Proxy { at: String, status: PeerText },
    #[error(transparent)]
    Trust(#[from] TlsError),
    #[error("TLS with {at} failed: {fault}")]
    Tls { at: String, fault: TlsFault },
    #[error("{at} refuses the websocket with status {status}: {}", refusal(*status))]
    Refused { at: String, status: u16 },
    #[error("{at} does not speak websocket ({reason}): check `url`")]
    NotWebsocket { at: String, reason: &'static str },
    /// The middleware is up, its backend is not.
    #[error("{at} accepted the websocket and closed it: the PBX is starting, or its CTI server is down")]
    Dropped { at: String },
    #[error("{at} did not {step} within {limit:?}")]
    TimedOut { at: String, step: &'static str, limit: Duration },
    #[error("{at} opened with something that is not Engine.IO 4: check that `url` points to a NethVoice CTI")]
    NotEngineIo { at: String },
    #[error("{at} refuses the Socket.IO namespace")]
    NamespaceRefused { at: String },
}

impl ConnectError {
    /// Converts the client's error for the server at `at`.
    pub(super) fn of(at: String, error: socketio::ConnectError) -> Self {
        use socketio::ConnectError as Error;
        match error {
            Error::Io(source) => Self::Unreachable { at, source },
            Error::Refused { status } => Self::Refused { at, status },
            Error::NotWebsocket(reason) => Self::NotWebsocket { at, reason },
            Error::Dropped => Self::Dropped { at },
            Error::TimedOut { step, limit } => Self::TimedOut { at, step, limit },
            Error::NotEngineIo => Self::NotEngineIo { at },
            Error::NamespaceRefused => Self::NamespaceRefused { at },
        }
    }
}

/// The most likely meaning of a status other than 101. The middleware itself never refuses: so it is the rate limiter in front of
/// it, or something on the network path.
fn refusal(status: u16) -> &'static str {
    match status {
        300..=399 => "a redirect, which is not followed; set `url` to the PBX's real address",
        429 => {
            "too many requests from this address; slow down other clients that query the PBX from this address"
        }
        500..=599 => "the reverse proxy reports that the PBX is down or starting",
        _ => "check `url`, and that nothing on the network path blocks websockets",
    }
}

/// The reason why a session ended.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CloseReason(Sentence);

/// The client's reason, as a sentence.
#[derive(Debug)]
struct Sentence(socketio::CloseReason);

impl CloseReason {
    /// Returns true if the peer just went quiet.
    pub fn is_silence(&self) -> bool {
        self.0.0.is_silence()
    }
}

impl From<socketio::CloseReason> for CloseReason {
    fn from(reason: socketio::CloseReason) -> Self {
        Self(Sentence(reason))
    }
}

impl std::error::Error for Sentence {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0)
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use socketio::CloseReason as Reason;
        match &self.0 {
            Reason::Eof => f.write_str("the PBX closed the connection"),
            Reason::Closed(code) => write!(f, "the PBX closed the connection with code {code}"),
            Reason::EngineClosed => f.write_str("the PBX closed the Engine.IO session"),
            Reason::Silent(time) => write!(f, "the PBX was silent for {time:?}"),
            Reason::ProbeUnanswered(time) => write!(f, "the PBX did not answer a probe within {time:?}"),
            Reason::Incomplete(time) => write!(f, "a message of the PBX was still incomplete after {time:?}"),
            Reason::TooLarge { size, limit } => write!(
                f,
                "a message of {size} bytes is larger than `max_frame` ({limit} bytes): raise it, or reduce what the account \
                 may see"
            ),
            Reason::Transport(error) => {
                write!(f, "the connection failed: {}", PeerText::new(&error.to_string()))
            }
            Reason::WriteTimeout(_) | Reason::NotUtf8 => self.0.fmt(f),
        }
    }
}
