//! Reads a topic of one partition back.

use rdkafka::message::{Headers as _, Message as _, OwnedMessage};

use super::{
    common::TOPIC,
    kafka::Kafka,
    stored::{Reading, Stored, number},
};

/// The maximum number of notices after the newest event.
const NOTICES: i64 = 20;

/// The number of messages; `None` while the broker or the topic is unavailable.
pub(crate) fn count(kafka: &Kafka) -> Option<u64> {
    tokio::task::block_in_place(|| kafka.end(TOPIC, 0)).and_then(|end| end.try_into().ok())
}

/// The number of the newest event.
pub(crate) fn newest(kafka: &Kafka) -> Option<usize> {
    tokio::task::block_in_place(|| {
        let end = kafka.end(TOPIC, 0)?;
        let records = kafka.records(TOPIC, 0, end - NOTICES);
        records.iter().rev().find_map(|record| number(record.payload()?))
    })
}

/// All stored events, in order.
pub(crate) fn read(kafka: &Kafka) -> Stored {
    let mut reading = Reading::default();
    for record in tokio::task::block_in_place(|| kafka.records(TOPIC, 0, 0)) {
        reading.take(|name| header(&record, name), record.payload().unwrap_or_default());
    }
    reading.end()
}

fn header(record: &OwnedMessage, name: &str) -> Option<String> {
    let found = record.headers()?.iter().find(|header| header.key.strip_prefix("ce_") == Some(name))?;
    String::from_utf8(found.value?.to_vec()).ok()
}
