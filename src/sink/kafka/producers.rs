//! The two producers of a link.

use std::{sync::Arc, time::Duration};

use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseRecord, Producer as _, PurgeConfig, ThreadedProducer},
};
use tokio::time::timeout;

use super::{
    client::{self, Context},
    config::Config,
    message::Message,
};
use crate::sink::SinkError;

/// A producer.
pub(super) type Producer = Arc<ThreadedProducer<Context>>;

/// Selects a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// The producer of all events, which ends with the first refused batch.
    Events,
    /// The single-message producer, for heartbeats, dead letters, and events that may be refused: a refusal ends nothing.
    Single,
}

/// Both producers; the second is created on first use.
pub(super) struct Producers {
    events: Option<Producer>,
    single: Option<Producer>,
    context: Context,
}

impl Producers {
    pub(super) fn new(events: Producer, context: Context) -> Self {
        Self { events: Some(events), single: None, context }
    }

    fn all(&self) -> impl Iterator<Item = &Producer> {
        [&self.events, &self.single].into_iter().flatten()
    }

    fn get(&mut self, which: Which, config: &Config) -> Result<Producer, SinkError> {
        let producer = match which {
            Which::Events => &mut self.events,
            Which::Single => &mut self.single,
        };
        if let Some(producer) = producer {
            return Ok(Arc::clone(producer));
        }
        let created = client::single(config).create_with_context(self.context.clone());
        let created = Arc::new(created.map_err(super::unusable)?);
        Ok(Arc::clone(producer.insert(created)))
    }

    /// Hands a message to a producer without waiting. Returns the message and the reason if the producer did not accept it.
    pub(super) fn send(
        &mut self,
        which: Which,
        number: usize,
        (topic, partition): (&str, i32),
        message: Message,
        config: &Config,
    ) -> Option<(Unsent, Message)> {
        let Message { key, headers, payload } = message;
        let producer = match self.get(which, config) {
            Ok(producer) => producer,
            Err(error) => return Some((Unsent::NoProducer(error), Message { key, headers, payload })),
        };
        let record = BaseRecord::with_opaque_to(topic, number).partition(partition);
        let (error, record) = producer.send(record.key(&key).payload(&*payload).headers(headers)).err()?;
        let headers = record.headers.unwrap_or_default();
        let unsent = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => Unsent::NoRoom,
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => Unsent::TooLarge,
            _ => Unsent::Failed(error),
        };
        Some((unsent, Message { key, headers, payload }))
    }

    /// Returns the error for which a client has given up. `None` if both work.
    pub(super) fn fatal(&self) -> Option<RDKafkaErrorCode> {
        self.all().find_map(|producer| producer.client().fatal_error()).map(|(code, _)| code)
    }

    /// Returns true if a producer holds unanswered messages.
    pub(super) fn are_busy(&self) -> bool {
        self.all().any(|producer| producer.in_flight_count() > 0)
    }

    /// Drops the messages that have not been sent.
    pub(super) fn purge_unsent(&self) {
        self.all().for_each(|producer| producer.purge(PurgeConfig::default().queue()));
    }

    /// Flushes the producers, for at most a second.
    pub(super) async fn close(&mut self) {
        let producers = [self.events.take(), self.single.take()];
        let flushed = tokio::task::spawn_blocking(move || {
            for producer in producers.into_iter().flatten() {
                let _ = producer.flush(Duration::from_millis(450));
            }
        });
        let _ = timeout(Duration::from_secs(1), flushed).await;
    }
}

impl Drop for Producers {
    fn drop(&mut self) {
        self.all().for_each(|producer| producer.purge(PurgeConfig::default().queue().inflight()));
        let producers = [self.events.take(), self.single.take()];
        if producers.iter().any(Option::is_some) {
            // Joins the threads of the clients, which may take a while.
            std::thread::spawn(move || drop(producers));
        }
    }
}

/// The reason why a producer did not accept a message.
#[derive(Debug)]
pub(super) enum Unsent {
    /// Its queue is full.
    NoRoom,
    /// The message is larger than `max_message`.
    TooLarge,
    /// The producer could not be created.
    NoProducer(SinkError),
    /// Any other reason.
    Failed(KafkaError),
}
