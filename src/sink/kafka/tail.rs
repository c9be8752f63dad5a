//! What our partitions end with: where to go on.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers as _, Message as _},
};

use super::{
    client::{Cause, Context, settings},
    config::{Config, Sasl},
    message::partition,
    topics::{ASK, LOOK},
};
use crate::sink::{LaneEnd, SinkError, Stored, Tail, kept};

/// The newest record of each partition that our sources write to.
pub(super) fn read(
    cause: &Cause,
    config: &Config,
    sources: &[String],
    partitions: i32,
) -> Result<Tail, SinkError> {
    let topic = &config.topics.events;
    let mut lanes: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for source in sources {
        lanes.entry(partition(source, partitions)).or_default().push(source.clone());
    }
    let failed = |what: &str| cause.error(&format!("can't read {what} of {topic}"), config);
    let consumer = consumer(cause, config)?;
    let lanes = lanes.into_iter().map(|(partition, sources)| {
        let bounds = bounds(&consumer, topic, partition);
        let (low, high) = bounds.map_err(|error| failed(&format!("the end ({error})")))?;
        let newest = if high > low {
            Some(
                newest(&consumer, (topic, partition, high - 1), config)
                    .ok_or_else(|| failed("the last record"))??,
            )
        } else {
            None
        };
        Ok(LaneEnd { sources, newest })
    });
    lanes.collect::<Result<_, SinkError>>().map(Tail::Lanes)
}

/// The first offset, and the one after the last. A partition that was made this moment is not known everywhere yet.
pub(super) fn bounds(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    partition: i32,
) -> Result<(i64, i64), KafkaError> {
    let deadline = Instant::now() + ASK;
    loop {
        match consumer.fetch_watermarks(topic, partition, ASK) {
            Err(_) if Instant::now() < deadline => std::thread::sleep(LOOK),
            outcome => return outcome,
        }
    }
}

/// A consumer of no group.
pub(super) fn consumer(cause: &Cause, config: &Config) -> Result<BaseConsumer<Context>, SinkError> {
    let own = [
        // No group is joined and nothing committed; the client wants a name all the same.
        ("group.id", "cti-bridge-tail"),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "error"),
        ("fetch.wait.max.ms", "50"),
    ];
    let reading = settings(config, own.map(|(name, value)| (name, value.to_owned())));
    let context = Context::new(cause, None, config);
    let consumer: BaseConsumer<_> =
        reading.create_with_context(context).map_err(|error| super::unusable(&error))?;
    if let Some(Sasl::Token(_)) = config.sasl {
        // Who is not polled gets no token; nothing else can come yet.
        let _ = consumer.poll(LOOK);
    }
    Ok(consumer)
}

/// None if it could not be read.
fn newest(
    consumer: &BaseConsumer<Context>,
    (topic, partition, offset): (&str, i32, i64),
    config: &Config,
) -> Option<Result<Stored, SinkError>> {
    let mut place = TopicPartitionList::new();
    place.add_partition_offset(topic, partition, Offset::Offset(offset)).ok()?;
    consumer.assign(&place).ok()?;
    let deadline = Instant::now() + ASK;
    while Instant::now() < deadline {
        let message = match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => message,
            Some(Err(error))
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::TopicAuthorizationFailed) =>
            {
                return Some(Err(unread(topic, config)));
            }
            Some(Err(_)) | None => continue,
        };
        if message.partition() != partition || message.offset() != offset {
            continue;
        }
        let stored = kept::stored(|name| header(&message, name), message.payload().unwrap_or_default());
        return Some(stored.ok_or_else(|| {
            SinkError::Operator(format!(
                "{topic} at {} ends with a record (partition {partition}, offset {offset}) that no cti-bridge wrote: let \
                 nobody else write there, or name a topic of its own as `topic`",
                config.brokers.join(", ")
            ))
        }));
    }
    None
}

/// The end of our partitions is read before anything is written.
pub(super) fn unread(topic: &str, config: &Config) -> SinkError {
    SinkError::Operator(format!(
        "{} does not let us read {topic}, whose end tells where to go on: allow the account READ on it",
        config.brokers.join(", ")
    ))
}

/// The header of an attribute.
pub(super) fn header(message: &BorrowedMessage<'_>, attribute: &str) -> Option<String> {
    let found = message.headers()?.iter().find(|header| header.key.strip_prefix("ce_") == Some(attribute))?;
    String::from_utf8(found.value?.to_vec()).ok()
}
