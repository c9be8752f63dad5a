//! Reads the events topic back: our partitions, from the first record to the last one at the start.

use std::time::{Duration, Instant};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::Consumer as _,
    error::{KafkaError, RDKafkaErrorCode},
    message::Message as _,
    producer::Producer as _,
};

use super::{
    Kafka,
    cause::Cause,
    client::{BATCH, Context},
    message::used,
    tail::{bounds, consumer, header, unread},
    topics,
};
use crate::sink::{SinkError, stored_event, verify::Held};

/// The time after which a broker that sends nothing, though there are more records, counts as lost.
const SILENCE: Duration = Duration::from_secs(30);

impl Kafka {
    /// Calls `each` with every event of our partitions, each partition in its order. Blocks.
    pub(super) fn read_all(&self, mut each: impl FnMut(&Held)) -> Result<(), SinkError> {
        let (config, cause) = (&*self.config, Cause::default());
        let topic = &config.topics.events;
        let context = Context::new(&cause, None, config);
        let producer = super::produce(config, BATCH, context)?;
        let found = topics::partitions(producer.client(), &cause, config, topic)?;
        let partitions = found.ok_or_else(|| topics::missing(&[topic], config))?.count;
        let ours = used(&self.sources, config.partition_by, partitions);
        let failed =
            |what: &str, error| cause.failed(&format!("can't read {what} of {topic}"), error, config);
        let consumer = consumer(&cause, config)?;
        for partition in ours {
            let (low, high) =
                bounds(&consumer, topic, partition).map_err(|error| failed("the bounds", error))?;
            if high <= low {
                continue;
            }
            let mut place = TopicPartitionList::new();
            place
                .add_partition_offset(topic, partition, Offset::Offset(low))
                .and_then(|()| consumer.assign(&place))
                .map_err(|error| failed("the records", error))?;
            let mut received = Instant::now();
            loop {
                let message = match consumer.poll(Duration::from_millis(200)) {
                    Some(Ok(message)) => message,
                    Some(Err(KafkaError::PartitionEOF(_))) => break,
                    Some(Err(error))
                        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::TopicAuthorizationFailed) =>
                    {
                        return Err(unread(topic, config));
                    }
                    Some(Err(_)) | None if received.elapsed() > SILENCE => {
                        let what = format!("{topic} has more records, but none arrived for {SILENCE:?}");
                        return Err(cause.error(&what, config));
                    }
                    Some(Err(_)) | None => continue,
                };
                received = Instant::now();
                let held =
                    stored_event::held(|name| header(&message, name), message.payload().unwrap_or_default());
                if let Some(held) = held {
                    let partition = usize::try_from(partition).unwrap_or_default();
                    each(&Held { partition, ..held });
                }
                if message.offset() + 1 >= high {
                    break;
                }
            }
        }
        Ok(())
    }
}
