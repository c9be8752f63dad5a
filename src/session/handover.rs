//! A new session beside the live one, until it can take its place.
//!
//! A task makes the attempt, so that the live session never waits for it. Once the PBX has accepted the new session, both
//! deliver events; those of the new one are held until three barriers tell which of them are copies (see [`super::overlap`]).

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Attempt,
    frames::{Control, control},
    login::LoginError,
    overlap::{Held, Merged, Overlap},
    supervisor::Source,
};
use crate::{
    auth::{AuthError, Grant},
    event::RawEvent,
    socket::{CloseReason, ConnectError, Incoming, Socket},
    socketio::Deadline,
};

/// Both sessions are kept for so long. A PBX that answers no barrier is left after it, and its events may come twice.
const OVERLAP: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Handover {
    source: Source,
    stage: Stage,
    overlap: Overlap,
    /// Attempts that have failed.
    pub(super) failures: u32,
}

enum Stage {
    /// An attempt is made at this time.
    Due(Instant),
    Trying(AbortOnDropHandle<Result<Ready, Failure>>),
    Merging(Box<Merging>),
}

struct Merging {
    grant: Grant,
    socket: Socket,
    by: Instant,
    deadline: Deadline,
    awaits: Awaits,
}

/// The barrier that is to be answered next.
enum Awaits {
    /// On the live session.
    First(u64),
    /// On the new one.
    Second(u64),
    /// On the live session again.
    Third(u64),
    Nothing,
}

/// A session that the PBX has accepted.
pub(super) struct Ready {
    grant: Grant,
    socket: Socket,
    held: Held,
}

/// Why there is none.
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

/// What is next.
pub(super) enum Turn {
    Start,
    Tried(Result<Box<Ready>, Failure>),
    New(Result<Incoming, CloseReason>),
    Overdue,
}

/// How an attempt has ended. `Ok`: the new session can take its place.
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
    /// The first attempt is made at `due`.
    pub(super) fn new(source: &Source, due: Instant) -> Self {
        Self { source: source.clone(), stage: Stage::Due(due), overlap: Overlap::default(), failures: 0 }
    }

    /// Gives up the attempt under way. The next one is made at `due`.
    pub(super) fn restart(&mut self, due: Instant) {
        self.stage = Stage::Due(due);
    }

    /// Whether both sessions are live.
    pub(super) fn is_merging(&self) -> bool {
        matches!(self.stage, Stage::Merging(_))
    }

    /// Waits for what is next. Cancel safe.
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
                let Merging { socket, by, deadline, .. } = &mut **merging;
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

    /// Takes its turn; some when the attempt has ended. `live` is the socket of the session that goes on.
    pub(super) fn take(&mut self, turn: Turn, live: &mut Socket) -> Option<Tried> {
        match turn {
            Turn::Start => {
                self.source.retry.settle();
                self.overlap = Overlap::default();
                let attempt = attempt(self.source.clone());
                self.stage = Stage::Trying(AbortOnDropHandle::new(tokio::spawn(attempt)));
                None
            }
            Turn::Tried(Err(failure)) => Some(Err(failure)),
            Turn::Tried(Ok(ready)) => {
                let Ready { grant, socket, held } = *ready;
                self.overlap.accepted(held);
                let (by, awaits) = (Instant::now() + OVERLAP, Awaits::First(live.barrier()));
                self.stage = Stage::Merging(Box::new(Merging {
                    grant,
                    socket,
                    by,
                    deadline: Deadline::default(),
                    awaits,
                }));
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
        Err(Failure::Login { error, grant: Box::new(merging.grant.clone()) })
    }

    /// The live session has delivered an event.
    pub(super) fn delivered(&mut self, frame: &RawEvent) {
        if !matches!(self.stage, Stage::Due(_)) {
            self.overlap.old(frame);
        }
    }

    /// A barrier on the live session is answered. Whether that was the last one.
    pub(super) fn answered(&mut self, number: u64) -> bool {
        let Stage::Merging(merging) = &mut self.stage else { return false };
        match merging.awaits {
            Awaits::First(awaited) if awaited == number => {
                self.overlap.first();
                merging.awaits = Awaits::Second(merging.socket.barrier());
                false
            }
            Awaits::Third(awaited) if awaited == number => {
                merging.awaits = Awaits::Nothing;
                true
            }
            _ => false,
        }
    }

    /// The new session, and what it has delivered.
    pub(super) fn finish(self) -> Option<(Grant, Socket, Merged)> {
        let Stage::Merging(merging) = self.stage else { return None };
        let Merging { grant, socket, awaits, .. } = *merging;
        Some((grant, socket, self.overlap.finish(matches!(awaits, Awaits::Nothing))))
    }
}

/// Token, socket, login.
async fn attempt(source: Source) -> Result<Ready, Failure> {
    let grant = source.account.grant().await.map_err(Failure::NotGranted)?;
    let mut socket = source.connect().await.map_err(Failure::NotConnected)?;
    let mut held = Held::default();
    let login = async {
        source.log_in(&grant, &mut socket).await?;
        source.accepted(&grant, &mut socket, &mut held, Instant::now() + source.config.login_timeout).await
    };
    match login.await {
        Ok(()) => Ok(Ready { grant, socket, held }),
        Err(error) => Err(Failure::Login { error, grant: Box::new(grant) }),
    }
}
