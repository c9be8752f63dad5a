//! The Kafka sink: all events of a source in one partition, in order.
//!
//! **How.** An idempotent producer (`acks=all`) stores each message once and in order for as long as it lives: it retries
//! with the same sequence numbers, across reconnects. So it is replaced only after the cluster has refused a message: nothing
//! after a refused batch is stored. Its successor reads the ends of our partitions, and the driver resumes right after them.
//! Messages of the old producer may still be appended behind that, so the newest record near an end counts, not the last.
//!
//! **What it owns.** The producers, the choice of topic and partition, and the topics if it creates them. The driver does the
//! rest, including the comparison of the tail with the journal.
//!
//! **Refusals.** A batch may be refused for one of its messages, for its size, or for a reason unrelated to it. So after a
//! refusal a second producer sends messages one by one, and a message that is refused alone, through its own fault, becomes a
//! dead letter. A message that is larger than the topic is known to accept is also sent alone.
//!
//! **What it does not do.** It deletes nothing, and changes no existing topic.

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
mod reason;
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
};

/// `type = "kafka"`.
pub(in crate::sink) const TYPE: SinkType = SinkType::new::<config::Table>("kafka");

/// The topics of a Kafka cluster.
#[derive(Debug)]
pub struct Kafka {
    config: Arc<Config>,
    sources: Arc<[String]>,
    /// Publishes to the replay topic.
    is_replay: bool,
    shared: Arc<Shared>,
}

impl Kafka {
    /// Returns a sink for the events of these sources.
    pub fn new(config: &Config, sources: Arc<[String]>) -> Self {
        Self { config: Arc::new(config.clone()), sources, is_replay: false, shared: Arc::default() }
    }

    /// Returns the same sink for a replay, which ignores what the partitions hold.
    #[must_use]
    pub fn for_replay(self) -> Self {
        Self { is_replay: true, ..self }
    }

    /// Calls `each` with every event of our partitions, each partition in its order.
    pub async fn read_back(&self, mut each: impl FnMut(&Held) + Send) -> Result<(), SinkError> {
        let kafka = Self::new(&self.config, Arc::clone(&self.sources));
        let (sender, mut held) = mpsc::channel(1024);
        // If the receiver is gone, the rest is read and dropped.
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
    producer.map(Arc::new).map_err(unusable)
}

/// The error of a client that rejects its settings.
fn unusable(error: KafkaError) -> SinkError {
    SinkError::operator(Trouble::Local, "can't create the Kafka client")
        .because(error)
        .remedy("check the sink's settings")
}

impl Sink for Kafka {
    type Link = Publisher;

    async fn open(&self) -> Result<(Publisher, Tail), SinkError> {
        let cause = Cause::default();
        let (reporter, reports) = mpsc::unbounded_channel();
        let context = Context::new(&cause, Some(reporter), &self.config);
        let (config, sources, causes) = (Arc::clone(&self.config), Arc::clone(&self.sources), cause.clone());
        let (shared, is_replay, own) = (Arc::clone(&self.shared), self.is_replay, context.clone());
        let (producer, partitions, ends, tail) = blocking(move || {
            let batch = shared.batch();
            // Only a producer reports why there is no answer; an admin client has no error callback.
            let mut producer = produce(&config, batch, own.clone())?;
            let admin = topics::admin(&causes, &config)?;
            let partitions = topics::prepare(producer.client(), &admin, &causes, (&config, is_replay))?;
            shared.set_limit(topics::largest(&admin, &causes, &config)?);
            if shared.batch() != batch {
                producer = produce(&config, shared.batch(), own)?;
            }
            let mut ends = shared.cuts();
            let tail = if is_replay {
                Tail::Unknown
            } else {
                tail::read(&causes, &config, &sources, partitions, &mut ends)?
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
        let watch = blocking(move || rival::Watch::start(&cause, &config, &sources, partitions)).await?;
        watch.run(ours, patience).await
    }
}
