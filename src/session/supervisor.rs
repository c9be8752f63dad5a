//! Carries out the decisions of the state machine. [`Stage`] owns what the current phase needs, and nothing else.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};
use tracing::Instrument as _;

use super::{
    Action, Input, Phase, RetryPolicy, State,
    attempt::{Connection, LoggingIn},
    config::{Config, UaType},
    context::Context,
    drift::Findings,
    live::LiveSession,
    retry_policy::{BACKOFF, Delays, FAR},
    step,
};
use crate::{
    auth::{Account, Grant},
    event::{EndReason, Notice, SourceId},
    health::{Board, Component},
    journal::Journal,
    request::TriggerReceiver,
    shutdown::Stop,
};

/// A PBX and everything its sessions need.
#[derive(Debug, Clone)]
pub struct Source {
    /// The source's id in the journal.
    pub id: SourceId,
    /// Its settings.
    pub config: Config,
    /// Its service account.
    pub account: Account,
    /// Where its events go.
    pub journal: Journal,
    /// Where its health is reported.
    pub health: Component,
    /// When to stop.
    pub stop: Stop,
    /// Requests an immediate attempt.
    pub retry: TriggerReceiver,
    /// Requests a resync.
    pub resync: TriggerReceiver,
    /// Requests a new session.
    pub reconnect: TriggerReceiver,
    /// Where differences between its events and the catalogue are collected.
    pub findings: Findings,
    /// The states of all components.
    pub board: Board,
    /// The sinks' names, in the order of the journal.
    pub sinks: Vec<String>,
}

/// Keeps a session open until the bridge stops. Never gives up.
pub async fn run(source: Source) {
    let mut state = State::default();
    loop {
        let supervisor = Supervisor::new(source.clone());
        let task = tokio::spawn(supervisor.run(state).in_current_span());
        match task.await {
            Ok(()) => return,
            Err(error) => {
                // The panic's message is in the log already, from the panic hook.
                tracing::error!(panic = error.is_panic(), "session task exited unexpectedly");
                (state, _) = step(state, Input::Crashed);
                source.health.failing(
                    "session task exited unexpectedly: this is a bug, please report it with the log",
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
    /// Whether it has no `ua_type`, so that the PBX keeps several of its sessions side by side.
    pub(super) fn is_untyped(&self) -> bool {
        self.config.ua_type == UaType::None
    }
}

/// The resources of the current phase.
enum Stage {
    /// Waiting for the next attempt. Keeps the token of a session that has just ended, for [`Action::Discard`].
    Waiting(Option<Grant>),
    Probing,
    Authenticating,
    Connecting(Grant),
    LoggingIn(Box<LoggingIn>),
    Live(Box<LiveSession>),
    /// The session has ended and its socket is still open, for [`Action::Close`].
    Ended(Box<Connection>),
}

impl Default for Stage {
    fn default() -> Self {
        Self::Waiting(None)
    }
}

struct Supervisor {
    context: Context,
    stage: Stage,
    schedule: Schedule,
    retry: TriggerReceiver,
    reconnect: TriggerReceiver,
}

/// The times of the last and the next attempt.
struct Schedule {
    delays: Delays,
    /// Start of the last attempt.
    started: Instant,
    /// Time of the next attempt, unless one is requested earlier.
    due: Instant,
}

impl Schedule {
    fn after(&mut self, policy: RetryPolicy, retry_after: Option<Duration>) -> Instant {
        let delay = self.delays.next(policy, self.started.elapsed()).max(retry_after.unwrap_or_default());
        Instant::now() + delay.min(FAR)
    }

    /// Time left until the next attempt.
    fn left(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// The time of the next attempt; `None` if it has to be requested.
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
            schedule: Schedule { delays: Delays::default(), started: now, due: now },
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
            let resting = state.phase == Phase::Waiting;
            self.context.source.health.retry_at(if resting { self.schedule.retry_at() } else { None });
        }
    }

    /// Waits for the next input. Cancel safe.
    async fn wait(&mut self) -> Input {
        let context = &mut self.context;
        match &mut self.stage {
            Stage::Waiting(_) | Stage::Ended(_) => tokio::select! {
                () = sleep_until(self.schedule.due) => Input::WaitOver,
                () = self.retry.triggered() => Input::RetryRequested,
            },
            Stage::Probing => match context.connect().await {
                Ok(socket) => {
                    socket.close().await;
                    Input::Connected
                }
                Err(input) => input,
            },
            Stage::Authenticating => {
                // A request during an attempt ends the wait after it: the cause may be fixed by then.
                self.retry.clear();
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
                    () = self.retry.triggered(), if is_handover => Input::RetryRequested,
                    () = self.reconnect.triggered() => {
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
            (Action::Discard, Stage::Waiting(grant)) => context.discard(grant.take()),
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
            (Action::Wait(policy), stage) => {
                self.schedule.due = self.schedule.after(policy, context.failure.retry_after.take());
                if !matches!(stage, Stage::Live(_)) {
                    *stage = Stage::default();
                }
            }
            (Action::Prepare(policy), Stage::Live(live)) => {
                let due = self.schedule.after(policy, context.failure.retry_after.take());
                live.prepare(due, &context.source);
            }
            (Action::AwaitSettled, Stage::Live(live)) => live.await_settled(),
            (Action::ResetBackoff, stage) => {
                self.schedule.delays.reset();
                if let Stage::Live(live) = stage {
                    live.settled();
                }
            }
            // The stage they concern is gone.
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

    /// Moves the resources of a stage to the next one.
    async fn pass_on(&mut self, stage: Stage, action: Action) -> Stage {
        let context = &mut self.context;
        match (action, stage) {
            (Action::Begin, Stage::LoggingIn(login)) => {
                // Requests made before this session are fulfilled by it.
                self.reconnect.clear();
                Stage::Live(Box::new(LiveSession::begin(*login, context)))
            }
            (Action::Succeed, Stage::Live(live)) => {
                self.reconnect.clear();
                Stage::Live(Box::new(live.succeed(context).await))
            }
            (Action::End(reason), Stage::Live(live)) => Stage::Ended(Box::new(live.end(reason, context))),
            (Action::Close, Stage::LoggingIn(login)) => close(login.connection).await,
            (Action::Close, Stage::Ended(connection)) => close(*connection).await,
            (_, stage) => stage,
        }
    }

    /// Reports a refused login, once per reason.
    fn deny(&self, failures: u32, slow: bool) {
        let Context { source, failure, .. } = &self.context;
        let mut detail = failure.detail.clone();
        if slow {
            detail.push_str(
                "; after several refusals attempts are minutes apart, as more could lock the account: once it is fixed, SIGHUP \
                 (`systemctl reload cti-bridge`) triggers one at once",
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
    Stage::Waiting(Some(connection.grant))
}
