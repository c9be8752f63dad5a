//! Shutdown: soft, then hard.
//!
//! Soft: sessions end and log out, then drivers deliver the pending events. Hard, by the drain deadline or a second signal:
//! everything ends at once, and undelivered events are counted. If even that hangs, in a disk or a client that blocks the
//! runtime, the [`Watchdog`] ends the process.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{exit::Exit, telemetry};

/// The cancellation tokens of all tasks. Clones share them.
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

    /// Asks the drivers to deliver pending events, and then to end.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Ends everything at once.
    pub fn at_once(&self) {
        self.sessions.cancel();
        self.draining.cancel();
        self.hard.cancel();
    }

    /// Resolves when sessions must end.
    pub async fn sessions(&self) {
        self.sessions.cancelled().await;
    }

    /// The token of tasks that end with the sessions.
    pub fn sessions_token(&self) -> &CancellationToken {
        &self.sessions
    }

    /// Resolves when drivers must deliver pending events, and end.
    pub async fn draining(&self) {
        self.draining.cancelled().await;
    }

    /// Whether [`Stop::draining`] has resolved.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Resolves when everything must end at once.
    pub async fn hard(&self) {
        self.hard.cancelled().await;
    }
}

/// Ends the process when a stop exceeds its limit, or does not end after a second signal. It has its own thread and runtime, as
/// the bridge's may be blocked, and lives as long as the process.
#[derive(Debug)]
pub struct Watchdog {
    stopping: CancellationToken,
    /// A signal started the stop, so the watchdog receives it too.
    by_signal: Arc<AtomicBool>,
}

/// Grace period after the deadline, or after a second signal.
const GRACE: Duration = Duration::from_secs(5);

impl Watchdog {
    /// Starts watching. A stop starts with a signal, or with [`Watchdog::stopping`], and may take `limit`.
    pub fn start(limit: Duration) -> io::Result<Self> {
        let (stopping, by_signal) = (CancellationToken::new(), Arc::new(AtomicBool::new(false)));
        let (began, was_signal) = (stopping.clone(), Arc::clone(&by_signal));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("stop".to_owned()).spawn(move || {
            match runtime.block_on(overdue(limit, &began, &was_signal)) {
                Ok(reason) => end(reason),
                Err(error) => {
                    tracing::warn!(%error, "no watchdog for the stop: could not listen for signals");
                }
            }
        })?;
        Ok(Self { stopping, by_signal })
    }

    /// Reports that the stop has started, by a signal or for another reason.
    pub fn stopping(&self, by_signal: bool) {
        self.by_signal.store(by_signal, Ordering::Release);
        self.stopping.cancel();
    }
}

/// Returns once a stop hangs, with the limit it exceeded.
async fn overdue(
    limit: Duration,
    stopping: &CancellationToken,
    by_signal: &AtomicBool,
) -> io::Result<&'static str> {
    let mut signals = Signals::listen()?;
    // The signal that started the stop may arrive here later than at the bridge; it is not a second one.
    let is_due = tokio::select! {
        _ = signals.next() => false,
        () = stopping.cancelled() => by_signal.load(Ordering::Acquire),
    };
    let second = async {
        if is_due {
            signals.next().await;
        }
        signals.next().await
    };
    let reason = tokio::select! {
        _ = second => "a second signal",
        () = sleep(limit) => "the drain deadline",
    };
    sleep(GRACE).await;
    Ok(reason)
}

/// Ends the process. Undelivered events stay in the journal.
fn end(reason: &'static str) {
    tracing::error!(
        reason,
        "the stop hangs, so the process ends now: the journal's disk may not respond; the next start runs crash recovery"
    );
    telemetry::flush();
    std::process::exit(i32::from(Exit::Undelivered as u8))
}

/// SIGTERM and SIGINT.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// The names that [`Signals::next`] returns.
    pub const NAMES: [&'static str; 2] = ["SIGTERM", "SIGINT"];

    /// Starts listening. Needs the runtime.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next signal's name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => Self::NAMES[0],
            _ = self.interrupt.recv() => Self::NAMES[1],
        }
    }
}
