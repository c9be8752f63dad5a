//! Does what the state machine says: token, socket, line.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use super::{
    Action, Input, Pace, Phase, State,
    config::Config,
    feed::Feed,
    handover::Handover,
    overlap::{Echoes, Held},
    pace::{BACKOFF, FAR, Rests},
    resync::Resync,
    step,
};
use crate::{
    auth::{Account, Grant},
    event::{AuthFailure, EndReason, Notice, SourceId},
    health::{Board, Component},
    journal::{Ingest, Journal, Live},
    request::Listener,
    shutdown::Stop,
    socket::Socket,
};

/// A session that has been live this long did not end as soon as it was accepted.
pub(super) const LASTED: Duration = Duration::from_secs(5);
/// A session that has been live this long has proven itself.
pub(super) const STABLE: Duration = Duration::from_secs(30);

/// One PBX, and what its sessions need.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its number.
    pub id: SourceId,
    /// Its settings.
    pub config: Config,
    /// Its service account.
    pub account: Account,
    /// Where its events go.
    pub journal: Journal,
    /// Its state for others.
    pub health: Component,
    /// When to stop.
    pub stop: Stop,
    /// When to try at once.
    pub retry: Listener,
    /// When to read the PBX's state anew.
    pub resync: Listener,
    /// When to end the session and begin another.
    pub reconnect: Listener,
    /// The states of all components.
    pub board: Board,
    /// The sinks' names, in the order of the journal.
    pub sinks: Vec<String>,
}

/// Keeps a session until told to stop. Never gives up.
pub async fn run(source: Source) {
    let mut state = State::default();
    loop {
        let supervisor = Supervisor::new(source.clone());
        let task = tokio::spawn(supervisor.run(state));
        match task.await {
            Ok(()) => return,
            Err(error) => {
                // The panic's message is in the log already, from the panic hook.
                tracing::error!(
                    source = source.name(),
                    panic = error.is_panic(),
                    "session task ended unasked"
                );
                (state, _) = step(state, Input::Crashed);
                source.health.failing(
                    "the session's task ended unasked: this is a bug, please report it with the log",
                );
            }
        }
        tokio::select! {
            () = tokio::time::sleep(BACKOFF.to / 2) => {}
            () = source.stop.sessions() => return,
        }
    }
}

impl Source {
    /// Its name.
    pub(super) fn name(&self) -> String {
        self.journal.source_name(self.id)
    }
}

/// The line: closed between sessions, open during one.
#[derive(Debug)]
pub(super) enum Line {
    Closed(Ingest),
    Open(Live),
    /// Only while changing between the two.
    Moving,
}

/// The parts that touch the world are in the modules that tell of them.
pub(super) struct Supervisor {
    pub(super) source: Source,
    pub(super) line: Line,
    pub(super) grant: Option<Grant>,
    pub(super) socket: Option<Socket>,
    pub(super) held: Held,
    /// The session that is to follow the live one.
    pub(super) handover: Option<Handover>,
    /// What the session before the live one has delivered of what is still to come.
    pub(super) echoes: Echoes,
    /// What a frame that was held asks for.
    pub(super) upcoming: Option<Input>,
    rests: Rests,
    /// When the last attempt was started.
    attempt: Instant,
    /// Whether the live session has yet to last.
    pub(super) is_new: bool,
    /// End of the rest, of the wait for an answer, or of the probation.
    pub(super) due: Instant,
    /// Why the last attempt or session ended.
    pub(super) detail: String,
    /// The same for programs, of an attempt that failed.
    pub(super) failure: AuthFailure,
    /// Whether only an operator can mend that.
    pub(super) operator: bool,
    pub(super) retry_after: Option<Duration>,
    /// The recent ones.
    pub(super) takeovers: Vec<Instant>,
    pub(super) feed: Feed,
    pub(super) resync: Resync,
}

impl Supervisor {
    fn new(source: Source) -> Self {
        let line = Line::Closed(source.journal.ingest(source.id));
        let feed = Feed::new(source.config.dead_feed_after);
        let resync = Resync::new(&source);
        Self {
            source,
            line,
            grant: None,
            socket: None,
            held: Held::default(),
            handover: None,
            echoes: Echoes::default(),
            upcoming: None,
            rests: Rests::default(),
            attempt: Instant::now(),
            is_new: false,
            due: Instant::now(),
            detail: String::new(),
            failure: AuthFailure::default(),
            operator: false,
            retry_after: None,
            takeovers: Vec::new(),
            feed,
            resync,
        }
    }

    async fn run(mut self, mut state: State) {
        while state.phase != Phase::Stopped {
            let stop = self.source.stop.clone();
            let input = tokio::select! {
                biased;
                () = stop.sessions() => Input::Stop,
                input = self.wait(state.phase) => input,
            };
            let (next, actions) = step(state, input);
            tracing::debug!(source = self.source.name(), ?input, from = ?state.phase, to = ?next.phase, "step");
            state = next;
            self.feed.silences = state.silences;
            for action in actions {
                self.perform(action).await;
            }
            let resting = state.phase == Phase::Resting;
            self.source.health.retry_at(if resting { self.retry_at() } else { None });
        }
    }

    /// Waits for what happens next in a phase.
    async fn wait(&mut self, phase: Phase) -> Input {
        match phase {
            Phase::Resting => {
                tokio::select! {
                    () = sleep_until(self.due) => Input::Rested,
                    () = self.source.retry.called() => Input::Nudged,
                }
            }
            Phase::Authenticating => {
                // A call that comes during an attempt ends the rest after it: what it failed for may be mended.
                self.source.retry.settle();
                self.authenticate().await
            }
            Phase::Probing | Phase::Connecting => self.connect().await,
            Phase::LoggingIn => self.await_login().await,
            Phase::Live | Phase::Handover => {
                let (mut reconnect, mut retry) = (self.source.reconnect.clone(), self.source.retry.clone());
                tokio::select! {
                    input = self.receive() => input,
                    () = retry.called(), if phase == Phase::Handover => {
                        self.source.retry.settle();
                        Input::Nudged
                    }
                    () = reconnect.called() => {
                        self.source.reconnect.settle();
                        "an operator asked for a new session".clone_into(&mut self.detail);
                        Input::Ended(EndReason::Requested)
                    }
                }
            }
            Phase::Stopped => std::future::pending().await,
        }
    }

    async fn perform(&mut self, action: Action) {
        match action {
            // These two are what the phase they lead to waits for.
            Action::Authenticate | Action::Connect => self.attempt = Instant::now(),
            Action::LogIn => self.log_in().await,
            Action::Begin => self.begin(),
            Action::End(reason) => self.end(reason),
            Action::Close => {
                self.held = Held::default();
                if let Some(socket) = self.socket.take() {
                    socket.close().await;
                }
            }
            Action::Discard => {
                if let Some(grant) = self.grant.take() {
                    self.source.account.discard(&grant.token);
                }
            }
            Action::Fail => drop(self.source.health.failing(&self.detail)),
            Action::Deny { failures, slow } => self.deny(failures, slow),
            Action::MakeWay => self.make_way().await,
            Action::NoteTakeover(away) => self.note_takeover(away),
            Action::NoteSilence => self.note_silence(),
            Action::ClearSilence => self.source.health.active(),
            Action::Rest(pace) => self.rest(pace),
            Action::Prepare(pace) => self.prepare(pace),
            Action::Succeed => self.succeed().await,
            Action::AwaitSettled => {
                self.is_new = false;
                self.due = Instant::now() + STABLE.saturating_sub(LASTED);
            }
            Action::ResetBackoff => {
                self.rests.reset();
                self.due = Instant::now() + FAR;
            }
        }
    }

    fn rest(&mut self, pace: Pace) {
        self.due = self.after(pace);
    }

    fn after(&mut self, pace: Pace) -> Instant {
        let delay =
            self.rests.next(pace, self.attempt.elapsed()).max(self.retry_after.take().unwrap_or_default());
        Instant::now() + delay.min(FAR)
    }

    fn prepare(&mut self, pace: Pace) {
        let due = self.after(pace);
        match &mut self.handover {
            Some(handover) => handover.restart(due),
            None => self.handover = Some(Handover::new(&self.source, due)),
        }
    }

    /// How long until the rest is over.
    fn left(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// When the rest is over; none if it has no end of its own.
    pub(super) fn retry_at(&self) -> Option<Timestamp> {
        let left = Some(self.left()).filter(|left| *left < FAR / 2)?;
        Timestamp::now().checked_add(left).ok()
    }

    /// Says it once, as long as the reason stays.
    fn deny(&self, failures: u32, slow: bool) {
        let mut detail = self.detail.clone();
        if slow {
            detail.push_str(
                "; after several refusals attempts come minutes apart, as more could lock the account: once it is mended, \
                 SIGHUP (`systemctl reload cti-bridge`) makes one at once",
            );
        }
        if self.source.health.failing(&detail)
            && let Line::Closed(ingest) = &self.line
        {
            let (operator, retry_in) = (self.operator, self.left().as_secs());
            let reason = self.failure;
            ingest.notice(&Notice::AuthFailed { reason, detail, operator, failures, slow, retry_in });
        }
    }
}
