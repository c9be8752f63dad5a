//! One connection that publishes to the stream.

use std::{sync::Arc, time::Duration};

use async_nats::{
    Message, Subscriber, client::traits::Publisher as _, jetstream::stream, message::OutboundMessage,
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep_until};

use super::{
    answer::{Answer, Disposition},
    api::Api,
    draft::{Drafts, Ready},
    flight::{Flight, Wrong},
    shared::Shared,
};
use crate::{
    event::Position,
    health::Trouble,
    sink::{
        Acked, Link, Outgoing, SinkError,
        config::ContentMode,
        nats::{
            config,
            connect::{Connected, FRESH, Servers},
            headers::Envelopes,
            unfit::Unfit,
        },
    },
};

/// For an answer. Below the driver's deadline, so that the cause is known when it passes.
const PATIENCE: Duration = Duration::from_secs(5);
/// For an empty message to come back.
const PROBE: Duration = Duration::from_secs(1);
/// Ends the reply subject of the probe; those of messages end with a position.
const PROBED: &str = "probe";
/// Ends the subject of the message that follows a dead letter.
const LETTER: &str = "letter";

/// One connection.
#[derive(Debug)]
pub struct Publisher {
    connected: Connected,
    servers: Arc<Servers>,
    stream: String,
    replicas: usize,
    drafts: Drafts,
    /// When the limits were read.
    read: Instant,
    inbox: String,
    answers: Subscriber,
    shared: Arc<Shared>,
    flight: Flight,
    /// Until when the probe that is under way has to be back.
    probe: Option<Instant>,
}

impl Publisher {
    /// Goes on after the stream's sequence `last`.
    pub(super) async fn open(
        (connected, servers): (Connected, Arc<Servers>),
        settings: (ContentMode, &config::Stream),
        stream: &stream::Config,
        last: u64,
        shared: Arc<Shared>,
    ) -> Result<Self, SinkError> {
        let Connected { client, events, server, .. } = &connected;
        let (mode, settings) = settings;
        let inbox = client.new_inbox();
        let answers = client.subscribe(format!("{inbox}.*")).await.map_err(|_| events.error())?;
        let envelopes = Envelopes::new(mode);
        let drafts = Drafts::new(envelopes, server, client.max_payload(), settings, stream, last);
        Ok(Self {
            connected,
            servers,
            stream: stream.name.clone(),
            replicas: stream.num_replicas,
            drafts,
            read: Instant::now(),
            inbox,
            answers,
            shared,
            flight: Flight::new(settings.fence),
            probe: None,
        })
    }

    async fn publish(&self, message: OutboundMessage) -> Result<(), SinkError> {
        let Connected { client, events, .. } = &self.connected;
        tokio::select! {
            biased;
            sent = client.publish_message(message) => sent.map_err(|_| events.error()),
            () = events.down() => Err(events.error()),
        }
    }

    async fn publish_numbered(&mut self, ready: Ready, is_last: bool) -> Result<(), SinkError> {
        let Ready { position, seq, mut message } = ready;
        if self.flight.send(position, seq, is_last, self.shared.is_careful()) {
            message.reply = Some(format!("{}.{}", self.inbox, position.0).into());
        }
        self.publish(message).await
    }

    /// The message of a numbered event, or why it can't be sent, by limits that are fresh.
    async fn ready(&mut self, at: Position, event: &Outgoing<'_>) -> Result<Result<Ready, Unfit>, SinkError> {
        if let Some(reason) = self.shared.refused(at) {
            return Ok(Err(Unfit::Refused(reason)));
        }
        let ready = self.drafts.ready(at, event);
        if ready.is_ok() || self.read.elapsed() < FRESH {
            return Ok(ready);
        }
        let Self { connected, stream, .. } = self;
        let info = Api { connected, stream }.info().await?;
        let gone =
            || SinkError::again(Trouble::Setup, format!("stream {stream} is gone from {}", connected.server));
        let config = info.ok_or_else(gone)?.config;
        self.drafts.set_limits(self.servers.max_payload(&self.connected).await?, &config);
        self.read = Instant::now();
        Ok(self.drafts.ready(at, event))
    }

    /// A message to ourselves: when it is back, the server has processed all before it.
    async fn mark(&self, word: &str) -> Result<(), SinkError> {
        let subject = format!("{}.{word}", self.inbox).into();
        self.publish(OutboundMessage { subject, reply: None, payload: Bytes::new(), headers: None }).await
    }

    fn take(&mut self, message: &Message) -> Result<(), SinkError> {
        let word = message.subject.as_str().rsplit('.').next().unwrap_or_default();
        if word == PROBED {
            return if self.probe.take().is_some() { Err(self.stuck()) } else { Ok(()) };
        }
        let Ok(position) = word.parse().map(Position) else { return Ok(()) };
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
                if fault.is_wrong_sequence() && self.replicas <= 1 && self.flight.is_left_out(position) {
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
            Answer::Nobody => Err(SinkError::again(
                Trouble::Setup,
                format!(
                    "{server} has nobody who takes events for stream {name}: was the stream deleted, or has its cluster no leader?"
                ),
            )),
            Answer::Unreadable => Err(SinkError::again(
                Trouble::Silent,
                format!(
                    "{server} answered an event with something unreadable: does another program answer the subjects of stream {name}?"
                ),
            )),
        }
    }

    fn stored(&mut self, position: Position, seq: u64) -> Result<(), SinkError> {
        let Self { connected: Connected { server, .. }, stream, .. } = self;
        self.flight.stored(position, seq).map_err(|wrong| {
            SinkError::again(Trouble::Refused, match wrong {
                Wrong::LeftOut => format!(
                    "{server} left out an answer for stream {stream}: the event may not be stored; see the server's log"
                ),
                Wrong::Sequence(due) => format!(
                    "{server} stored an event as {seq} of stream {stream}, where {due} was due: does it honour Nats-Expected-Last-Sequence?"
                ),
            })
        })?;
        self.probe = None;
        if self.flight.is_over() {
            self.shared.grow();
        }
        Ok(())
    }

    /// When patience ends.
    fn deadline(&self) -> Option<Instant> {
        self.probe.or_else(|| self.flight.overdue(PATIENCE))
    }

    /// An answer is overdue: asks the server for a sign of life, or finds that there was none.
    async fn overdue(&mut self) -> Result<(), SinkError> {
        if self.probe.is_some() {
            return Err(SinkError::again(
                Trouble::Silent,
                format!("{} does not answer: is it up, and the way open?", self.connected.server),
            ));
        }
        self.mark(PROBED).await?;
        self.probe = Some(Instant::now() + PROBE);
        Ok(())
    }

    /// The server is alive and stores nothing. A single one can only do that when its disk fails: it then leaves
    /// the failing message without an answer, and refuses what follows as out of sequence. In a cluster it may be
    /// an election, and answers need not come in order.
    fn stuck(&self) -> SinkError {
        let Self { connected: Connected { server, .. }, stream, .. } = self;
        if self.replicas > 1 {
            return SinkError::again(
                Trouble::Silent,
                format!(
                    "{server} is up but stores nothing in stream {stream}: its cluster has no leader, or the leader's disk is full; `nats stream info {stream}` says more"
                ),
            );
        }
        SinkError::operator(
            Trouble::Silent,
            format!(
                "{server} is up but stores nothing: its disk is probably full. Free space and restart it (it refuses until restarted); its /healthz says more"
            ),
        )
    }
}

impl Link for Publisher {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        // One is held back, as only then it is known which is the last.
        let mut held: Option<Ready> = None;
        for outgoing in batch {
            let Some(position) = outgoing.position else {
                // Outside the stream, so without fence and answer. What can't be sent is not worth an error.
                if let Ok(message) = self.drafts.status(outgoing) {
                    self.connected.events.expect_heartbeat(&message.subject);
                    self.publish(message).await?;
                }
                continue;
            };
            match self.ready(position, outgoing).await? {
                Ok(ready) => {
                    if let Some(before) = held.replace(ready) {
                        self.publish_numbered(before, false).await?;
                    }
                }
                Err(reason) => {
                    self.flight.refuse(position, held.as_ref().map(|held| held.position), reason.to_string());
                }
            }
        }
        match held {
            Some(last) => self.publish_numbered(last, true).await,
            None => Ok(()),
        }
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        loop {
            if let Some(acked) = self.flight.due() {
                return Ok(acked);
            }
            let deadline = self.deadline();
            tokio::select! {
                biased;
                answer = self.answers.next() => {
                    let answer = answer.ok_or_else(|| self.connected.events.error())?;
                    self.take(&answer)?;
                }
                () = self.connected.events.down() => return Err(self.connected.events.error()),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => self.overdue().await?,
            }
        }
    }

    async fn letter(&mut self, letter: &Outgoing<'_>) -> Result<Option<String>, SinkError> {
        // Outside the stream, so without fence.
        let message = match self.drafts.status(letter) {
            Ok(message) => message,
            Err(reason) => return Ok(Some(reason.to_string())),
        };
        self.connected.events.expect_letter(&message.subject);
        self.publish(message).await?;
        let events = Arc::clone(&self.connected.events);
        // An error that the server spoke of before the first marker is known when the second is back.
        for _ in 0..2 {
            self.mark(LETTER).await?;
            loop {
                tokio::select! {
                    biased;
                    answer = self.answers.next() => {
                        let answer = answer.ok_or_else(|| events.error())?;
                        if answer.subject.ends_with(LETTER) {
                            break;
                        }
                        self.take(&answer)?;
                    }
                    () = events.down() => return Err(events.error()),
                }
            }
        }
        Ok(events.letter_refusal())
    }

    fn refused_heartbeat(&self) -> Option<String> {
        self.connected.events.heartbeat_refusal()
    }

    fn window(&self) -> usize {
        if self.flight.is_unsure() { 1 } else { self.shared.window() }
    }

    fn largest(&self) -> usize {
        self.connected.client.max_payload()
    }

    async fn close(self) {
        let _ = self.connected.client.flush().await;
    }
}
