//! One connection that publishes to the stream.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_nats::{
    Client, HeaderMap, HeaderValue, Message, Subject, Subscriber,
    client::traits::Publisher as _,
    header::{NATS_EXPECTED_LAST_SEQUENCE, NATS_MESSAGE_ID},
    jetstream::stream,
    message::OutboundMessage,
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep_until};

use super::{
    answer::{Answer, Disposition},
    shared::Shared,
};
use crate::{
    event::{Mark, Position},
    sink::{
        Acked, Link, Outgoing, SinkError,
        config::ContentMode,
        nats::{
            config,
            connect::Connected,
            events::Events,
            headers::{Envelopes, size},
        },
    },
};

/// With the fence one answer proves all messages before it, and each costs as much as a sixth of a message.
const ASK_EACH: usize = 16;
/// For an answer. Below the driver's deadline, so that the cause is known when it passes.
const PATIENCE: Duration = Duration::from_secs(5);
/// For an empty message to come back.
const PROBE: Duration = Duration::from_secs(1);
/// Ends the reply subject of the probe; those of messages end with a position.
const PROBED: &str = "probe";

/// One connection.
#[derive(Debug)]
pub struct Publisher {
    client: Client,
    events: Arc<Events>,
    server: String,
    stream: String,
    replicas: usize,
    envelopes: Envelopes,
    inbox: String,
    answers: Subscriber,
    shared: Arc<Shared>,
    /// The largest message that both server and stream take.
    limit: (usize, &'static str),
    fenced: bool,
    msg_id: bool,
    /// The stream's sequence once everything that was taken is stored.
    last: u64,
    /// The newest message that was published.
    sent: Option<Position>,
    /// How many were published since the newest that asks for an answer.
    unasked: usize,
    asked: VecDeque<Asked>,
    refused: VecDeque<Refused>,
    /// Everything up to here is stored.
    proven: Option<Position>,
    /// Everything up to here the driver knows of.
    reported: Option<Position>,
    /// Until when the probe that is under way has to be back.
    probe: Option<Instant>,
}

/// A message that asks for an answer.
#[derive(Debug)]
struct Asked {
    position: Position,
    seq: u64,
    at: Instant,
}

/// A message that was not sent, and what has to be proven before it is reported.
#[derive(Debug)]
struct Refused {
    position: Position,
    after: Option<Position>,
    reason: String,
}

/// A numbered message, ready to go.
#[derive(Debug)]
struct Ready {
    position: Position,
    seq: u64,
    message: OutboundMessage,
}

impl Publisher {
    /// Goes on after the stream's sequence `last`.
    pub(super) async fn open(
        connected: Connected,
        settings: (ContentMode, &config::Stream),
        stream: &stream::Config,
        last: u64,
        shared: Arc<Shared>,
    ) -> Result<Self, SinkError> {
        let Connected { client, events, server } = connected;
        let (mode, settings) = settings;
        let inbox = client.new_inbox();
        let answers = client.subscribe(format!("{inbox}.*")).await.map_err(|_| events.error())?;
        let payload = (client.max_payload(), "max_payload of the server");
        let message = usize::try_from(stream.max_message_size).ok().filter(|size| *size > 0);
        let limit = message.map_or(payload, |size| payload.min((size, "max_msg_size of the stream")));
        Ok(Self {
            client,
            events,
            server,
            stream: stream.name.clone(),
            replicas: stream.num_replicas,
            envelopes: Envelopes::new(mode),
            inbox,
            answers,
            shared,
            limit,
            fenced: settings.fence,
            msg_id: settings.msg_id,
            last,
            sent: None,
            unasked: 0,
            asked: VecDeque::new(),
            refused: VecDeque::new(),
            proven: None,
            reported: None,
            probe: None,
        })
    }

    /// The message of a numbered event, or why it can't be sent.
    fn ready(&mut self, position: Position, outgoing: &Outgoing<'_>) -> Result<Ready, String> {
        if let Some(reason) = self.shared.refused(position) {
            return Err(reason);
        }
        let mut message = self.message(outgoing)?;
        let headers = message.headers.get_or_insert_with(HeaderMap::new);
        if self.fenced {
            headers.insert(NATS_EXPECTED_LAST_SEQUENCE, HeaderValue::from(self.last));
        }
        if let (true, Mark::Numbered { seq, .. }) = (self.msg_id, outgoing.event.mark) {
            let source = outgoing.event.source.trim_start_matches("/cti/");
            let id = format!("{source}:{}-{}", outgoing.event.journal, seq.0);
            let id = id.parse::<HeaderValue>();
            headers
                .insert(NATS_MESSAGE_ID, id.map_err(|_| "its source's name can't be a header".to_owned())?);
        }
        self.fits(headers, &message.payload)?;
        self.last += 1;
        Ok(Ready { position, seq: self.last, message })
    }

    fn message(&mut self, outgoing: &Outgoing<'_>) -> Result<OutboundMessage, String> {
        let (headers, payload) = self
            .envelopes
            .message(outgoing.names, &outgoing.event)
            .ok_or_else(|| "an attribute can't be a header: please report this".to_owned())?;
        let subject = Subject::from_utf8(outgoing.names.destination.clone())
            .map_err(|_| "its subject is not UTF-8: check `subject`".to_owned())?;
        Ok(OutboundMessage { subject, reply: None, payload, headers: Some(headers) })
    }

    fn fits(&self, headers: &HeaderMap, payload: &Bytes) -> Result<(), String> {
        let (limit, name) = self.limit;
        // Computed only for what may be too large.
        if payload.len() + 4096 < limit {
            return Ok(());
        }
        let size = size(headers, payload);
        if size <= limit {
            return Ok(());
        }
        Err(format!(
            "{size} bytes are more than {} takes for {} ({limit}): raise {name}",
            self.server, self.stream
        ))
    }

    async fn publish(&self, message: OutboundMessage) -> Result<(), SinkError> {
        tokio::select! {
            biased;
            sent = self.client.publish_message(message) => sent.map_err(|_| self.events.error()),
            () = self.events.down() => Err(self.events.error()),
        }
    }

    async fn publish_numbered(&mut self, ready: Ready, is_last: bool) -> Result<(), SinkError> {
        let Ready { position, seq, mut message } = ready;
        self.unasked += 1;
        if is_last || self.unasked >= ASK_EACH || !self.fenced || self.shared.is_careful() {
            self.unasked = 0;
            message.reply = Some(format!("{}.{}", self.inbox, position.0).into());
            self.asked.push_back(Asked { position, seq, at: Instant::now() });
        }
        self.publish(message).await?;
        self.sent = Some(position);
        Ok(())
    }

    /// What there is to report.
    fn due(&mut self) -> Option<Acked> {
        if let Some(Refused { position, reason, .. }) =
            self.refused.pop_front_if(|it| it.after <= self.proven)
        {
            self.reported = Some(position);
            return Some(Acked { through: position, refused: Some(reason) });
        }
        if self.proven <= self.reported {
            return None;
        }
        self.reported = self.proven;
        self.proven.map(|through| Acked { through, refused: None })
    }

    fn take(&mut self, message: &Message) -> Result<(), SinkError> {
        let word = message.subject.as_str().rsplit('.').next().unwrap_or_default();
        if word == PROBED {
            return if self.probe.take().is_some() { Err(self.stuck()) } else { Ok(()) };
        }
        let Ok(position) = word.parse().map(Position) else { return Ok(()) };
        let Self { server, stream: name, .. } = self;
        match Answer::read(message) {
            Answer::Stored { stream, .. } if stream != *name => Err(SinkError::Operator(format!(
                "{server} stored an event in stream {stream}, not {name}: check `stream`, and the subjects of both"
            ))),
            Answer::Stored { seq, .. } => self.stored(position, seq),
            Answer::Failed(fault) => {
                self.shared.shrink();
                if let Disposition::Refused(remedy) = fault.disposition() {
                    let reason = format!("{} ({}): {remedy}", fault.description, fault.err_code);
                    self.shared.refuse(position, reason);
                }
                Err(fault.error(server, &format!("store an event in stream {name}")))
            }
            Answer::Nobody => Err(SinkError::Again(format!(
                "{server} has nobody who takes events for stream {name}: was the stream deleted, or has its cluster no leader?"
            ))),
            Answer::Unreadable => Err(SinkError::Again(format!(
                "{server} answered an event with something unreadable: does another program answer the subjects of stream {name}?"
            ))),
        }
    }

    fn stored(&mut self, position: Position, seq: u64) -> Result<(), SinkError> {
        let Self { server, stream, .. } = self;
        let mut expected = None;
        while let Some(asked) = self.asked.pop_front_if(|asked| asked.position <= position) {
            if !self.fenced && asked.position != position {
                return Err(SinkError::Again(format!(
                    "{server} left out an answer for stream {stream}: the event may not be stored"
                )));
            }
            expected = Some(asked.seq);
        }
        if self.fenced && expected.is_some_and(|expected| expected != seq) {
            return Err(SinkError::Again(format!(
                "{server} stored an event as {seq} of stream {stream}, where {} was due: does it honour Nats-Expected-Last-Sequence?",
                expected.unwrap_or_default()
            )));
        }
        self.probe = None;
        self.proven = self.proven.max(Some(position));
        if self.proven == self.sent {
            self.shared.grow();
        }
        Ok(())
    }

    /// When patience ends.
    fn deadline(&self) -> Option<Instant> {
        self.probe.or_else(|| self.asked.front().map(|asked| asked.at + PATIENCE))
    }

    /// An answer is overdue: asks the server for a sign of life, or finds that there was none.
    async fn overdue(&mut self) -> Result<(), SinkError> {
        if self.probe.is_some() {
            return Err(SinkError::Again(format!(
                "{} does not answer: is it up, and the way open?",
                self.server
            )));
        }
        let subject = format!("{}.{PROBED}", self.inbox).into();
        self.publish(OutboundMessage { subject, reply: None, payload: Bytes::new(), headers: None }).await?;
        self.probe = Some(Instant::now() + PROBE);
        Ok(())
    }

    /// The server is alive and stores nothing. A single one can only do that when its disk fails: it then leaves
    /// the failing message without an answer, and all later ones too. In a cluster it may be an election.
    fn stuck(&self) -> SinkError {
        let Self { server, stream, .. } = self;
        if self.replicas > 1 {
            return SinkError::Again(format!(
                "{server} is up but stores nothing in stream {stream}: its cluster has no leader, or the leader's disk is full; `nats stream info {stream}` says more"
            ));
        }
        SinkError::Operator(format!(
            "{server} is up but stores nothing: its disk is probably full. Free space and restart it (it refuses until restarted); its /healthz says more"
        ))
    }
}

impl Link for Publisher {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        // One is held back, as only then it is known which is the last.
        let mut held: Option<Ready> = None;
        for outgoing in batch {
            let Some(position) = outgoing.position else {
                // Outside the stream, so without fence and answer. What can't be sent is not worth an error.
                if let Ok(message) = self.message(outgoing)
                    && let Some(headers) = &message.headers
                    && self.fits(headers, &message.payload).is_ok()
                {
                    self.publish(message).await?;
                }
                continue;
            };
            match self.ready(position, outgoing) {
                Ok(ready) => {
                    if let Some(before) = held.replace(ready) {
                        self.publish_numbered(before, false).await?;
                    }
                }
                Err(reason) => {
                    let after = held.as_ref().map(|held| held.position).or(self.sent);
                    self.refused.push_back(Refused { position, after, reason });
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
            if let Some(acked) = self.due() {
                return Ok(acked);
            }
            let deadline = self.deadline();
            tokio::select! {
                biased;
                answer = self.answers.next() => {
                    let answer = answer.ok_or_else(|| self.events.error())?;
                    self.take(&answer)?;
                }
                () = self.events.down() => return Err(self.events.error()),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => self.overdue().await?,
            }
        }
    }

    fn window(&self) -> usize {
        self.shared.window()
    }

    async fn close(self) {
        let _ = self.client.flush().await;
    }
}
