//! Reads the ends of our partitions, after which the driver resumes.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    ops::Range,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers as _, Message as _},
};

use super::{
    cause::Cause,
    client::{Context, settings},
    config::{Config, Sasl},
    message::used,
    topics::{POLL, REQUEST},
};
use crate::{
    event::JournalId,
    health::Trouble,
    sink::{SinkError, Stored, Tail, stored_event},
};

/// The number of records read at the end of a partition. Messages of a previous producer may follow those of its successor:
/// at most as many as were in flight.
const DEPTH: i64 = 8192;

/// Reads the newest records of each partition; none for a partition that our sources don't write to. `ends` holds the end offsets
/// of partitions that are known to be cut, and receives the end offset of each.
pub(super) fn read(
    cause: &Cause,
    config: &Config,
    sources: &[String],
    partitions: i32,
    ends: &mut BTreeMap<i32, i64>,
) -> Result<Tail, SinkError> {
    let topic = &config.topics.events;
    let what = format!("can't read the end of {topic}");
    let consumer = consumer(cause, config)?;
    let mut readings = BTreeMap::new();
    for partition in used(sources, config.partition_by, partitions) {
        let bounds = bounds(&consumer, topic, partition);
        let (low, high) = bounds.map_err(|error| cause.failed(&what, error, config))?;
        let high = *ends.entry(partition).and_modify(|end| *end = high.min(*end)).or_insert(high);
        // Empty partitions too: they must be readable once they hold records.
        let ignored = config.ignored.iter().filter(|place| place.partition == partition);
        let ignored = ignored.map(|place| place.offset).collect();
        readings.insert(partition, Reading::new(low.max(high - DEPTH)..high, ignored));
    }
    newest(&consumer, topic, &mut readings, config).ok_or_else(|| cause.error(&what, config))??;
    let mut newest = |partition| match readings.remove(&partition) {
        Some(reading) => reading.newest(config, partition),
        None => Ok(Vec::new()),
    };
    (0..partitions).map(&mut newest).collect::<Result<_, SinkError>>().map(Tail::Partitions)
}

/// The end of a partition, while it is read.
struct Reading {
    offsets: Range<i64>,
    /// Offsets that are skipped.
    ignored: Vec<i64>,
    /// By journal and source: the newest record, and the last one.
    found: HashMap<(JournalId, String), Found>,
    /// The last record's offset, and its journal. The journal is `None` for a record that no cti-bridge wrote.
    last: Option<(i64, Option<JournalId>)>,
    is_done: bool,
}

/// Two records of one source, with their offsets.
struct Found {
    newest: (i64, Stored),
    last: (i64, Stored),
}

impl Reading {
    fn new(offsets: Range<i64>, ignored: Vec<i64>) -> Self {
        Self { offsets, ignored, found: HashMap::new(), last: None, is_done: false }
    }

    fn add(&mut self, offset: i64, stored: Option<Stored>) {
        self.is_done |= offset + 1 >= self.offsets.end;
        if !self.offsets.contains(&offset) {
            return;
        }
        if self.ignored.contains(&offset) {
            return;
        }
        self.last = Some((offset, stored.as_ref().map(|stored| stored.journal)));
        let Some(stored) = stored else { return };
        let last = (offset, stored);
        match self.found.entry((last.1.journal, last.1.source.clone())) {
            Entry::Vacant(entry) => drop(entry.insert(Found { newest: last.clone(), last })),
            Entry::Occupied(mut entry) => {
                let found = entry.get_mut();
                if last.1.seq >= found.newest.1.seq {
                    found.newest.clone_from(&last);
                }
                found.last = last;
            }
        }
    }

    /// Returns the records of the journal that wrote the last record: of each source the newest, and the last if it is another
    /// one, as another process may have written it.
    fn newest(self, config: &Config, partition: i32) -> Result<Vec<Stored>, SinkError> {
        let Some((offset, journal)) = self.last else { return Ok(Vec::new()) };
        let (topic, brokers) = (&config.topics.events, config.brokers.join(", "));
        let Some(journal) = journal else {
            return Err(SinkError::operator(
                Trouble::Foreign,
                format!(
                    "{topic} at {brokers} ends with a record (partition {partition}, offset {offset}) that no cti-bridge wrote: stop \
                 other writers, and set `adopt = \"#{partition}/{offset}\"` to resume after it, or set `topic` to a topic of its own"
                ),
            ));
        };
        let ours = self.found.into_iter().filter(|((wrote, _), _)| *wrote == journal);
        let both = ours.flat_map(|(_, Found { newest, last })| {
            let is_other = newest.0 != last.0;
            [Some(newest), is_other.then_some(last)].into_iter().flatten()
        });
        let location = format!("partition {partition} of {topic} at {brokers}");
        let named = both.map(|(offset, stored)| Stored {
            location: location.clone(),
            place: format!("#{partition}/{offset}"),
            ..stored
        });
        Ok(named.collect())
    }
}

/// Returns the first offset, and the one after the last. Retries, as not every broker knows a new partition yet.
pub(super) fn bounds(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    partition: i32,
) -> Result<(i64, i64), KafkaError> {
    let deadline = Instant::now() + REQUEST;
    loop {
        match consumer.fetch_watermarks(topic, partition, REQUEST) {
            Err(_) if Instant::now() < deadline => std::thread::sleep(POLL),
            outcome => return outcome,
        }
    }
}

/// Creates a consumer that joins no group.
pub(super) fn consumer(cause: &Cause, config: &Config) -> Result<BaseConsumer<Context>, SinkError> {
    let own = [
        // The client needs a name, though no group is joined and nothing committed.
        ("group.id", "cti-bridge-tail"),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "error"),
        ("fetch.wait.max.ms", "50"),
        // The end must be seen even if the last offset is a control record.
        ("enable.partition.eof", "true"),
        ("queued.max.messages.kbytes", "8192"),
        // A full queue is drained within milliseconds: the default of 1 s is too long.
        ("fetch.queue.backoff.ms", "10"),
    ];
    let reading = settings(config, own.map(|(name, value)| (name, value.to_owned())));
    let context = Context::new(cause, None, config);
    let consumer: BaseConsumer<_> = reading.create_with_context(context).map_err(super::unusable)?;
    if let Some(Sasl::Token(_)) = config.sasl {
        // A consumer gets a token only when it is polled. No message can arrive yet.
        let _ = consumer.poll(POLL);
    }
    Ok(consumer)
}

/// Reads all partitions concurrently. `None` if one could not be read in time.
fn newest(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    readings: &mut BTreeMap<i32, Reading>,
    config: &Config,
) -> Option<Result<(), SinkError>> {
    let mut places = TopicPartitionList::new();
    for (partition, reading) in &*readings {
        let start = Offset::Offset(reading.offsets.start);
        places.add_partition_offset(topic, *partition, start).ok()?;
    }
    consumer.assign(&places).ok()?;
    let mut received = Instant::now();
    while !readings.values().all(|reading| reading.is_done) {
        if received.elapsed() > REQUEST {
            return None;
        }
        let message = match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => message,
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                if let Some(reading) = readings.get_mut(&partition) {
                    reading.is_done = true;
                }
                continue;
            }
            Some(Err(error))
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::TopicAuthorizationFailed) =>
            {
                return Some(Err(unread(topic, config)));
            }
            Some(Err(_)) | None => continue,
        };
        received = Instant::now();
        if let Some(reading) = readings.get_mut(&message.partition()) {
            let stored =
                stored_event::stored(|name| header(&message, name), message.payload().unwrap_or_default());
            reading.add(message.offset(), stored);
        }
    }
    Some(Ok(()))
}

/// The error of an account that may not read the events topic: the ends are read before anything is written.
pub(super) fn unread(topic: &str, config: &Config) -> SinkError {
    SinkError::operator(
        Trouble::Permission,
        format!(
            "{} does not let us read {topic}, whose end determines where to resume: allow the account READ on it",
            config.brokers.join(", ")
        ),
    )
}

/// Returns the header of an attribute. `None` if it is missing or not UTF-8.
pub(super) fn header(message: &BorrowedMessage<'_>, attribute: &str) -> Option<String> {
    let found = message.headers()?.iter().find(|header| header.key.strip_prefix("ce_") == Some(attribute))?;
    String::from_utf8(found.value?.to_vec()).ok()
}
