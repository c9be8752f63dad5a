//! Whether another process with a copy of our journal writes to our partitions.

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

/// How often the partitions are asked whether they grow.
const ASK: Duration = Duration::from_secs(1);
/// For a heartbeat that is there already.
const POLL: Duration = Duration::from_millis(50);
/// Heartbeats go to the first partition.
const FIRST: i32 = 0;

/// The ends of our partitions, and a consumer at the end of the topic of heartbeats.
pub(super) struct Watch {
    consumer: Option<Arc<BaseConsumer<Context>>>,
    cause: Cause,
    config: Arc<Config>,
    ends: Arc<BTreeMap<i32, i64>>,
}

impl Watch {
    /// Notes where everything ends now. Waits meanwhile.
    pub(super) fn begin(
        cause: &Cause,
        config: &Arc<Config>,
        sources: &[String],
        partitions: i32,
    ) -> Result<Self, SinkError> {
        let topics = &config.topics;
        let consumer = consumer(cause, config)?;
        let failed = |topic: &str| cause.error(&format!("can't read the end of {topic}"), config);
        let mut ends = BTreeMap::new();
        for partition in used(sources, config.partition_by, partitions) {
            let (_, end) =
                bounds(&consumer, &topics.events, partition).map_err(|_| failed(&topics.events))?;
            ends.insert(partition, end);
        }
        // An account need not be allowed to read heartbeats.
        if let Ok((_, end)) = bounds(&consumer, &topics.status, FIRST) {
            let mut place = TopicPartitionList::new();
            let at = place.add_partition_offset(&topics.status, FIRST, Offset::Offset(end));
            let _ = at.and_then(|()| consumer.assign(&place));
        }
        let consumer = Some(Arc::new(consumer));
        Ok(Self { consumer, cause: cause.clone(), config: Arc::clone(config), ends: Arc::new(ends) })
    }

    /// Watches so long. Cancel safe.
    pub(super) async fn until(self, ours: Process, patience: Duration) -> Result<Option<String>, SinkError> {
        let deadline = Instant::now() + patience;
        loop {
            let (consumer, ends) = (self.consumer.clone(), Arc::clone(&self.ends));
            let (cause, config) = (self.cause.clone(), Arc::clone(&self.config));
            let found = blocking(move || {
                consumer.map_or(Ok(None), |consumer| look(&consumer, &ends, ours, (&cause, &config)))
            })
            .await?;
            if found.is_some() || Instant::now() >= deadline {
                return Ok(found);
            }
            sleep(ASK).await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Its threads are joined, which may take a while.
        let consumer = self.consumer.take();
        std::thread::spawn(move || drop(consumer));
    }
}

/// What shows another writer by now.
fn look(
    consumer: &BaseConsumer<Context>,
    ends: &BTreeMap<i32, i64>,
    ours: Process,
    (cause, config): (&Cause, &Config),
) -> Result<Option<String>, SinkError> {
    let topics = &config.topics;
    for (partition, end) in ends {
        let (_, now) = bounds(consumer, &topics.events, *partition)
            .map_err(|_| cause.error(&format!("can't read the end of {}", topics.events), config))?;
        if now != *end {
            return Ok(Some(format!("partition {partition} grows while this bridge only watches")));
        }
    }
    // The end of the partition is an event as well, so some polls bring nothing.
    let polled = std::iter::from_fn(|| consumer.poll(POLL));
    for message in polled.take(MOST).filter_map(Result::ok) {
        let id = stored_event::id(|name| header(&message, name), message.payload().unwrap_or_default());
        if id.is_some_and(|id| ours.is_rival(&id)) {
            return Ok(Some(format!("another process sends heartbeats to {}", topics.status)));
        }
    }
    Ok(None)
}

/// Messages looked at in one go.
const MOST: usize = 10_000;
