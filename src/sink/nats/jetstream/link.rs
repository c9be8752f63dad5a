//! The link of mode "jetstream".

mod answers;

use std::sync::Arc;

use async_nats::{Subscriber, client::traits::Publisher as _, jetstream::stream, message::OutboundMessage};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep_until};

use super::{
    api::Api,
    draft::{Drafts, Ready},
    flight::Flight,
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

/// The last token of a probe's subject; that of an answer is a position.
const PROBED: &str = "probe";
/// The last token of the marker's subject after a dead letter.
const LETTER: &str = "letter";

/// A link that publishes to the stream.
#[derive(Debug)]
pub struct Publisher {
    connected: Connected,
    servers: Arc<Servers>,
    stream: String,
    replicas: usize,
    drafts: Drafts,
    /// The time at which the limits were read.
    read: Instant,
    inbox: String,
    answers: Subscriber,
    shared: Arc<Shared>,
    flight: Flight,
    /// The time at which the current probe is overdue.
    probe: Option<Instant>,
}

impl Publisher {
    /// Continues after the stream's sequence `last`.
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
        let answers = client.subscribe(format!("{inbox}.*")).await.map_err(|error| events.failed(error))?;
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
            sent = client.publish_message(message) => sent.map_err(|error| events.failed(error)),
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

    /// Builds the message of a numbered event, or returns the reason why it can't be sent, by current limits.
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
        let gone = || {
            SinkError::again(
                Trouble::Setup,
                format!("stream {stream} no longer exists at {}", connected.server),
            )
        };
        let config = info.ok_or_else(gone)?.config;
        self.drafts.set_limits(self.servers.max_payload(&self.connected).await?, &config);
        self.read = Instant::now();
        Ok(self.drafts.ready(at, event))
    }

    /// Sends a marker to ourselves: once it is back, the server has processed everything before it.
    async fn mark(&self, token: &str) -> Result<(), SinkError> {
        let subject = format!("{}.{token}", self.inbox).into();
        self.publish(OutboundMessage { subject, reply: None, payload: Bytes::new(), headers: None }).await
    }
}

impl Link for Publisher {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        // One message is held back until the next, as the last one must ask for an answer.
        let mut held: Option<Ready> = None;
        for outgoing in batch {
            let Some(position) = outgoing.position else {
                // Outside of the stream, so without fence and answer. A heartbeat that can't be sent is not worth an error.
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
                    self.handle(&answer)?;
                }
                () = self.connected.events.down() => return Err(self.connected.events.error()),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => self.overdue().await?,
            }
        }
    }

    async fn letter(&mut self, letter: &Outgoing<'_>) -> Result<Option<String>, SinkError> {
        // Outside of the stream, so without fence.
        let message = match self.drafts.status(letter) {
            Ok(message) => message,
            Err(reason) => return Ok(Some(reason.to_string())),
        };
        self.connected.events.expect_letter(&message.subject);
        self.publish(message).await?;
        let events = Arc::clone(&self.connected.events);
        // An error that the server reported before the first marker is known once the second is back.
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
                        self.handle(&answer)?;
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
