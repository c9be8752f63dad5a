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

/// One producer.
pub(super) type Producer = Arc<ThreadedProducer<Context>>;

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// That of all events, which ends with the first batch that is refused.
    Events,
    /// That of heartbeats, dead letters, and what goes by itself: what is refused there ends nothing.
    Beside,
}

/// Both of them; the second is made when it is first needed.
pub(super) struct Producers {
    events: Option<Producer>,
    beside: Option<Producer>,
    context: Context,
}

impl Producers {
    pub(super) fn new(events: Producer, context: Context) -> Self {
        Self { events: Some(events), beside: None, context }
    }

    fn all(&self) -> impl Iterator<Item = &Producer> {
        [&self.events, &self.beside].into_iter().flatten()
    }

    fn get(&mut self, which: Which, config: &Config) -> Result<Producer, SinkError> {
        let producer = match which {
            Which::Events => &mut self.events,
            Which::Beside => &mut self.beside,
        };
        if let Some(producer) = producer {
            return Ok(Arc::clone(producer));
        }
        let made = client::single(config).create_with_context(self.context.clone());
        let made = Arc::new(made.map_err(|error| super::unusable(&error))?);
        Ok(Arc::clone(producer.insert(made)))
    }

    /// Hands a message over, without waiting; or gives it back, and why.
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

    /// What a client has given up for, whose every answer is fatal since.
    pub(super) fn fatal(&self) -> Option<RDKafkaErrorCode> {
        self.all().find_map(|producer| producer.client().fatal_error()).map(|(code, _)| code)
    }

    /// Whether they hold messages that are not answered.
    pub(super) fn are_busy(&self) -> bool {
        self.all().any(|producer| producer.in_flight_count() > 0)
    }

    /// Takes back what has not been sent.
    pub(super) fn purge_unsent(&self) {
        self.all().for_each(|producer| producer.purge(PurgeConfig::default().queue()));
    }

    /// Waits a moment until all is answered.
    pub(super) async fn close(&mut self) {
        let producers = [self.events.take(), self.beside.take()];
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
        let producers = [self.events.take(), self.beside.take()];
        if producers.iter().any(Option::is_some) {
            // Their threads are joined, which may take a while.
            std::thread::spawn(move || drop(producers));
        }
    }
}

/// Why a message could not be handed over.
#[derive(Debug)]
pub(super) enum Unsent {
    /// What waits is as much as may wait.
    NoRoom,
    /// It is larger than `max_message`.
    TooLarge,
    NoProducer(SinkError),
    Failed(KafkaError),
}
