//! Does what the state machine says: token, socket, line.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::{
    Action, Input, Pace, Phase, State,
    config::Config,
    frames::{Taken, control, end_reason, take},
    step,
};
use crate::{
    auth::{Account, Grant},
    event::{EndReason, Notice, SourceId},
    health::Component,
    journal::{Ingest, Journal, Live, Opened},
    request::Listener,
    retry::{Backoff, Range},
    shutdown::Stop,
    socketio::{Frame, Incoming, Socket},
    tls,
};

/// Delays between attempts.
const BACKOFF: Range = Range { from: Duration::from_millis(500), to: Duration::from_secs(30) };
/// The longest rest after a session that was live.
const SOON: Duration = Duration::from_secs(1);
/// The pace when another attempt may do harm: this long, or up to two and a half times as long.
const SLOW: Duration = Duration::from_mins(2);
/// A session that has been live this long has proven itself.
const STABLE: Duration = Duration::from_secs(30);
/// Frames taken per wake-up before the line is written: bounds the batch, and how long a signal waits.
const BATCH: usize = 512;
/// Frames that may arrive before the login is answered. More means that something else is wrong.
const HELD: usize = 1024;

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
                tracing::error!(source = source.id.0, panic = error.is_panic(), "session task ended unasked");
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

/// The line: closed between sessions, open during one.
#[derive(Debug)]
enum Line {
    Closed(Ingest),
    Open(Live),
    /// Only while changing between the two.
    Moving,
}

struct Supervisor {
    source: Source,
    line: Line,
    grant: Option<Grant>,
    socket: Option<Socket>,
    held: Vec<Frame>,
    backoff: Backoff,
    /// End of the rest, of the wait for an answer, or of the probation.
    due: Instant,
    /// Why the last attempt or session ended.
    detail: String,
    retry_after: Option<Duration>,
}

impl Supervisor {
    fn new(source: Source) -> Self {
        let line = Line::Closed(source.journal.ingest(source.id));
        Self {
            source,
            line,
            grant: None,
            socket: None,
            held: Vec::new(),
            backoff: Backoff::new(BACKOFF),
            due: Instant::now(),
            detail: String::new(),
            retry_after: None,
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
            tracing::debug!(source = self.source.id.0, ?input, from = ?state.phase, to = ?next.phase, "step");
            state = next;
            for action in actions {
                self.perform(action).await;
            }
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
            Phase::Connecting => self.connect().await,
            Phase::LoggingIn => self.await_login().await,
            Phase::Live => self.receive().await,
            Phase::Stopped => std::future::pending().await,
        }
    }

    async fn perform(&mut self, action: Action) {
        match action {
            // These two are what the phase they lead to waits for.
            Action::Authenticate | Action::Connect => {}
            Action::LogIn => self.log_in().await,
            Action::Begin => self.begin(),
            Action::End(reason) => self.end(reason),
            Action::Close => {
                self.held.clear();
                if let Some(socket) = self.socket.take() {
                    socket.close().await;
                }
            }
            Action::Discard => {
                if let Some(grant) = self.grant.take() {
                    self.source.account.discard(&grant.token);
                }
            }
            Action::NoteTakeover => {
                if let Line::Open(live) = &mut self.line {
                    let session = live.session();
                    live.notice(&Notice::Takenover { session });
                }
            }
            Action::Rest(pace) => self.rest(pace),
            Action::ResetBackoff => {
                self.backoff.reset();
                self.due = Instant::now() + Duration::from_secs(u64::from(u32::MAX));
            }
        }
    }

    fn rest(&mut self, pace: Pace) {
        let delay = match pace {
            Pace::AtOnce => BACKOFF.from.mul_f64(fastrand::f64()),
            Pace::Soon => self.backoff.delay().min(SOON),
            Pace::Backoff => self.backoff.delay(),
            Pace::Slow => SLOW.mul_f64(1.0 + 1.5 * fastrand::f64()),
        };
        let delay = delay.max(self.retry_after.take().unwrap_or_default());
        self.due = Instant::now() + delay;
    }

    async fn authenticate(&mut self) -> Input {
        match self.source.account.grant().await {
            Ok(grant) => {
                self.grant = Some(grant);
                Input::Granted
            }
            Err(error) => {
                let consequence = error.consequence();
                self.retry_after = error.retry_after();
                let reason = error.to_string();
                let operator = consequence == crate::auth::Consequence::Operator;
                if self.source.health.failing(&reason)
                    && let Line::Closed(ingest) = &self.line
                {
                    ingest.notice(&Notice::AuthFailed { reason, operator });
                }
                Input::NotGranted(consequence)
            }
        }
    }

    async fn connect(&mut self) -> Input {
        let config = &self.source.config;
        match Socket::connect(&config.target(), &config.limits()).await {
            Ok(socket) => {
                let ends = socket.certificate_ends();
                let at = config.base.host_str().unwrap_or_default();
                let soon = ends.and_then(|ends| tls::ends_soon(at, ends, Timestamp::now()));
                self.source.health.warning("certificate", soon);
                self.socket = Some(socket);
                Input::Connected
            }
            Err(error) => {
                self.source.health.failing(&error.to_string());
                Input::NotConnected
            }
        }
    }

    async fn log_in(&mut self) {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Login<'a> {
            access_key_id: &'a str,
            token: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            ua_type: Option<&'static str>,
        }
        self.due = Instant::now() + self.source.config.login_timeout;
        let (Some(grant), Some(socket)) = (&self.grant, &mut self.socket) else { return };
        let login = Login {
            access_key_id: &grant.username,
            token: grant.token.secret().expose_secret(),
            ua_type: self.source.config.ua_type.word(),
        };
        // Text of three strings: that can't fail. A write that fails is seen by the next read.
        let login = serde_json::to_string(&login).unwrap_or_default();
        if let Err(closed) = socket.emit("login", &login).await {
            self.detail = closed.to_string();
        }
    }

    /// Holds back what comes before the answer: the middleware relays its own events from the moment the
    /// login passes it.
    async fn await_login(&mut self) -> Input {
        let Some(socket) = &mut self.socket else { return Input::Ended(EndReason::Internal) };
        loop {
            let incoming = tokio::select! {
                incoming = socket.next() => incoming,
                () = sleep_until(self.due) => {
                    self.source.health.failing("the PBX does not answer the login of the session: logging in anew");
                    return Input::Unanswered;
                }
            };
            match incoming {
                Ok(Incoming::Event(frame)) => match control(&frame) {
                    Some(Input::Refused) => {
                        self.source.health.failing("the PBX refuses the session's token: logging in anew");
                        return Input::Refused;
                    }
                    Some(input @ Input::Accepted) => return input,
                    Some(_) => {}
                    None if self.held.len() < HELD => self.held.push(frame),
                    None => {
                        self.source.health.failing("the PBX sends events and does not answer the login");
                        return Input::Ended(EndReason::Internal);
                    }
                },
                Ok(Incoming::Bad(bad)) => self.source.journal.bad_frame(self.source.id, &bad),
                Ok(Incoming::Disconnected) => {
                    self.source
                        .health
                        .failing("the PBX ended the Socket.IO session before the login was answered");
                    return Input::Ended(EndReason::NamespaceClosed);
                }
                Err(closed) => {
                    self.source.health.failing(&closed.to_string());
                    return Input::Ended(end_reason(&closed));
                }
            }
        }
    }

    fn begin(&mut self) {
        let Line::Closed(ingest) = std::mem::replace(&mut self.line, Line::Moving) else { return };
        let mut live = ingest.begin(self.opened());
        for frame in self.held.drain(..) {
            // Held frames go the way of all others; control events were taken out before.
            take(Ok(Incoming::Event(frame)), &mut live, self.source.config.publish_action_nethlink);
        }
        live.commit();
        self.line = Line::Open(live);
        self.due = Instant::now() + STABLE;
        self.source.health.active();
    }

    fn opened(&self) -> Opened {
        let me = self.grant.as_ref().map(|grant| &grant.me);
        Opened {
            user: self.grant.as_ref().map(|grant| grant.username.clone()).unwrap_or_default(),
            profile: me.and_then(|me| me.profile.as_ref()).map(|profile| profile.name.clone()),
            sees: me
                .map(|me| me.rights.iter().map(|right| right.as_str().to_owned()).collect())
                .unwrap_or_default(),
            privacy: me.map(|me| me.privacy),
        }
    }

    fn end(&mut self, reason: EndReason) {
        let Line::Open(live) = std::mem::replace(&mut self.line, Line::Moving) else { return };
        let detail = std::mem::take(&mut self.detail);
        if reason == EndReason::Stopping {
            self.source.health.pending();
        } else {
            self.source.health.failing(&detail);
        }
        self.line = Line::Closed(live.end(reason, detail));
    }

    /// The hot loop: one await, then everything that is already there, then one write to the line.
    async fn receive(&mut self) -> Input {
        let (Line::Open(live), Some(socket)) = (&mut self.line, &mut self.socket) else {
            return Input::Ended(EndReason::Internal);
        };
        let all = self.source.config.publish_action_nethlink;
        loop {
            let mut incoming = tokio::select! {
                incoming = socket.next() => incoming,
                () = sleep_until(self.due) => return Input::Settled,
            };
            for left in (0..BATCH).rev() {
                if let Taken::React(input, detail) = take(incoming, live, all) {
                    live.commit();
                    self.detail = detail;
                    return input;
                }
                // The last of a batch leaves the socket alone: what it gave out must be taken.
                match if left == 0 { None } else { socket.try_next() } {
                    Some(next) => incoming = next,
                    None => break,
                }
            }
            live.commit();
            live.synced().await;
        }
    }
}
