//! How long anything may take, and how large it may be.

use std::time::Duration;

/// Bounds of one connection.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the TCP connection, and for a proxy to open the way.
    pub connect: Duration,
    /// For the TLS handshake.
    pub tls: Duration,
    /// For the answer to the websocket upgrade.
    pub upgrade: Duration,
    /// For the Engine.IO open packet. The middleware upgrades before it has reached its own backend.
    pub open: Duration,
    /// For the namespace to be joined.
    pub namespace: Duration,
    /// For each write.
    pub write: Duration,
    /// Silence allowed beyond the server's ping interval.
    pub margin: Duration,
    /// Silence after which the line is probed.
    pub probe_after: Duration,
    /// For the answer to a probe.
    pub probe_answer: Duration,
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

impl Default for Limits {
    fn default() -> Self {
        Self::each(Duration::from_secs(10))
    }
}

impl Limits {
    /// The defaults, with this limit for each step towards a connection and for each write.
    pub fn each(step: Duration) -> Self {
        let ten = Duration::from_secs(10);
        Self {
            connect: step,
            tls: step,
            upgrade: step,
            open: step,
            namespace: step,
            write: step,
            margin: Duration::from_secs(20),
            probe_after: ten,
            probe_answer: ten,
            // 64 MiB at 1 Mbit/s.
            message: Duration::from_mins(10),
            max_message: 64 << 20,
            max_attachments: 64,
            max_attachment_bytes: 64 << 20,
            attachments: ten,
        }
    }
}
