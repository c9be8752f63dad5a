//! A session that is live: from its first event to its last.

use tokio::time::{Instant, sleep_until};

use super::{
    Attempt, Away, Input,
    config::UaType,
    frames::{Intake, Taken},
    handover::{Failure, Handover, Tried, Turn},
    overlap::{Echoes, Merged},
    sight,
    supervisor::{LASTED, Line, Supervisor},
    takeover,
};
use crate::{
    api::Right,
    event::{EndReason, Notice},
    socket::{Incoming, Socket},
};

/// Frames taken per wake-up before the line is written: bounds the batch, and how long a signal waits.
const BATCH: usize = 512;
/// And so many bytes: what is not written is no reader's yet, and a journal in memory may have to drop it.
const BATCH_BYTES: usize = 1 << 20;
/// Attempts at a new session that may fail after a reload before somebody is warned.
const FEW: u32 = 5;

impl Supervisor {
    pub(super) fn begin(&mut self) {
        let held = std::mem::take(&mut self.held).into_frames();
        let frames = held.into_iter().map(|frame| (frame, false)).collect();
        self.open(Merged { frames, echoes: Echoes::default(), certain: false });
    }

    /// The session begins with these frames, which were held. `certain`: the one before it has missed nothing.
    fn open(&mut self, Merged { frames, echoes, certain }: Merged) {
        let Line::Closed(ingest) = std::mem::replace(&mut self.line, Line::Moving) else { return };
        if let Some(grant) = &self.grant {
            sight::show(&self.source.health, &grant.me);
        }
        let mut opened = self.opened();
        if certain {
            opened.may_have_missed.clear();
        }
        let mut live = ingest.begin(opened);
        self.resync.begin(&mut live);
        self.feed.begin(self.grant.as_ref().map(|grant| grant.me.rights.has(Right::QueueAgent)));
        self.echoes = echoes;
        if let Some(socket) = self.socket.as_mut().filter(|_| !self.echoes.is_empty()) {
            socket.barrier();
        }
        self.line = Line::Open(live);
        self.upcoming = None;
        for (frame, copy) in frames {
            let Some((mut intake, _)) = self.intake() else { break };
            match intake.event(frame, copy) {
                Taken::React(input, detail) => (self.upcoming, self.detail) = (Some(input), detail),
                Taken::MakeWay => self.upcoming = Some(self.taken_over()),
                Taken::Done | Taken::Barrier(_) => {}
            }
        }
        if let Line::Open(live) = &mut self.line {
            live.commit();
        }
        self.is_new = true;
        self.due = Instant::now() + LASTED;
        // Asked for before: this is it.
        self.source.reconnect.settle();
        // A new session alone does not end a silence; an event does.
        if self.feed.silences == 0 {
            self.source.health.active();
        } else {
            self.source.health.failing(&self.feed.sentence());
        }
    }

    pub(super) fn end(&mut self, reason: EndReason) {
        let detail = self.detail.clone();
        if self.close(reason, detail.clone()) {
            if reason == EndReason::Stopping {
                self.source.health.pending();
            } else {
                self.source.health.failing(&detail);
            }
        }
    }

    /// Whether there was a session.
    fn close(&mut self, reason: EndReason, detail: String) -> bool {
        self.handover = None;
        self.source.health.warning("reload", None);
        match std::mem::replace(&mut self.line, Line::Moving) {
            Line::Open(live) => {
                self.resync.cancel();
                self.line = Line::Closed(live.end(reason, detail));
                true
            }
            other => {
                self.line = other;
                false
            }
        }
    }

    /// The new session takes the place of the live one, whose socket is closed.
    pub(super) async fn succeed(&mut self) {
        let Some((grant, socket, merged)) = self.handover.take().and_then(Handover::finish) else { return };
        let copies = merged.frames.iter().filter(|(_, copy)| *copy).count();
        let (source, held, certain) = (self.source.name(), merged.frames.len(), merged.certain);
        tracing::info!(source, held, copies, certain, "new session took over after a reload of the PBX");
        let detail = std::mem::take(&mut self.detail);
        self.close(EndReason::ServerReloaded, detail);
        self.grant = Some(grant);
        let before = self.socket.replace(socket);
        self.open(merged);
        if let Some(before) = before {
            before.close().await;
        }
    }

    fn intake(&mut self) -> Option<(Intake<'_>, &mut Socket)> {
        let (Line::Open(live), Some(socket)) = (&mut self.line, &mut self.socket) else { return None };
        let intake = Intake {
            live,
            feed: &mut self.feed,
            resync: &mut self.resync,
            handover: self.handover.as_mut(),
            echoes: &mut self.echoes,
            beside: self.source.config.ua_type == UaType::None,
            publish_action_nethlink: self.source.config.publish_action_nethlink,
        };
        Some((intake, socket))
    }

    /// The hot loop: one await, then everything that is already there, then one write to the line.
    pub(super) async fn receive(&mut self) -> Input {
        if let Some(input) = self.upcoming.take() {
            return input;
        }
        let (due, is_new) = (self.due, self.is_new);
        loop {
            let Some((mut intake, socket)) = self.intake() else { return Input::Ended(EndReason::Internal) };
            let mut incoming = tokio::select! {
                incoming = socket.next() => incoming,
                turn = intake.resync.turn() => {
                    intake.resync.take(turn, intake.live, intake.feed);
                    intake.live.synced().await;
                    continue;
                }
                turn = turn(intake.handover.as_deref_mut()) => {
                    let tried = intake.handover.and_then(|handover| handover.take(turn, socket));
                    match tried {
                        Some(tried) => return self.tried(tried),
                        None => continue,
                    }
                }
                () = sleep_until(due) => return if is_new { Input::Lasted } else { Input::Settled },
                () = sleep_until(intake.feed.due()) => {
                    if !intake.feed.is_silent(socket.is_receiving()) {
                        continue;
                    }
                    self.detail = self.feed.sentence();
                    return Input::Silent;
                }
            };
            let mut bytes = 0;
            for left in (0..BATCH).rev() {
                if let Ok(Incoming::Event(frame)) = &incoming {
                    bytes += frame.size();
                }
                let taken = intake.take(incoming);
                if !matches!(taken, Taken::Done) {
                    intake.live.commit();
                    match self.react(taken) {
                        Some(input) => return input,
                        None => break,
                    }
                }
                // The last of a batch leaves the socket alone: what it gave out must be taken.
                match if left == 0 || bytes >= BATCH_BYTES { None } else { socket.try_next() } {
                    Some(next) => incoming = next,
                    None => break,
                }
            }
            let Line::Open(live) = &mut self.line else { return Input::Ended(EndReason::Internal) };
            live.commit();
            if self.feed.settle() {
                return Input::Heard;
            }
            live.synced().await;
        }
    }

    /// What follows from a frame that is no mere event.
    fn react(&mut self, taken: Taken) -> Option<Input> {
        let merging = self.handover.as_ref().is_some_and(Handover::is_merging);
        match taken {
            Taken::Done => None,
            Taken::Barrier(number) => {
                if let Some(handover) = &mut self.handover {
                    return handover.answered(number).then(|| self.tried(Ok(())));
                }
                self.echoes = Echoes::default();
                None
            }
            // The new session was accepted after this reload, or brings it too.
            Taken::React(Input::ServerReloaded { .. }, _) if merging => None,
            Taken::React(_, detail) if merging => {
                self.detail = detail;
                Some(Input::Successor(Attempt::Ready))
            }
            Taken::React(input, detail) => {
                self.detail = detail;
                Some(input)
            }
            Taken::MakeWay => Some(self.taken_over()),
        }
    }

    /// An attempt at a new session beside this one has ended.
    fn tried(&mut self, tried: Tried) -> Input {
        let Err(failure) = tried else {
            "the PBX has applied a new configuration, and a new session has taken over"
                .clone_into(&mut self.detail);
            return Input::Successor(Attempt::Ready);
        };
        let (attempt, reason) = (failure.attempt(), failure.to_string());
        tracing::debug!(source = self.source.name(), reason, "no new session after a reload of the PBX");
        match failure {
            Failure::NotGranted(error) => self.retry_after = error.retry_after(),
            // The one to discard.
            Failure::Login { grant, .. } => self.grant = Some(*grant),
            Failure::NotConnected(_) | Failure::Task(_) => {}
        }
        if let Some(handover) = &mut self.handover {
            handover.failures = handover.failures.saturating_add(1);
            if handover.failures >= FEW {
                let warning = format!(
                    "the PBX was reloaded and no new session could be opened since, so this one still has the rights of                      before: {reason}"
                );
                self.source.health.warning("reload", Some(warning));
            }
        }
        Input::Successor(attempt)
    }

    fn taken_over(&mut self) -> Input {
        let kind = self.source.config.ua_type;
        let policy = (kind != UaType::None).then_some(self.source.config.on_takeover);
        self.takeovers.retain(|at| at.elapsed() < takeover::WINDOW);
        self.takeovers.push(Instant::now());
        Input::TakenOver { policy, recent: u32::try_from(self.takeovers.len()).unwrap_or(u32::MAX) }
    }

    /// Lets the other session in, which would wait for 8 s.
    pub(super) async fn make_way(&mut self) {
        // A write that fails means that the session is gone anyway.
        if let Some(socket) = &mut self.socket
            && let Err(error) = socket.emit("takeOverAck", None).await
        {
            tracing::debug!(source = self.source.name(), %error, "no answer to the take-over");
        }
    }

    pub(super) fn note_takeover(&mut self, away: Option<Away>) {
        let until = away.and_then(|_| self.retry_at());
        let Line::Open(live) = &mut self.line else { return };
        let session = live.session();
        let (policy, contested) = (away.map(|away| away.policy), away.is_some_and(|away| away.contested));
        live.notice(&Notice::Takenover { session, policy, until, contested });
        match away {
            Some(away) => self.detail = away.to_string(),
            None => {
                tracing::warn!(
                    source = self.source.name(),
                    "the PBX asked this session to make way, which is of no `ua_type`: it stays"
                );
            }
        }
    }

    pub(super) fn note_silence(&mut self) {
        if let Line::Open(live) = &mut self.line {
            let session = live.session();
            live.notice(&self.feed.notice(session));
        }
    }
}

async fn turn(handover: Option<&mut Handover>) -> Turn {
    match handover {
        Some(handover) => handover.turn().await,
        None => std::future::pending().await,
    }
}
