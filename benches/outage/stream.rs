//! Reads a stream back.

use std::time::Duration;

use async_nats::jetstream::{self, consumer::pull::OrderedConfig};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::{
    common::STREAM,
    stored::{Reading, Stored, number},
};

/// The number of the newest event.
pub(crate) async fn newest(context: &jetstream::Context) -> Option<usize> {
    let stream = context.get_stream(STREAM).await.ok()?;
    for subject in ["cti.v1.pbx1.event.>", "cti.bench.>"] {
        if let Ok(message) = stream.get_last_raw_message_by_subject(subject).await {
            return number(&message.payload);
        }
    }
    None
}

/// All stored events, in order.
pub(crate) async fn read(context: &jetstream::Context) -> Stored {
    let stream = context.get_stream(STREAM).await.unwrap();
    let count = stream.cached_info().state.messages;
    let mut messages =
        stream.create_consumer(OrderedConfig::default()).await.unwrap().messages().await.unwrap();
    let mut reading = Reading::default();
    for _ in 0..count {
        let message =
            timeout(Duration::from_secs(20), messages.next()).await.expect("the stream can't be read");
        let message = message.unwrap().unwrap();
        let header = |name: &str| {
            let value = message.headers.as_ref()?.get(format!("ce-{name}").as_str())?;
            Some(value.as_str().to_owned())
        };
        reading.take(header, &message.payload);
    }
    reading.end()
}
