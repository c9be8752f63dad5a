//! One connection to a NATS server.

use std::{collections::VecDeque, sync::Arc};

use async_nats::{Client, Subject, Subscriber, client::traits::Publisher as _, message::OutboundMessage};
use bytes::Bytes;
use futures_util::StreamExt as _;

use super::{
    connect::Connected,
    events::Events,
    headers::{Envelopes, size},
};
use crate::{
    event::Position,
    sink::{Acked, Link, Outgoing, SinkError, config::ContentMode},
};

/// One connection.
#[derive(Debug)]
pub struct Connection {
    client: Client,
    events: Arc<Events>,
    server: String,
    envelopes: Envelopes,
    marker: Subject,
    markers: Subscriber,
    /// Refused before they were sent, in order.
    refused: VecDeque<(Position, String)>,
    /// What a marker has proven beyond a refusal that goes first.
    proven: Option<Position>,
}

impl Connection {
    pub(super) async fn open(connected: Connected, mode: ContentMode) -> Result<Self, SinkError> {
        let Connected { client, events, server } = connected;
        let marker = Subject::from(client.new_inbox());
        let markers = client.subscribe(marker.clone()).await.map_err(|_| events.error())?;
        Ok(Self {
            client,
            events,
            server,
            envelopes: Envelopes::new(mode),
            marker,
            markers,
            refused: VecDeque::new(),
            proven: None,
        })
    }

    async fn publish(&self, message: OutboundMessage) -> Result<(), SinkError> {
        tokio::select! {
            biased;
            sent = self.client.publish_message(message) => sent.map_err(|_| self.events.error()),
            () = self.events.down() => Err(self.events.error()),
        }
    }

    /// The largest message the server takes: headers and payload together.
    fn fits(&self, headers: &async_nats::HeaderMap, payload: &Bytes) -> Result<(), String> {
        let limit = self.client.max_payload();
        // Computed only for what may be too large.
        if payload.len() + 4096 < limit {
            return Ok(());
        }
        let size = size(headers, payload);
        if size <= limit {
            return Ok(());
        }
        Err(format!("{size} bytes are more than {} takes ({limit}): raise max_payload there", self.server))
    }
}

impl Link for Connection {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        for Outgoing { position, names, event, .. } in batch {
            let Some((headers, payload)) = self.envelopes.message(names, event) else {
                continue;
            };
            if let Err(reason) = self.fits(&headers, &payload) {
                self.refused.extend(position.map(|position| (position, reason)));
                continue;
            }
            let subject = Subject::from_utf8(names.destination.clone())
                .map_err(|_| SinkError::Operator("a subject is not UTF-8: check `subject`".to_owned()))?;
            self.publish(OutboundMessage { subject, reply: None, payload, headers: Some(headers) }).await?;
        }
        let Some(last) = batch.iter().rev().find_map(|outgoing| outgoing.position) else { return Ok(()) };
        let payload = Bytes::copy_from_slice(&last.0.to_le_bytes());
        self.publish(OutboundMessage { subject: self.marker.clone(), reply: None, payload, headers: None })
            .await
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        if self.proven.is_none() {
            self.proven = Some(tokio::select! {
                biased;
                marker = self.markers.next() => marker
                    .and_then(|marker| marker.payload[..].try_into().ok().map(u64::from_le_bytes))
                    .map(Position)
                    .ok_or_else(|| self.events.error())?,
                () = self.events.down() => return Err(self.events.error()),
            });
        }
        let proven = self.proven.unwrap_or_default();
        if let Some((through, reason)) = self.refused.pop_front_if(|(position, _)| *position <= proven) {
            return Ok(Acked { through, refused: Some(reason) });
        }
        self.proven = None;
        Ok(Acked { through: proven, refused: None })
    }

    fn largest(&self) -> usize {
        self.client.max_payload()
    }

    async fn close(self) {
        let _ = self.client.flush().await;
    }
}
