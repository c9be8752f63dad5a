//! The Kafka sink: all events of a source in one partition, in order.
//!
//! **How.** An idempotent producer (`acks=all`) writes each message once and in order, for as long as it lives: it tries
//! again by itself, with the same numbers, whatever becomes of its connections. So it is given up only when the cluster
//! refuses it. A new one reads what our partitions end with, and the driver goes on right after that; what the old one had
//! sent may still be appended behind it, which is why the newest record near an end counts, and not the last.
//!
//! **What it owns.** The producer, the choice of topic and partition, the topics if it creates them. The driver does the
//! rest, also the comparing of the tail with the line.
//!
//! **What it does not do.** It deletes nothing, and changes no topic that exists.

mod client;
pub mod config;
mod link;
mod login;
mod message;
mod oauth;
pub(in crate::sink) mod overlap;
mod probe;
mod properties;
mod read_back;
mod tail;
mod topics;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rdkafka::{
    error::KafkaError,
    producer::{Producer as _, ThreadedProducer},
};
use tokio::sync::mpsc;

use self::{
    client::{Batches, Cause, Context, producing},
    config::Config,
    probe::blocking,
};
pub use self::{link::Publisher, probe::Probe};
use crate::{
    sink::{Sink, SinkError, Tail, verify::Held},
    text::PeerText,
};

/// The topics of a Kafka cluster.
#[derive(Debug)]
pub struct Kafka {
    config: Arc<Config>,
    sources: Arc<[String]>,
    /// It writes beside the lanes.
    replays: bool,
    /// A batch was refused, and nobody knows for which of its messages.
    singly: Arc<AtomicBool>,
}

impl Kafka {
    /// A sink for the events of these sources.
    pub fn new(config: &Config, sources: Arc<[String]>) -> Self {
        Self { config: Arc::new(config.clone()), sources, replays: false, singly: Arc::default() }
    }

    /// The same for a replay: what the lanes have is no concern of it.
    #[must_use]
    pub fn for_replay(self) -> Self {
        Self { replays: true, ..self }
    }

    /// Calls `each` with every event of our partitions, each partition in its order.
    pub async fn read_back(&self, mut each: impl FnMut(&Held)) -> Result<(), SinkError> {
        let kafka = Self::new(&self.config, Arc::clone(&self.sources));
        let (sender, mut held) = mpsc::channel(1024);
        // Should nobody listen any more, the rest is read for nothing.
        let reading = blocking(move || kafka.read_all(|held| drop(sender.blocking_send(held.clone()))));
        let listening = async {
            while let Some(held) = held.recv().await {
                each(&held);
            }
        };
        let (read, ()) = tokio::join!(reading, listening);
        read
    }
}

fn produce(
    config: &Config,
    batches: Batches,
    context: Context,
) -> Result<ThreadedProducer<Context>, SinkError> {
    producing(config, batches).create_with_context(context).map_err(|error| unusable(&error))
}

/// The client refuses its settings.
fn unusable(error: &KafkaError) -> SinkError {
    SinkError::Operator(format!(
        "the Kafka client can't be made: {}; check the sink's settings",
        PeerText::new(&error.to_string())
    ))
}

impl Sink for Kafka {
    type Link = Publisher;

    async fn open(&self) -> Result<(Publisher, Tail), SinkError> {
        let cause = Cause::default();
        let (reporter, reports) = mpsc::unbounded_channel();
        let context = Context::new(&cause, Some(reporter), &self.config);
        let (config, sources, told) = (Arc::clone(&self.config), Arc::clone(&self.sources), cause.clone());
        let (singly, replays) = (self.singly.load(Ordering::Relaxed), self.replays);
        let (producer, partitions, batches, tail) = blocking(move || {
            let mut batches = if singly { Batches::Single } else { Batches::Unknown };
            // It alone tells why there is no answer; the administrator's client keeps that to itself.
            let mut producer = produce(&config, batches, context.clone())?;
            let admin = topics::admin(&told, &config)?;
            let partitions = topics::prepare(producer.client(), &admin, &told, (&config, replays))?;
            if let Some(bytes) = topics::largest(&admin, &config)? {
                if singly || bytes < client::BATCH {
                    producer = produce(&config, Batches::Within(bytes), context)?;
                }
                batches = Batches::Within(bytes);
            }
            let tail =
                if replays { Tail::Unknown } else { tail::read(&told, &config, &sources, partitions)? };
            Ok((Arc::new(producer), partitions, batches, tail))
        })
        .await?;
        let singly = (batches == Batches::Unknown).then(|| Arc::clone(&self.singly));
        let link = Publisher::new((producer, reports), Arc::clone(&self.config), partitions, cause, singly);
        Ok((link, tail))
    }
}
