//! The Kafka sink: all events of a source in one partition, in order.
//!
//! **How.** An idempotent producer (`acks=all`) writes each message once and in order, for as long as it lives: it tries
//! again by itself, with the same numbers, whatever becomes of its connections. So it is given up only when the cluster
//! refuses something: nothing behind a batch that is refused is stored. A new one reads what our partitions end with, and the driver goes on right after that; what the old one had
//! sent may still be appended behind it, which is why the newest record near an end counts, and not the last.
//!
//! **What it owns.** The producer, the choice of topic and partition, the topics if it creates them. The driver does the
//! rest, also the comparing of the tail with the line.
//!
//! **What is refused.** A batch may be refused for one of its messages, for its size, or for a reason that has nothing to do
//! with it. So after a refusal one message goes after another, by a producer of its own, and what is refused then is set
//! aside as a dead letter if it is the message's own fault. Such a message also goes by itself if it is known to be larger
//! than the topic takes.
//!
//! **What it does not do.** It deletes nothing, and changes no topic that exists.

mod cause;
mod client;
pub mod config;
mod flight;
mod link;
mod login;
mod message;
mod oauth;
mod overlap;
mod probe;
mod producers;
mod properties;
mod queue;
mod read_back;
mod refusal;
mod rival;
mod shared;
mod tail;
mod topics;

use std::{sync::Arc, time::Duration};

use rdkafka::{error::KafkaError, producer::Producer as _};
use tokio::sync::mpsc;

use self::{
    cause::Cause, client::Context, config::Config, link::Opened, probe::blocking, producers::Producer,
    shared::Shared,
};
pub use self::{link::Publisher, probe::Probe};
use crate::{
    health::Trouble,
    sink::{self, Process, Sink, SinkError, SinkType, Tail, verify::Held},
    text::PeerText,
};

/// `type = "kafka"`.
pub(in crate::sink) const TYPE: SinkType = SinkType::new::<config::Table>("kafka");

/// The topics of a Kafka cluster.
#[derive(Debug)]
pub struct Kafka {
    config: Arc<Config>,
    sources: Arc<[String]>,
    /// It writes beside the partitions.
    replays: bool,
    shared: Arc<Shared>,
}

impl Kafka {
    /// A sink for the events of these sources.
    pub fn new(config: &Config, sources: Arc<[String]>) -> Self {
        Self { config: Arc::new(config.clone()), sources, replays: false, shared: Arc::default() }
    }

    /// The same for a replay: what the partitions have is no concern of it.
    #[must_use]
    pub fn for_replay(self) -> Self {
        Self { replays: true, ..self }
    }

    /// Calls `each` with every event of our partitions, each partition in its order.
    pub async fn read_back(&self, mut each: impl FnMut(&Held) + Send) -> Result<(), SinkError> {
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

fn produce(config: &Config, batch: usize, context: Context) -> Result<Producer, SinkError> {
    let producer = client::pipelined(config, batch).create_with_context(context);
    producer.map(Arc::new).map_err(|error| unusable(&error))
}

/// The client refuses its settings.
fn unusable(error: &KafkaError) -> SinkError {
    SinkError::operator(
        Trouble::Local,
        format!(
            "the Kafka client can't be made: {}; check the sink's settings",
            PeerText::new(&error.to_string())
        ),
    )
}

impl Sink for Kafka {
    type Link = Publisher;

    async fn open(&self) -> Result<(Publisher, Tail), SinkError> {
        let cause = Cause::default();
        let (reporter, reports) = mpsc::unbounded_channel();
        let context = Context::new(&cause, Some(reporter), &self.config);
        let (config, sources, told) = (Arc::clone(&self.config), Arc::clone(&self.sources), cause.clone());
        let (shared, replays, own) = (Arc::clone(&self.shared), self.replays, context.clone());
        let (producer, partitions, ends, tail) = blocking(move || {
            let batch = shared.batch();
            // It alone tells why there is no answer; the administrator's client keeps that to itself.
            let mut producer = produce(&config, batch, own.clone())?;
            let admin = topics::admin(&told, &config)?;
            let partitions = topics::prepare(producer.client(), &admin, &told, (&config, replays))?;
            shared.set_limit(topics::largest(&admin, &told, &config)?);
            if shared.batch() != batch {
                producer = produce(&config, shared.batch(), own)?;
            }
            let mut ends = shared.cuts();
            let tail = if replays {
                Tail::Unknown
            } else {
                tail::read(&told, &config, &sources, partitions, &mut ends)?
            };
            Ok((producer, partitions, ends, tail))
        })
        .await?;
        let opened = Opened { producer, context, reports, partitions, ends, cause };
        Ok((Publisher::new(opened, Arc::clone(&self.config), Arc::clone(&self.shared)), tail))
    }

    fn renew(&mut self, config: &sink::config::Config) {
        if let Some(config) = config.of::<Config>() {
            Arc::make_mut(&mut self.config).renew(config);
        }
    }

    async fn rival(
        &self,
        link: &mut Publisher,
        ours: Process,
        patience: Duration,
    ) -> Result<Option<String>, SinkError> {
        let (config, sources) = (Arc::clone(&self.config), Arc::clone(&self.sources));
        let (partitions, cause) = (link.partition_count(), Cause::default());
        let watch = blocking(move || rival::Watch::begin(&cause, &config, &sources, partitions)).await?;
        watch.until(ours, patience).await
    }
}
