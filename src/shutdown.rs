//! Stopping: first softly, then hard.
//!
//! Soft: sessions end and log out, then drivers deliver what is on the line. Hard, by the drain
//! deadline or a second signal: everything ends at once, and what was not delivered is counted.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What tasks wait on. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    sessions: CancellationToken,
    draining: CancellationToken,
    hard: CancellationToken,
}

impl Stop {
    /// Asks the sessions to end.
    pub fn end_sessions(&self) {
        self.sessions.cancel();
    }

    /// Asks the drivers to deliver what is there, and then to end.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Ends everything at once.
    pub fn at_once(&self) {
        self.sessions.cancel();
        self.draining.cancel();
        self.hard.cancel();
    }

    /// Resolves when sessions shall end.
    pub async fn sessions(&self) {
        self.sessions.cancelled().await;
    }

    /// For what outlives no session.
    pub fn sessions_token(&self) -> &CancellationToken {
        &self.sessions
    }

    /// Resolves when drivers shall deliver what is there, and end.
    pub async fn draining(&self) {
        self.draining.cancelled().await;
    }

    /// Whether [`Stop::draining`] has resolved.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Resolves when everything shall end at once.
    pub async fn hard(&self) {
        self.hard.cancelled().await;
    }
}

/// SIGTERM and SIGINT.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on. Needs the runtime.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next signal's name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
