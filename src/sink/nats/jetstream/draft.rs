//! Builds the messages of the stream, and refuses those that the server would not store.

use async_nats::{
    HeaderMap, HeaderValue, Subject,
    header::{NATS_EXPECTED_LAST_SEQUENCE, NATS_MESSAGE_ID},
    jetstream::stream,
    message::OutboundMessage,
};
use bytes::Bytes;

use crate::{
    event::{Mark, Position},
    sink::{
        Outgoing,
        nats::{
            config,
            headers::{Envelopes, size},
            unfit::Unfit,
        },
    },
};

/// Builds the messages of one link, each fenced to follow the one before.
#[derive(Debug)]
pub(super) struct Drafts {
    envelopes: Envelopes,
    /// The stream's name and server, for refusals.
    place: String,
    /// The largest messages that the server and the stream accept, in bytes. `None` for a stream without a limit.
    limits: (usize, Option<usize>),
    fenced: bool,
    msg_id: bool,
    /// The stream's last sequence once every message is stored.
    last: u64,
}

/// A numbered message, ready to be sent.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) position: Position,
    pub(super) seq: u64,
    pub(super) message: OutboundMessage,
}

impl Drafts {
    /// Continues after the stream's sequence `last`, on a server that accepts `max_payload` bytes.
    pub(super) fn new(
        envelopes: Envelopes,
        server: &str,
        max_payload: usize,
        settings: &config::Stream,
        stream: &stream::Config,
        last: u64,
    ) -> Self {
        Self {
            envelopes,
            place: format!("stream {} at {server}", stream.name),
            limits: limits(max_payload, stream),
            fenced: settings.fence,
            msg_id: settings.msg_id,
            last,
        }
    }

    /// Updates the limits.
    pub(super) fn set_limits(&mut self, max_payload: usize, stream: &stream::Config) {
        self.limits = limits(max_payload, stream);
    }

    /// Builds the message of a numbered event. Fails if it can't be sent.
    pub(super) fn ready(&mut self, position: Position, outgoing: &Outgoing<'_>) -> Result<Ready, Unfit> {
        let mut message = self.message(outgoing)?;
        let headers = message.headers.get_or_insert_with(HeaderMap::new);
        if self.fenced {
            headers.insert(NATS_EXPECTED_LAST_SEQUENCE, HeaderValue::from(self.last));
        }
        if let (true, Mark::Numbered { seq, .. }) = (self.msg_id, outgoing.event.mark) {
            let source = outgoing.event.source.trim_start_matches("/cti/");
            let id = format!("{source}:{}-{}", outgoing.event.journal, seq.0);
            let id = id.parse::<HeaderValue>();
            headers.insert(NATS_MESSAGE_ID, id.map_err(|_| Unfit::Source)?);
        }
        let (payload, stream) = self.limits;
        self.fits(Some(headers), &message.payload, (payload, "max_payload of the server"))?;
        if let Some(stream) = stream {
            self.fits(Some(headers), &message.payload, (stream, "max_msg_size of the stream"))?;
        }
        self.last += 1;
        Ok(Ready { position, seq: self.last, message })
    }

    /// Builds the message of an event outside of the order. Fails if it can't be sent.
    pub(super) fn status(&mut self, outgoing: &Outgoing<'_>) -> Result<OutboundMessage, Unfit> {
        let message = self.message(outgoing)?;
        self.fits(message.headers.as_ref(), &message.payload, (self.limits.0, "max_payload of the server"))?;
        Ok(message)
    }

    fn message(&mut self, outgoing: &Outgoing<'_>) -> Result<OutboundMessage, Unfit> {
        let (headers, payload) =
            self.envelopes.message(outgoing.names, &outgoing.event).ok_or(Unfit::Attribute)?;
        let subject = Subject::from_utf8(outgoing.names.destination.clone()).map_err(|_| Unfit::Subject)?;
        Ok(OutboundMessage { subject, reply: None, payload, headers: Some(headers) })
    }

    fn fits(
        &self,
        headers: Option<&HeaderMap>,
        payload: &Bytes,
        (limit, setting): (usize, &'static str),
    ) -> Result<(), Unfit> {
        // The size is computed only if it may exceed the limit.
        if payload.len() + 4096 < limit {
            return Ok(());
        }
        let size = headers.map_or(payload.len(), |headers| size(headers, payload));
        if size <= limit {
            return Ok(());
        }
        Err(Unfit::TooLarge { size, place: self.place.clone(), limit, setting })
    }
}

fn limits(max_payload: usize, stream: &stream::Config) -> (usize, Option<usize>) {
    (max_payload, usize::try_from(stream.max_message_size).ok().filter(|size| *size > 0))
}
