//! The answers of the server to the messages of a link, and missing answers.

use std::time::Duration;

use async_nats::Message;
use tokio::time::Instant;

use super::{PROBED, Publisher};
use crate::{
    event::Position,
    health::Trouble,
    sink::{
        SinkError,
        nats::{
            connect::Connected,
            jetstream::{
                answer::{Answer, Disposition},
                flight::Wrong,
            },
            unreachable::REACHABLE,
        },
    },
};

/// The time limit for an answer. Below the driver's limit, so that the cause is known first.
const PATIENCE: Duration = Duration::from_secs(5);
/// The time limit for a probe to come back.
const PROBE: Duration = Duration::from_secs(1);

impl Publisher {
    /// Handles an answer, or a probe that came back.
    pub(super) fn handle(&mut self, message: &Message) -> Result<(), SinkError> {
        let token = message.subject.as_str().rsplit('.').next().unwrap_or_default();
        if token == PROBED {
            return if self.probe.take().is_some() { Err(self.stuck()) } else { Ok(()) };
        }
        let Ok(position) = token.parse().map(Position) else { return Ok(()) };
        let Self { connected: Connected { server, .. }, stream: name, .. } = self;
        match Answer::read(message) {
            Answer::Stored { stream, .. } if stream != *name => Err(SinkError::operator(
                Trouble::Setup,
                format!(
                    "{server} stored an event in stream {stream}, not {name}: check `stream`, and the subjects of both"
                ),
            )),
            Answer::Stored { seq, .. } => self.stored(position, seq),
            Answer::Failed(fault) => {
                self.shared.shrink();
                if fault.is_wrong_sequence() && self.replicas <= 1 && self.flight.is_answer_missing(position)
                {
                    return Err(self.stuck());
                }
                if let Disposition::Refused(remedy) = fault.disposition() {
                    let reason = format!("{} ({}): {remedy}", fault.description, fault.err_code);
                    let text = format!("{server} refuses an event for stream {name}: {reason}");
                    self.shared.refuse(position, reason);
                    return Err(SinkError::again(Trouble::Refused, text));
                }
                Err(fault.error(server, &format!("store an event in stream {name}")))
            }
            Answer::NoResponders => Err(SinkError::again(
                Trouble::Setup,
                format!(
                    "no stream at {server} accepts events for {name}: check that the stream exists and its cluster has a leader"
                ),
            )),
            Answer::Unreadable => Err(SinkError::again(
                Trouble::Silent,
                format!(
                    "{server} returned an invalid answer to an event: check that no other program answers the subjects of stream {name}"
                ),
            )),
        }
    }

    /// Records that the message at `position` is stored as `seq`.
    fn stored(&mut self, position: Position, seq: u64) -> Result<(), SinkError> {
        let Self { connected: Connected { server, .. }, stream, .. } = self;
        self.flight.stored(position, seq).map_err(|wrong| {
            SinkError::again(Trouble::Refused, match wrong {
                Wrong::AnswerMissing => format!(
                    "{server} skipped an answer for stream {stream}: the event may not be stored; see the server's log"
                ),
                Wrong::Sequence(due) => format!(
                    "{server} stored an event as {seq} of stream {stream} instead of {due}: check that it supports Nats-Expected-Last-Sequence"
                ),
            })
        })?;
        self.probe = None;
        if self.flight.is_over() {
            self.shared.grow();
        }
        Ok(())
    }

    /// Returns the time at which an answer or a probe is overdue. `None` without either.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.probe.or_else(|| self.flight.overdue(PATIENCE))
    }

    /// Reacts to an overdue answer with a probe, and fails if a probe is overdue.
    pub(super) async fn overdue(&mut self) -> Result<(), SinkError> {
        if self.probe.is_some() {
            let what = format!("{} does not answer", self.connected.server);
            return Err(SinkError::again(Trouble::Silent, what).remedy(REACHABLE));
        }
        self.mark(PROBED).await?;
        self.probe = Some(Instant::now() + PROBE);
        Ok(())
    }

    /// Makes the error for a server that is alive but stores nothing. With a single server only a failing disk causes that: it
    /// does not answer the failing message, and refuses those after it as out of sequence. In a cluster the cause may be an
    /// election, and answers need not arrive in order.
    fn stuck(&self) -> SinkError {
        let Self { connected: Connected { server, .. }, stream, .. } = self;
        if self.replicas > 1 {
            return SinkError::again(
                Trouble::Silent,
                format!(
                    "{server} is up but stores nothing in stream {stream}: its cluster has no leader, or the leader's disk is full; see `nats stream info {stream}`"
                ),
            );
        }
        SinkError::operator(
            Trouble::Silent,
            format!(
                "{server} is up but stores nothing: its disk is probably full: free space and restart it, as it refuses messages until then; see its /healthz"
            ),
        )
    }
}
