//! Kafka: the bare pass-through's producer, and the subscriber's consumer.

use std::time::Duration;

use rdkafka::{
    ClientConfig, ClientContext, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::RDKafkaErrorCode,
    message::{Header, Message as _, OwnedHeaders},
    producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer},
};

use super::{common::TOPIC, passthrough::values};

const NAMES: [&str; 10] = [
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "ce_time",
    "content-type",
    "ce_sequence",
    "ce_ctiprev",
    "ce_ctigap",
    "ce_subject",
];

/// Checks every delivery report, as every producer must that wants to lose nothing.
struct Reports;

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok());
    }
}

/// A topic, written with the bridge's settings.
pub(crate) struct Topic(ThreadedProducer<Reports>);

impl Topic {
    pub(crate) fn new(broker: &str) -> Self {
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", broker).set("message.timeout.ms", "0");
        settings.set("enable.idempotence", "true").set("compression.type", "lz4").set("linger.ms", "1");
        settings.set("queue.buffering.max.messages", "100000").set("socket.nagle.disable", "true");
        Self(settings.create_with_context(Reports).unwrap())
    }

    /// Waits while the client's queue is full.
    pub(crate) fn publish(&self, payload: &[u8], sequence: u64) {
        let values = values(sequence);
        let headers = OwnedHeaders::new_with_capacity(NAMES.len());
        let headers = NAMES
            .iter()
            .zip(&values)
            .fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let mut record =
            BaseRecord::to(TOPIC).partition(0).key("pbx1/extension/201").payload(payload).headers(headers);
        while let Err((error, back)) = self.0.send(record) {
            assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull));
            record = back;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Creates a consumer of the topic.
pub(crate) fn consumer(broker: &str) -> BaseConsumer {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", broker).set("group.id", "bench").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = settings.create().unwrap();
    let mut place = TopicPartitionList::new();
    place.add_partition_offset(TOPIC, 0, Offset::Beginning).unwrap();
    consumer.assign(&place).unwrap();
    consumer
}

/// The next record's payload.
pub(crate) fn next(consumer: &BaseConsumer, into: &mut Vec<u8>) {
    let message = consumer.poll(Duration::from_mins(1)).expect("nothing comes").unwrap();
    into.clear();
    into.extend_from_slice(message.payload().unwrap_or_default());
}
