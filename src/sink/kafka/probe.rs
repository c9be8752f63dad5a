//! Probes a Kafka sink without its events: connects, inspects its topics, publishes a status message.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use rdkafka::producer::Producer as _;
use tokio::{sync::mpsc, time::timeout};

use super::{
    Publisher,
    cause::Cause,
    client::{BATCH, Context},
    config::Config,
    link::Opened,
    producers::Producer,
    rival::Watch,
    shared::Shared,
    tail, topics,
};
use crate::{
    event::{JournalId, Position},
    health::Trouble,
    route::{Plan, Rules},
    sink::{self, Claim, Link as _, Outgoing, ProbeReport, SinkError, Tail, heartbeat::checks},
};

/// The time limit for the delivery report of a status message.
const PATIENCE: Duration = Duration::from_secs(8);

/// A connection to a cluster.
pub struct Probe {
    config: Arc<Config>,
    sources: Arc<[String]>,
    cause: Cause,
    producer: Producer,
    link: Publisher,
}

impl Probe {
    /// Connects to the cluster, and authenticates.
    pub async fn connect(config: &Config, sources: &[String]) -> Result<(Self, ProbeReport), SinkError> {
        let cause = Cause::default();
        let (reporter, reports) = mpsc::unbounded_channel();
        let context = Context::new(&cause, Some(reporter), config);
        let (config, causes) = (Arc::new(config.clone()), cause.clone());
        let (settings, own) = (Arc::clone(&config), context.clone());
        let (producer, brokers) = blocking(move || {
            let producer = super::produce(&settings, BATCH, own)?;
            let metadata = producer.client().fetch_metadata(Some(&settings.topics.events), topics::REQUEST);
            let metadata = metadata.map_err(|error| causes.failed("no cluster answers", error, &settings))?;
            let brokers: Vec<String> = metadata
                .brokers()
                .iter()
                .map(|broker| format!("{}:{}", broker.host(), broker.port()))
                .collect();
            Ok((producer, brokers))
        })
        .await?;
        let message = format!("the cluster of {} answers", brokers.join(", "));
        let (publishing, ends) = (Arc::clone(&producer), BTreeMap::new());
        let opened =
            Opened { producer: publishing, context, reports, partitions: 1, ends, cause: cause.clone() };
        let shared = Shared::default();
        // So that a refusal concerns a single message.
        shared.narrow(false);
        let link = Publisher::new(opened, Arc::clone(&config), Arc::new(shared));
        let probe = Self { config, sources: sources.into(), cause, producer, link };
        Ok((probe, ProbeReport::new(message)))
    }

    /// Inspects the topics, and which journal wrote the newest events of our partitions.
    async fn inspect(&self, claim: &Claim) -> Result<ProbeReport, SinkError> {
        let (config, cause) = (Arc::clone(&self.config), self.cause.clone());
        let (sources, producer) = (Arc::clone(&self.sources), Arc::clone(&self.producer));
        let topic = config.topics.events.clone();
        let found = blocking(move || {
            let admin = topics::admin(&cause, &config)?;
            topics::require(producer.client(), &cause, &config)?;
            let Some(partitions) =
                topics::partitions(producer.client(), &cause, &config, &config.topics.events)?
            else {
                return Ok(None);
            };
            let partitions = partitions.count;
            let warnings = topics::findings(&admin, &cause, &config, partitions)?;
            Ok(Some((
                partitions,
                tail::read(&cause, &config, &sources, partitions, &mut BTreeMap::new())?,
                warnings,
            )))
        });
        let Some((partitions, tail, mut warnings)) = found.await? else {
            let message = format!("{topic} does not exist yet: the first start will create it");
            return Ok(ProbeReport::new(message));
        };
        let ends = if let Tail::Partitions(ends) = tail { ends } else { Vec::new() };
        let mut empty = true;
        for newest in ends {
            // All are of one journal.
            let Some(stored) = newest.first() else { continue };
            empty = false;
            let watch = async |ours, patience| {
                let (cause, config) = (self.cause.clone(), Arc::clone(&self.config));
                let sources = Arc::clone(&self.sources);
                let watch = blocking(move || Watch::start(&cause, &config, &sources, partitions)).await?;
                watch.run(ours, patience).await
            };
            if let Some(warning) = claim.check(stored, watch).await? {
                warnings.push(warning);
                break;
            }
        }
        let state = if empty { "it has no events of ours yet" } else { "its newest events are ours" };
        Ok(ProbeReport { message: format!("{topic} has {partitions} partitions; {state}"), warnings })
    }

    async fn exists(&self, topic: &str) -> Result<bool, SinkError> {
        let (config, cause) = (Arc::clone(&self.config), self.cause.clone());
        let (producer, topic) = (Arc::clone(&self.producer), topic.to_owned());
        blocking(move || Ok(topics::partitions(producer.client(), &cause, &config, &topic)?.is_some())).await
    }

    /// Publishes a status message of each source, and waits for the broker's answer.
    async fn publish(&mut self) -> Result<ProbeReport, SinkError> {
        let topic = self.config.topics.status.clone();
        if self.config.create.is_some() && !self.exists(&topic).await? {
            let message = format!("{topic} does not exist yet: the first start will create it");
            return Ok(ProbeReport::new(message));
        }
        let mut plan = Plan::new(JournalId::draw(), Arc::clone(&self.sources), Rules::default());
        let beats = checks(&mut plan, self.sources.len());
        for (place, beat) in (0..).zip(&beats) {
            // The position only makes the link wait for an answer.
            let outgoing = Outgoing { position: Some(Position(place)), ..beat.outgoing(&plan) };
            self.link.send(&[outgoing]).await?;
            let late = |_| self.cause.error(&format!("{topic} accepts nothing"), &self.config);
            let answered = timeout(PATIENCE, self.link.acked()).await.map_err(late)??;
            if let Some(reason) = answered.refused {
                return Err(SinkError::operator(
                    Trouble::Refused,
                    format!("{topic} refuses a status message: {reason}"),
                ));
            }
        }
        let message =
            format!("{topic} accepts messages ({} sent, none to {})", beats.len(), self.config.topics.events);
        Ok(ProbeReport::new(message))
    }
}

/// Runs a blocking call of librdkafka on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SinkError> + Send + 'static,
) -> Result<T, SinkError> {
    let span = tracing::Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
        Ok(outcome) => outcome,
        Err(error) => {
            Err(SinkError::again(Trouble::Local, "the Kafka client's task exited unexpectedly")
                .because(error))
        }
    }
}

impl sink::Probe for Probe {
    fn inspect<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<ProbeReport, SinkError>> {
        Box::pin(self.inspect(claim))
    }

    fn publish(&mut self) -> BoxFuture<'_, Result<ProbeReport, SinkError>> {
        Box::pin(Self::publish(self))
    }
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe").field("brokers", &self.config.brokers).finish_non_exhaustive()
    }
}
