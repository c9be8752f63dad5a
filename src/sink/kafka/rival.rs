//! Detects another process with a copy of our journal that writes to our partitions.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::Message as _,
};
use tokio::time::{Instant, sleep};

use super::{
    cause::Cause,
    client::Context,
    config::Config,
    message::used,
    probe::blocking,
    tail::{bounds, consumer, header},
};
use crate::sink::{Process, SinkError, stored_event};

/// The interval at which the ends of the partitions are compared.
const INTERVAL: Duration = Duration::from_secs(1);
/// The time limit for reading a heartbeat that has already arrived.
const POLL: Duration = Duration::from_millis(50);
/// The partition of heartbeats.
const FIRST: i32 = 0;

/// The ends of our partitions, and a consumer at the end of the status topic.
pub(super) struct Watch {
    consumer: Option<Arc<BaseConsumer<Context>>>,
    cause: Cause,
    config: Arc<Config>,
    ends: Arc<BTreeMap<i32, i64>>,
}

impl Watch {
    /// Reads the current ends. Blocks.
    pub(super) fn start(
        cause: &Cause,
        config: &Arc<Config>,
        sources: &[String],
        partitions: i32,
    ) -> Result<Self, SinkError> {
        let topics = &config.topics;
        let consumer = consumer(cause, config)?;
        let failed =
            |topic: &str, error| cause.failed(&format!("can't read the end of {topic}"), error, config);
        let mut ends = BTreeMap::new();
        for partition in used(sources, config.partition_by, partitions) {
            let (_, end) = bounds(&consumer, &topics.events, partition)
                .map_err(|error| failed(&topics.events, error))?;
            ends.insert(partition, end);
        }
        // The account need not have the right to read heartbeats.
        if let Ok((_, end)) = bounds(&consumer, &topics.status, FIRST) {
            let mut place = TopicPartitionList::new();
            let at = place.add_partition_offset(&topics.status, FIRST, Offset::Offset(end));
            let _ = at.and_then(|()| consumer.assign(&place));
        }
        let consumer = Some(Arc::new(consumer));
        Ok(Self { consumer, cause: cause.clone(), config: Arc::clone(config), ends: Arc::new(ends) })
    }

    /// Watches for at most `patience`. Returns the evidence of another writer, if there is any. Cancel safe.
    pub(super) async fn run(self, ours: Process, patience: Duration) -> Result<Option<String>, SinkError> {
        let deadline = Instant::now() + patience;
        loop {
            let (consumer, ends) = (self.consumer.clone(), Arc::clone(&self.ends));
            let (cause, config) = (self.cause.clone(), Arc::clone(&self.config));
            let found = blocking(move || {
                consumer.map_or(Ok(None), |consumer| inspect(&consumer, &ends, ours, (&cause, &config)))
            })
            .await?;
            if found.is_some() || Instant::now() >= deadline {
                return Ok(found);
            }
            sleep(INTERVAL).await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Joins the threads of the client, which may take a while.
        let consumer = self.consumer.take();
        std::thread::spawn(move || drop(consumer));
    }
}

/// Returns the evidence of another writer so far. `None` without any.
fn inspect(
    consumer: &BaseConsumer<Context>,
    ends: &BTreeMap<i32, i64>,
    ours: Process,
    (cause, config): (&Cause, &Config),
) -> Result<Option<String>, SinkError> {
    let topics = &config.topics;
    for (partition, end) in ends {
        let (_, now) = bounds(consumer, &topics.events, *partition).map_err(|error| {
            cause.failed(&format!("can't read the end of {}", topics.events), error, config)
        })?;
        if now != *end {
            return Ok(Some(format!("partition {partition} grows while this bridge only watches")));
        }
    }
    // Some polls return the end of the partition instead of a message.
    let polled = std::iter::from_fn(|| consumer.poll(POLL));
    for message in polled.take(MOST).filter_map(Result::ok) {
        let id = stored_event::id(|name| header(&message, name), message.payload().unwrap_or_default());
        if id.is_some_and(|id| ours.is_rival(&id)) {
            return Ok(Some(format!("another process sends heartbeats to {}", topics.status)));
        }
    }
    Ok(None)
}

/// The most messages inspected at once.
const MOST: usize = 10_000;
