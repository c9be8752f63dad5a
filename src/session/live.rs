//! A live session, from its first event to its last.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use super::{
    Attempt, Away, Input,
    attempt::{Connection, LoggingIn},
    context::Context,
    frames::FrameOutcome,
    handover::{Failure, Handover, Tried, Turn},
    overlap::{Echoes, Merged},
    supervisor::Source,
    visibility,
};
use crate::{
    api::Right,
    auth::Grant,
    event::{EndReason, Notice},
    journal::{Ingest, Live},
    socket::{CloseReason, Incoming},
};

/// A session that has been live for this long did not end right after it was accepted.
pub(super) const LASTED: Duration = Duration::from_secs(5);
/// A session that has been live for this long is stable.
pub(super) const STABLE: Duration = Duration::from_secs(30);
/// Frames taken per wake-up before the journal is written: bounds the batch, and how long a signal waits.
const BATCH: usize = 512;
/// The same in bytes: readers do not see unwritten events, and a journal in memory may have to drop them.
const BATCH_BYTES: usize = 1 << 20;
/// Failed attempts at a new session after a reload before a warning is raised.
const FEW: u32 = 5;

/// A live session and its resources.
pub(super) struct LiveSession {
    connection: Connection,
    pub(super) journal: Live,
    /// The session that will replace this one.
    pub(super) handover: Option<Handover>,
    /// Events still to come that the previous session has already delivered.
    pub(super) echoes: Echoes,
    /// The reaction to a frame that was held back.
    upcoming: Option<Input>,
    /// The input that follows if the session is still live at this time.
    probation: Option<(Instant, Input)>,
}

impl LiveSession {
    /// Appends gap and `connected`, then the events that were held back.
    pub(super) fn begin(login: LoggingIn, context: &mut Context) -> Self {
        let Source { journal, id, .. } = &context.source;
        let ingest = journal.ingest(*id);
        let frames = login.held.into_frames().into_iter().map(|frame| (frame, false)).collect();
        Self::open(
            login.connection,
            ingest,
            Merged { frames, echoes: Echoes::default(), certain: false },
            context,
        )
    }

    /// Starts with these frames, which were held back. `certain`: the previous session has missed nothing.
    fn open(connection: Connection, ingest: Ingest, merged: Merged, context: &mut Context) -> Self {
        let Merged { frames, echoes, certain } = merged;
        let me = &connection.grant.me;
        visibility::show(&context.source.health, me);
        let mut opened = visibility::opened(&connection.grant);
        if certain {
            opened.may_have_missed.clear();
        }
        let mut journal = ingest.begin(opened);
        context.resync.begin(&mut journal);
        context.drift.begin();
        context.feed.begin(me.rights.has(Right::QueueAgent));
        let probation = Some((Instant::now() + LASTED, Input::Lasted));
        let mut session = Self { connection, journal, handover: None, echoes, upcoming: None, probation };
        if !session.echoes.is_empty() {
            session.connection.socket.barrier();
        }
        for (frame, copy) in frames {
            match session.event(frame, copy, context) {
                FrameOutcome::React(input, detail) => {
                    (session.upcoming, context.failure.detail) = (Some(input), detail);
                }
                FrameOutcome::MakeWay => session.upcoming = Some(context.taken_over()),
                FrameOutcome::Done | FrameOutcome::Barrier(_) => {}
            }
        }
        session.journal.commit();
        // A new session alone does not end a silence; an event does.
        if context.feed.silences == 0 {
            context.source.health.active();
        } else {
            context.source.health.failing(&context.feed.sentence());
        }
        session
    }

    /// Appends `disconnected`.
    pub(super) fn end(self, reason: EndReason, context: &mut Context) -> Connection {
        let detail = context.failure.detail.clone();
        let (connection, _) = self.close(reason, detail.clone(), context);
        if reason == EndReason::Stopping {
            context.source.health.pending();
        } else {
            context.source.health.failing(&detail);
        }
        connection
    }

    fn close(self, reason: EndReason, detail: String, context: &mut Context) -> (Connection, Ingest) {
        context.source.health.warning("reload", None);
        context.resync.cancel();
        (self.connection, self.journal.end(reason, detail))
    }

    /// Replaces this session with the new one, and closes its socket.
    pub(super) async fn succeed(mut self, context: &mut Context) -> Self {
        let Some((connection, merged)) = self.handover.take().and_then(Handover::finish) else { return self };
        let copies = merged.frames.iter().filter(|(_, copy)| *copy).count();
        let (held, certain) = (merged.frames.len(), merged.certain);
        tracing::info!(held, copies, certain, "new session took over after a reload of the PBX");
        let detail = std::mem::take(&mut context.failure.detail);
        let (before, ingest) = self.close(EndReason::ServerReloaded, detail, context);
        let next = Self::open(connection, ingest, merged, context);
        before.socket.close().await;
        next
    }

    /// The hot loop: one await, then everything that has already arrived, then one write to the journal.
    pub(super) async fn receive(&mut self, context: &mut Context) -> Input {
        if let Some(input) = self.upcoming.take() {
            return input;
        }
        loop {
            let input = tokio::select! {
                incoming = self.connection.socket.next() => self.take_batch(incoming, context).await,
                turn = context.resync.turn() => {
                    let Context { resync, feed, drift, .. } = context;
                    resync.take(turn, &mut self.journal, feed, drift);
                    self.journal.synced().await;
                    None
                }
                turn = turn(self.handover.as_mut()) => self.prepared(turn, context),
                input = proven(self.probation) => Some(input),
                () = sleep_until(context.feed.due()) => self.silent(context),
            };
            if let Some(input) = input {
                return input;
            }
        }
    }

    async fn take_batch(
        &mut self,
        mut incoming: Result<Incoming, CloseReason>,
        context: &mut Context,
    ) -> Option<Input> {
        let mut bytes = 0;
        for left in (0..BATCH).rev() {
            if let Ok(Incoming::Event(frame)) = &incoming {
                bytes += frame.size();
            }
            let taken = self.take(incoming, context);
            if !matches!(taken, FrameOutcome::Done) {
                self.journal.commit();
                match self.react(taken, context) {
                    Some(input) => return Some(input),
                    None => break,
                }
            }
            // After the last of a batch the socket is not read: whatever it returns has to be taken.
            match if left == 0 || bytes >= BATCH_BYTES { None } else { self.connection.socket.try_next() } {
                Some(next) => incoming = next,
                None => break,
            }
        }
        self.journal.commit();
        if context.feed.settle() {
            return Some(Input::Heard);
        }
        self.journal.synced().await;
        None
    }

    /// The reaction to a frame that is not a plain event.
    fn react(&mut self, taken: FrameOutcome, context: &mut Context) -> Option<Input> {
        let merging = self.handover.as_ref().is_some_and(Handover::is_merging);
        match taken {
            FrameOutcome::Done => None,
            FrameOutcome::Barrier(number) => {
                if let Some(handover) = &mut self.handover {
                    return handover.answered(number).then(|| self.tried(Ok(()), context));
                }
                self.echoes = Echoes::default();
                None
            }
            // The new session was accepted after this reload, or reports it as well.
            FrameOutcome::React(Input::ServerReloaded { .. }, _) if merging => None,
            FrameOutcome::React(_, detail) if merging => {
                context.failure.detail = detail;
                Some(Input::Successor(Attempt::Ready))
            }
            FrameOutcome::React(input, detail) => {
                context.failure.detail = detail;
                Some(input)
            }
            FrameOutcome::MakeWay => Some(context.taken_over()),
        }
    }

    fn silent(&self, context: &mut Context) -> Option<Input> {
        context.feed.is_silent(self.connection.socket.is_receiving()).then(|| {
            context.failure.detail = context.feed.sentence();
            Input::Silent
        })
    }

    /// Whether a new session is opened beside this one.
    pub(super) fn is_handover(&self) -> bool {
        self.handover.is_some()
    }

    /// Attempts a new session at `due`. Replaces an attempt in progress.
    pub(super) fn prepare(&mut self, due: Instant, source: &Source) {
        match &mut self.handover {
            Some(handover) => handover.restart(due),
            None => self.handover = Some(Handover::new(source, due)),
        }
    }

    fn prepared(&mut self, turn: Turn, context: &mut Context) -> Option<Input> {
        let tried = self.handover.as_mut()?.take(turn, &mut self.connection.socket)?;
        Some(self.tried(tried, context))
    }

    /// Handles the outcome of an attempt at a new session.
    fn tried(&mut self, tried: Tried, context: &mut Context) -> Input {
        let Err(failure) = tried else {
            "the PBX has applied a new configuration, and a new session has taken over"
                .clone_into(&mut context.failure.detail);
            return Input::Successor(Attempt::Ready);
        };
        let (attempt, reason) = (failure.attempt(), failure.to_string());
        tracing::debug!(reason, "no new session after a reload of the PBX");
        let Some(handover) = &mut self.handover else { return Input::Successor(attempt) };
        match failure {
            Failure::NotGranted(error) => context.failure.retry_after = error.retry_after(),
            Failure::Login { grant, .. } => handover.refused = Some(*grant),
            Failure::NotConnected(_) | Failure::Task(_) => {}
        }
        handover.failures = handover.failures.saturating_add(1);
        if handover.failures >= FEW {
            let warning = format!(
                "no new session could be opened since the PBX was reloaded, so this one still has its previous rights: {reason}"
            );
            context.source.health.warning("reload", Some(warning));
        }
        Input::Successor(attempt)
    }

    /// The token that the PBX refused for the new session.
    pub(super) fn refused(&mut self) -> Option<Grant> {
        self.handover.as_mut()?.refused.take()
    }

    /// The session did not end right after it was accepted.
    pub(super) fn await_settled(&mut self) {
        self.probation = Some((Instant::now() + STABLE.saturating_sub(LASTED), Input::Settled));
    }

    /// The session is stable.
    pub(super) fn settled(&mut self) {
        self.probation = None;
    }

    /// Acknowledges a take-over: without it the other session would wait for 8 s.
    pub(super) async fn make_way(&mut self) {
        // A failed write means that the session is gone anyway.
        if let Err(error) = self.connection.socket.emit("takeOverAck", None).await {
            tracing::debug!(%error, "could not acknowledge the take-over");
        }
    }

    /// `until`: the time of return; `None` if it has to be requested.
    pub(super) fn note_takeover(
        &mut self,
        away: Option<Away>,
        until: Option<Timestamp>,
        context: &mut Context,
    ) {
        let session = self.journal.session();
        let (policy, contested) = (away.map(|away| away.policy), away.is_some_and(|away| away.contested));
        self.journal.notice(&Notice::Takenover { session, policy, until, contested });
        match away {
            Some(away) => context.failure.detail = away.to_string(),
            None => {
                tracing::warn!(
                    "the PBX asked this session to make way although it has no `ua_type`: request ignored"
                );
            }
        }
    }

    pub(super) fn note_silence(&mut self, context: &Context) {
        let session = self.journal.session();
        self.journal.notice(&context.feed.notice(session));
    }
}

/// Waits for the end of the probation.
async fn proven(probation: Option<(Instant, Input)>) -> Input {
    match probation {
        Some((due, input)) => {
            sleep_until(due).await;
            input
        }
        None => std::future::pending().await,
    }
}

async fn turn(handover: Option<&mut Handover>) -> Turn {
    match handover {
        Some(handover) => handover.turn().await,
        None => std::future::pending().await,
    }
}
