//! Time limits, size limits and probing of a connection.

use std::time::Duration;

/// The limits and behaviour of one connection.
#[derive(Debug, Clone)]
pub struct Options {
    /// Time limit for the answer to the websocket upgrade.
    pub upgrade: Duration,
    /// Time limit for the Engine.IO open packet. A reverse proxy may upgrade before it has reached the server behind it.
    pub open: Duration,
    /// Time limit for joining the namespace.
    pub namespace: Duration,
    /// Time limit for each write.
    pub write: Duration,
    /// The silence allowed beyond the server's ping interval.
    pub margin: Duration,
    /// Probes a quiet connection; `None` relies on the server's pings alone.
    pub probe: Option<Probe>,
    /// Time limit for one message to arrive, from its first byte to its last.
    pub message: Duration,
    /// Largest message, in bytes.
    pub max_message: usize,
    /// Most binary attachments of one event.
    pub max_attachments: usize,
    /// Largest total size of the attachments of one event, in bytes.
    pub max_attachment_bytes: usize,
    /// Time limit for the next attachment of an event to arrive.
    pub attachments: Duration,
}

/// An event that is sent with a request for acknowledgement when a connection is quiet.
///
/// Engine.IO 4 leaves pings to the server: a client that sends one is disconnected. A server that acknowledges an event which
/// it otherwise ignores proves that it is alive, sooner than its next ping would. A server that has never acknowledged
/// a probe is not expected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The name of the event; it has no arguments.
    pub event: String,
    /// The silence after which a probe is sent.
    pub after: Duration,
    /// Time limit for the answer.
    pub answer: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self::each(Duration::from_secs(10))
    }
}

impl Options {
    /// The defaults, with this limit for each step towards a session and for each write.
    pub fn each(step: Duration) -> Self {
        Self {
            upgrade: step,
            open: step,
            namespace: step,
            write: step,
            margin: Duration::from_secs(20),
            probe: None,
            // 64 MiB at 1 Mbit/s.
            message: Duration::from_mins(10),
            max_message: 64 << 20,
            max_attachments: 64,
            max_attachment_bytes: 64 << 20,
            attachments: Duration::from_secs(10),
        }
    }
}
