//! Does what the state machine says. [`Stage`] owns what each phase needs, and nothing else.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};
use tracing::Instrument as _;

use super::{
    Action, Input, Pace, Phase, State,
    attempt::{Connection, LoggingIn},
    config::{Config, UaType},
    context::Context,
    live::LiveSession,
    pace::{BACKOFF, FAR, Rests},
    step,
};
use crate::{
    auth::{Account, Grant},
    event::{EndReason, Notice, SourceId},
    health::{Board, Component},
    journal::Journal,
    request::Listener,
    shutdown::Stop,
};

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
        let task = tokio::spawn(supervisor.run(state).in_current_span());
        match task.await {
            Ok(()) => return,
            Err(error) => {
                // The panic's message is in the log already, from the panic hook.
                tracing::error!(panic = error.is_panic(), "session task ended unasked");
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
    /// Whether it is of no kind, so that the PBX keeps several sessions of it side by side.
    pub(super) fn is_untyped(&self) -> bool {
        self.config.ua_type == UaType::None
    }
}

/// What is held, by what the session is doing.
enum Stage {
    /// Waits for the next attempt. Of a session that has just ended the token is left, for [`Action::Discard`].
    Resting(Option<Grant>),
    Probing,
    Authenticating,
    Connecting(Grant),
    LoggingIn(Box<LoggingIn>),
    Live(Box<LiveSession>),
    /// The session is over, and its socket still open, for [`Action::Close`].
    Ended(Connection),
}

impl Default for Stage {
    fn default() -> Self {
        Self::Resting(None)
    }
}

struct Supervisor {
    context: Context,
    stage: Stage,
    schedule: Schedule,
    retry: Listener,
    reconnect: Listener,
}

/// When attempts are made.
struct Schedule {
    rests: Rests,
    /// When the last one was started.
    started: Instant,
    /// When the next one is, unless it is asked for before.
    due: Instant,
}

impl Schedule {
    fn after(&mut self, pace: Pace, retry_after: Option<Duration>) -> Instant {
        let delay = self.rests.next(pace, self.started.elapsed()).max(retry_after.unwrap_or_default());
        Instant::now() + delay.min(FAR)
    }

    /// How long until the next attempt.
    fn left(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// The time of the next attempt; none if it must be asked for.
    fn retry_at(&self) -> Option<Timestamp> {
        let left = Some(self.left()).filter(|left| *left < FAR / 2)?;
        Timestamp::now().checked_add(left).ok()
    }
}

impl Supervisor {
    fn new(source: Source) -> Self {
        let now = Instant::now();
        Self {
            retry: source.retry.clone(),
            reconnect: source.reconnect.clone(),
            context: Context::new(source),
            stage: Stage::default(),
            schedule: Schedule { rests: Rests::default(), started: now, due: now },
        }
    }

    async fn run(mut self, mut state: State) {
        let stop = self.context.source.stop.clone();
        while state.phase != Phase::Stopped {
            let input = tokio::select! {
                biased;
                () = stop.sessions() => Input::Stop,
                input = self.wait() => input,
            };
            let (next, actions) = step(state, input);
            tracing::debug!(?input, from = ?state.phase, to = ?next.phase, "step");
            state = next;
            self.context.feed.silences = state.silences;
            for action in actions {
                self.perform(action).await;
            }
            let resting = state.phase == Phase::Resting;
            self.context.source.health.retry_at(if resting { self.schedule.retry_at() } else { None });
        }
    }

    /// Waits for what happens next. Cancel safe.
    async fn wait(&mut self) -> Input {
        let context = &mut self.context;
        match &mut self.stage {
            Stage::Resting(_) | Stage::Ended(_) => tokio::select! {
                () = sleep_until(self.schedule.due) => Input::Rested,
                () = self.retry.called() => Input::Nudged,
            },
            Stage::Probing => match context.connect().await {
                Ok(socket) => {
                    socket.close().await;
                    Input::Connected
                }
                Err(input) => input,
            },
            Stage::Authenticating => {
                // A call that comes during an attempt ends the rest after it: what it failed for may be mended.
                self.retry.settle();
                match context.authenticate().await {
                    Ok(grant) => {
                        self.stage = Stage::Connecting(grant);
                        Input::Granted
                    }
                    Err(input) => input,
                }
            }
            Stage::Connecting(grant) => match context.connect().await {
                Ok(socket) => {
                    let connection = Connection { grant: grant.clone(), socket };
                    self.stage = Stage::LoggingIn(Box::new(LoggingIn::new(connection, &context.source)));
                    Input::Connected
                }
                Err(input) => input,
            },
            Stage::LoggingIn(login) => context.answer(login).await,
            Stage::Live(live) => {
                let is_handover = live.is_handover();
                tokio::select! {
                    input = live.receive(context) => input,
                    () = self.retry.called(), if is_handover => Input::Nudged,
                    () = self.reconnect.called() => {
                        "an operator asked for a new session".clone_into(&mut self.context.failure.detail);
                        Input::Ended(EndReason::Requested)
                    }
                }
            }
        }
    }

    async fn perform(&mut self, action: Action) {
        let context = &mut self.context;
        match (action, &mut self.stage) {
            (Action::Authenticate, _) => {
                (self.schedule.started, self.stage) = (Instant::now(), Stage::Authenticating);
            }
            (Action::Connect, stage) => {
                self.schedule.started = Instant::now();
                if !matches!(stage, Stage::Connecting(_)) {
                    *stage = Stage::Probing;
                }
            }
            (Action::LogIn, Stage::LoggingIn(login)) => context.log_in(login).await,
            (Action::Begin | Action::Succeed | Action::End(_) | Action::Close, _) => {
                let stage = std::mem::take(&mut self.stage);
                self.stage = self.pass_on(stage, action).await;
            }
            (Action::Discard, Stage::Resting(grant)) => context.discard(grant.take()),
            (Action::Discard, Stage::Live(live)) => context.discard(live.refused()),
            (Action::Fail, _) => drop(context.source.health.failing(&context.failure.detail)),
            (Action::Deny { failures, slow }, _) => self.deny(failures, slow),
            (Action::MakeWay, Stage::Live(live)) => live.make_way().await,
            (Action::NoteTakeover(away), Stage::Live(live)) => {
                let until = away.and_then(|_| self.schedule.retry_at());
                live.note_takeover(away, until, context);
            }
            (Action::NoteSilence, Stage::Live(live)) => live.note_silence(context),
            (Action::ClearSilence, _) => context.source.health.active(),
            (Action::Rest(pace), stage) => {
                self.schedule.due = self.schedule.after(pace, context.failure.retry_after.take());
                if !matches!(stage, Stage::Live(_)) {
                    *stage = Stage::default();
                }
            }
            (Action::Prepare(pace), Stage::Live(live)) => {
                let due = self.schedule.after(pace, context.failure.retry_after.take());
                live.prepare(due, &context.source);
            }
            (Action::AwaitSettled, Stage::Live(live)) => live.await_settled(),
            (Action::ResetBackoff, stage) => {
                self.schedule.rests.reset();
                if let Stage::Live(live) = stage {
                    live.settled();
                }
            }
            // These concern a stage alone, which is another by now.
            (
                Action::LogIn
                | Action::Discard
                | Action::MakeWay
                | Action::NoteTakeover(_)
                | Action::NoteSilence
                | Action::Prepare(_)
                | Action::AwaitSettled,
                _,
            ) => {}
        }
    }

    /// Moves what a stage holds to the next one.
    async fn pass_on(&mut self, stage: Stage, action: Action) -> Stage {
        let context = &mut self.context;
        match (action, stage) {
            (Action::Begin, Stage::LoggingIn(login)) => {
                // Asked for before: this is it.
                self.reconnect.settle();
                Stage::Live(Box::new(LiveSession::begin(*login, context)))
            }
            (Action::Succeed, Stage::Live(live)) => {
                self.reconnect.settle();
                Stage::Live(Box::new(live.succeed(context).await))
            }
            (Action::End(reason), Stage::Live(live)) => Stage::Ended(live.end(reason, context)),
            (Action::Close, Stage::LoggingIn(login)) => close(login.connection).await,
            (Action::Close, Stage::Ended(connection)) => close(connection).await,
            (_, stage) => stage,
        }
    }

    /// Says it once, as long as the reason stays.
    fn deny(&self, failures: u32, slow: bool) {
        let Context { source, failure, .. } = &self.context;
        let mut detail = failure.detail.clone();
        if slow {
            detail.push_str(
                "; after several refusals attempts come minutes apart, as more could lock the account: once it is mended, \
                 SIGHUP (`systemctl reload cti-bridge`) makes one at once",
            );
        }
        if source.health.failing(&detail) {
            let (operator, retry_in) = (failure.needs_operator, self.schedule.left().as_secs());
            let reason = failure.reason;
            let notice = Notice::AuthFailed { reason, detail, operator, failures, slow, retry_in };
            source.journal.notice(source.id, &notice);
        }
    }
}

async fn close(connection: Connection) -> Stage {
    connection.socket.close().await;
    Stage::Resting(Some(connection.grant))
}
