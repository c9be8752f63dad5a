//! A new session beside the live one, until it can replace it.
//!
//! A task makes the attempt, so that the live session never waits for it. Once the PBX has accepted the new session, both
//! deliver events; those of the new one are held back until three barriers show which of them are copies (see
//! [`super::overlap`]).

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::{
    Attempt,
    attempt::{Connection, LoggingIn},
    frames::{Control, control},
    login::LoginError,
    overlap::{Merged, Overlap},
    supervisor::Source,
};
use crate::{
    auth::{AuthError, Grant},
    event::RawEvent,
    socket::{CloseReason, ConnectError, Incoming, Socket},
    socketio::Deadline,
};

/// Limit of the time for which both sessions are kept. If the PBX answers no barrier within it, the old session is closed,
/// and events may be delivered twice.
const OVERLAP: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Handover {
    source: Source,
    stage: Stage,
    overlap: Overlap,
    /// Attempts that have failed.
    pub(super) failures: u32,
    /// The token of the last failed login.
    pub(super) refused: Option<Grant>,
}

enum Stage {
    /// Waiting for the next attempt.
    Due(Instant),
    Trying(AbortOnDropHandle<Result<LoggingIn, Failure>>),
    Merging(Box<Merging>),
}

struct Merging {
    connection: Connection,
    by: Instant,
    deadline: Deadline,
    awaits: Awaits,
}

/// The barrier that is awaited.
enum Awaits {
    /// On the live session.
    First(u64),
    /// On the new one.
    Second(u64),
    /// On the live session again.
    Third(u64),
    Nothing,
}

/// Why there is no new session.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    NotGranted(AuthError),
    #[error(transparent)]
    NotConnected(ConnectError),
    #[error("{error}")]
    Login { error: LoginError, grant: Box<Grant> },
    #[error("the task that opens the session exited unexpectedly: {0}")]
    Task(tokio::task::JoinError),
}

/// The next thing that happens.
pub(super) enum Turn {
    Start,
    Tried(Result<Box<LoggingIn>, Failure>),
    New(Result<Incoming, CloseReason>),
    Overdue,
}

/// The outcome of an attempt. `Ok`: the new session can replace the live one.
pub(super) type Tried = Result<(), Failure>;

impl Failure {
    pub(super) fn attempt(&self) -> Attempt {
        match self {
            Self::NotGranted(error) => Attempt::NotGranted(error.consequence()),
            Self::Login { error: LoginError::Refused, .. } => Attempt::Refused,
            Self::Login { error: LoginError::Forgotten | LoginError::Unanswered(_), .. } => {
                Attempt::Unanswered
            }
            Self::NotConnected(_) | Self::Login { .. } | Self::Task(_) => Attempt::NotConnected,
        }
    }
}

impl Handover {
    /// Makes the first attempt at `due`.
    pub(super) fn new(source: &Source, due: Instant) -> Self {
        let (source, overlap) = (source.clone(), Overlap::default());
        Self { source, stage: Stage::Due(due), overlap, failures: 0, refused: None }
    }

    /// Abandons the attempt in progress, and makes the next one at `due`.
    pub(super) fn restart(&mut self, due: Instant) {
        self.stage = Stage::Due(due);
    }

    /// Whether both sessions are live.
    pub(super) fn is_merging(&self) -> bool {
        matches!(self.stage, Stage::Merging(_))
    }

    /// Waits for the next turn. Cancel safe.
    pub(super) async fn turn(&mut self) -> Turn {
        match &mut self.stage {
            Stage::Due(at) => {
                sleep_until(*at).await;
                Turn::Start
            }
            Stage::Trying(task) => {
                Turn::Tried(task.await.unwrap_or_else(|error| Err(Failure::Task(error))).map(Box::new))
            }
            Stage::Merging(merging) => {
                let Merging { connection: Connection { socket, .. }, by, deadline, .. } = &mut **merging;
                loop {
                    tokio::select! {
                        incoming = socket.next(), if !self.overlap.is_full() => return Turn::New(incoming),
                        () = sleep_until(deadline.due(*by)) => if deadline.is_over(*by, Instant::now()) {
                            return Turn::Overdue;
                        },
                    }
                }
            }
        }
    }

    /// Handles a turn; `Some` when the attempt has ended. `live`: the socket of the live session.
    pub(super) fn take(&mut self, turn: Turn, live: &mut Socket) -> Option<Tried> {
        match turn {
            Turn::Start => {
                self.overlap = Overlap::default();
                let attempt = attempt(self.source.clone()).in_current_span();
                self.stage = Stage::Trying(AbortOnDropHandle::new(tokio::spawn(attempt)));
                None
            }
            Turn::Tried(Err(failure)) => Some(Err(failure)),
            Turn::Tried(Ok(accepted)) => {
                let LoggingIn { connection, held, .. } = *accepted;
                self.overlap.accepted(held);
                let (by, awaits) = (Instant::now() + OVERLAP, Awaits::First(live.barrier()));
                let deadline = Deadline::default();
                self.stage = Stage::Merging(Box::new(Merging { connection, by, deadline, awaits }));
                None
            }
            Turn::New(incoming) => self.delivered_by_new(incoming, live).err().map(Err),
            Turn::Overdue => Some(Ok(())),
        }
    }

    fn delivered_by_new(
        &mut self,
        incoming: Result<Incoming, CloseReason>,
        live: &mut Socket,
    ) -> Result<(), Failure> {
        let Stage::Merging(merging) = &mut self.stage else { return Ok(()) };
        let error = match incoming {
            Ok(Incoming::Event(frame)) => match control(&frame) {
                Some(Control::Refused) => LoginError::Refused,
                None | Some(Control::ServerReloaded) => {
                    self.overlap.new_frame(frame);
                    return Ok(());
                }
                Some(Control::Accepted | Control::TakenOver) => return Ok(()),
            },
            Ok(Incoming::Barrier(number)) => {
                if matches!(merging.awaits, Awaits::Second(awaited) if awaited == number) {
                    self.overlap.second();
                    merging.awaits = Awaits::Third(live.barrier());
                }
                return Ok(());
            }
            // The live session counts it.
            Ok(Incoming::Bad(_)) => return Ok(()),
            Ok(Incoming::Disconnected) => LoginError::NamespaceClosed,
            Err(closed) => LoginError::Closed(closed),
        };
        Err(Failure::Login { error, grant: Box::new(merging.connection.grant.clone()) })
    }

    /// The live session has delivered an event.
    pub(super) fn delivered(&mut self, frame: &RawEvent) {
        if !matches!(self.stage, Stage::Due(_)) {
            self.overlap.old(frame);
        }
    }

    /// A barrier on the live session was answered. Returns whether it was the last one.
    pub(super) fn answered(&mut self, number: u64) -> bool {
        let Stage::Merging(merging) = &mut self.stage else { return false };
        match merging.awaits {
            Awaits::First(awaited) if awaited == number => {
                self.overlap.first();
                merging.awaits = Awaits::Second(merging.connection.socket.barrier());
                false
            }
            Awaits::Third(awaited) if awaited == number => {
                merging.awaits = Awaits::Nothing;
                true
            }
            _ => false,
        }
    }

    /// The new session, and the events it has delivered.
    pub(super) fn finish(self) -> Option<(Connection, Merged)> {
        let Stage::Merging(merging) = self.stage else { return None };
        let Merging { connection, awaits, .. } = *merging;
        Some((connection, self.overlap.finish(matches!(awaits, Awaits::Nothing))))
    }
}

/// Token, socket, login.
async fn attempt(source: Source) -> Result<LoggingIn, Failure> {
    let grant = source.account.grant().await.map_err(Failure::NotGranted)?;
    let socket = source.connect().await.map_err(Failure::NotConnected)?;
    let mut login = LoggingIn::new(Connection { grant, socket }, &source);
    let answer = async {
        login.send(&source).await?;
        login.accepted(&source).await
    };
    match answer.await {
        Ok(()) => Ok(login),
        Err(error) => Err(Failure::Login { error, grant: Box::new(login.connection.grant) }),
    }
}
