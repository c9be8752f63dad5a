//! A session that is live: from its first event to its last.

use tokio::time::{Instant, sleep_until};

use super::{
    Away, Input,
    config::UaType,
    frames::{Taken, take},
    sight,
    supervisor::{Line, STABLE, Supervisor},
    takeover,
};
use crate::{
    api::Right,
    event::{EndReason, Notice},
    socketio::Incoming,
};

/// Frames taken per wake-up before the line is written: bounds the batch, and how long a signal waits.
const BATCH: usize = 512;

impl Supervisor {
    pub(super) fn begin(&mut self) {
        let Line::Closed(ingest) = std::mem::replace(&mut self.line, Line::Moving) else { return };
        if let Some(grant) = &self.grant {
            sight::show(&self.source.health, &grant.me);
        }
        let mut live = ingest.begin(self.opened());
        self.resync.begin(&mut live);
        self.feed.begin(self.grant.as_ref().map(|grant| grant.me.rights.has(Right::QueueAgent)));
        for frame in self.held.drain(..) {
            // Held frames go the way of all others; control events were taken out before.
            take(
                Ok(Incoming::Event(frame)),
                &mut live,
                &mut self.feed,
                &mut self.resync,
                self.source.config.publish_action_nethlink,
            );
        }
        live.commit();
        self.line = Line::Open(live);
        self.due = Instant::now() + STABLE;
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
        let Line::Open(live) = std::mem::replace(&mut self.line, Line::Moving) else { return };
        self.resync.cancel();
        let detail = self.detail.clone();
        if reason == EndReason::Stopping {
            self.source.health.pending();
        } else {
            self.source.health.failing(&detail);
        }
        self.line = Line::Closed(live.end(reason, detail));
    }

    /// The hot loop: one await, then everything that is already there, then one write to the line.
    pub(super) async fn receive(&mut self) -> Input {
        let (Line::Open(live), Some(socket)) = (&mut self.line, &mut self.socket) else {
            return Input::Ended(EndReason::Internal);
        };
        let all = self.source.config.publish_action_nethlink;
        loop {
            let mut incoming = tokio::select! {
                incoming = socket.next() => incoming,
                turn = self.resync.turn() => {
                    self.resync.take(turn, live, &mut self.feed);
                    live.synced().await;
                    continue;
                }
                () = sleep_until(self.due) => return Input::Settled,
                () = sleep_until(self.feed.due()) => {
                    self.detail = self.feed.sentence();
                    return Input::Silent;
                }
            };
            for left in (0..BATCH).rev() {
                match take(incoming, live, &mut self.feed, &mut self.resync, all) {
                    Taken::Done => {}
                    Taken::React(input, detail) => {
                        live.commit();
                        self.detail = detail;
                        return input;
                    }
                    Taken::MakeWay => {
                        live.commit();
                        return self.taken_over();
                    }
                }
                // The last of a batch leaves the socket alone: what it gave out must be taken.
                match if left == 0 { None } else { socket.try_next() } {
                    Some(next) => incoming = next,
                    None => break,
                }
            }
            live.commit();
            if self.feed.settle() {
                return Input::Heard;
            }
            live.synced().await;
        }
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
            tracing::debug!(%error, "no answer to the take-over");
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
                tracing::warn!("the PBX asked this session to make way, which is of no `ua_type`: it stays");
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
