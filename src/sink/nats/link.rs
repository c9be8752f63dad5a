//! The link of core mode.

use std::{collections::VecDeque, sync::Arc};

use async_nats::{HeaderMap, Subject, Subscriber, client::traits::Publisher as _, message::OutboundMessage};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::Instant;

use super::{
    connect::{Connected, FRESH, Servers},
    headers::{Envelopes, size},
    unfit::Unfit,
};
use crate::{
    event::Position,
    health::Trouble,
    route::Names,
    sink::{Acked, Link, Outgoing, SinkError, config::ContentMode},
};

/// A link to a NATS server in core mode.
#[derive(Debug)]
pub struct Connection {
    connected: Connected,
    servers: Arc<Servers>,
    envelopes: Envelopes,
    /// The largest message that the server accepts, headers and payload together, in bytes, and when it was read.
    limit: (usize, Instant),
    marker: Subject,
    markers: Subscriber,
    /// Events refused before they were sent, in order.
    refused: VecDeque<(Position, String)>,
    /// The position that a marker has proven, while refusals before it are reported.
    proven: Option<Position>,
}

impl Connection {
    pub(super) async fn open(
        connected: Connected,
        servers: Arc<Servers>,
        mode: ContentMode,
    ) -> Result<Self, SinkError> {
        let Connected { client, events, .. } = &connected;
        let marker = Subject::from(client.new_inbox());
        let markers = client.subscribe(marker.clone()).await.map_err(|error| events.failed(error))?;
        let limit = (client.max_payload(), Instant::now());
        Ok(Self {
            connected,
            servers,
            envelopes: Envelopes::new(mode),
            limit,
            marker,
            markers,
            refused: VecDeque::new(),
            proven: None,
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

    /// Sends a marker to ourselves: once it is back, the server has processed everything before it.
    async fn mark(&self, payload: Bytes) -> Result<(), SinkError> {
        self.publish(OutboundMessage { subject: self.marker.clone(), reply: None, payload, headers: None })
            .await
    }

    /// Waits for the next marker. Returns the position it proves; `None` for a marker after a dead letter.
    async fn marked(&mut self) -> Result<Option<Position>, SinkError> {
        let events = &self.connected.events;
        tokio::select! {
            biased;
            marker = self.markers.next() => {
                let marker = marker.ok_or_else(|| events.error())?;
                Ok(marker.payload[..].try_into().ok().map(u64::from_le_bytes).map(Position))
            }
            () = events.down() => Err(events.error()),
        }
    }

    fn fits(&self, headers: &HeaderMap, payload: &Bytes) -> Result<(), Unfit> {
        let (limit, _) = self.limit;
        // The size is computed only if it may exceed the limit.
        if payload.len() + 4096 < limit {
            return Ok(());
        }
        let size = size(headers, payload);
        if size <= limit {
            return Ok(());
        }
        let place = self.connected.server.clone();
        Err(Unfit::TooLarge { size, place, limit, setting: "max_payload there" })
    }

    /// Returns the reason why an event does not fit, by a current limit. `None` if it fits.
    async fn misfit(&mut self, headers: &HeaderMap, payload: &Bytes) -> Result<Option<Unfit>, SinkError> {
        if self.fits(headers, payload).is_ok() {
            return Ok(None);
        }
        if self.limit.1.elapsed() >= FRESH {
            self.limit = (self.servers.max_payload(&self.connected).await?, Instant::now());
        }
        Ok(self.fits(headers, payload).err())
    }
}

impl Link for Connection {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        for Outgoing { position, names, event, .. } in batch {
            let Some((headers, payload)) = self.envelopes.message(names, event) else {
                continue;
            };
            if let Some(reason) = self.misfit(&headers, &payload).await? {
                self.refused.extend(position.map(|position| (position, reason.to_string())));
                continue;
            }
            let subject = subject(names)?;
            if position.is_none() {
                self.connected.events.expect_heartbeat(&subject);
            }
            self.publish(OutboundMessage { subject, reply: None, payload, headers: Some(headers) }).await?;
        }
        let Some(last) = batch.iter().rev().find_map(|outgoing| outgoing.position) else { return Ok(()) };
        self.mark(Bytes::copy_from_slice(&last.0.to_le_bytes())).await
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        while self.proven.is_none() {
            self.proven = self.marked().await?;
        }
        let proven = self.proven.unwrap_or_default();
        if let Some((through, reason)) = self.refused.pop_front_if(|(position, _)| *position <= proven) {
            return Ok(Acked { through, refused: Some(reason) });
        }
        self.proven = None;
        Ok(Acked { through: proven, refused: None })
    }

    async fn letter(&mut self, letter: &Outgoing<'_>) -> Result<Option<String>, SinkError> {
        let Some((headers, payload)) = self.envelopes.message(letter.names, &letter.event) else {
            return Ok(Some("an attribute can't be a header".to_owned()));
        };
        if let Err(reason) = self.fits(&headers, &payload) {
            return Ok(Some(reason.to_string()));
        }
        let subject = subject(letter.names)?;
        let message =
            OutboundMessage { subject: subject.clone(), reply: None, payload, headers: Some(headers) };
        self.connected.events.expect_letter(&subject);
        self.publish(message).await?;
        // An error that the server reported before the first marker is known once the second is back.
        for _ in 0..2 {
            self.mark(Bytes::new()).await?;
            while let Some(position) = self.marked().await? {
                self.proven = Some(position);
            }
        }
        Ok(self.connected.events.letter_refusal())
    }

    fn refused_heartbeat(&self) -> Option<String> {
        self.connected.events.heartbeat_refusal()
    }

    fn largest(&self) -> usize {
        self.limit.0
    }

    async fn close(self) {
        let _ = self.connected.client.flush().await;
    }
}

/// Returns the subject of an event.
fn subject(names: &Names) -> Result<Subject, SinkError> {
    Subject::from_utf8(names.destination.clone()).map_err(|error| {
        SinkError::operator(Trouble::Setup, "a subject is not UTF-8").because(error).remedy("check `subject`")
    })
}
