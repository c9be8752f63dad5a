//! How long anything may take, how large it may be, and whether the server is probed.

use std::time::Duration;

/// Bounds and behaviour of one connection.
#[derive(Debug, Clone)]
pub struct Options {
    /// For the answer to the websocket upgrade.
    pub upgrade: Duration,
    /// For the Engine.IO open packet. A reverse proxy may upgrade before it has reached the server behind it.
    pub open: Duration,
    /// For the namespace to be joined.
    pub namespace: Duration,
    /// For each write.
    pub write: Duration,
    /// Silence allowed beyond the server's ping interval.
    pub margin: Duration,
    /// Probes a quiet connection; `None` relies on the server's pings alone.
    pub probe: Option<Probe>,
    /// For one message to arrive, from its first byte to its last.
    pub message: Duration,
    /// Bytes of one message.
    pub max_message: usize,
    /// Binary attachments of one event.
    pub max_attachments: usize,
    /// Their bytes together.
    pub max_attachment_bytes: usize,
    /// For the next attachment of an event to arrive.
    pub attachments: Duration,
}

/// An event that is sent with a request for acknowledgement when a connection is quiet.
///
/// Engine.IO 4 leaves pings to the server: a client that sends one is disconnected. A server that acknowledges an event which
/// it otherwise ignores shows that it is alive, sooner than its next ping would. One that has never acknowledged a probe is
/// not judged by them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The name of the event; it has no arguments.
    pub event: String,
    /// Silence after which a probe is sent.
    pub after: Duration,
    /// For the answer.
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
