//! What our partitions end with: where to go on.

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
    topics::{ASK, LOOK},
};
use crate::{
    event::JournalId,
    health::Trouble,
    sink::{SinkError, Stored, Tail, stored_event},
};

/// How many records to read. What a dead producer had sent may stand at the end, though its successor sent the same: as
/// many as were in flight at most.
const DEPTH: i64 = 8192;

/// The newest records of each partition; none of those that our sources don't write to. `ends` holds the offset where a
/// partition ends that is known to have been cut, and then where each ends.
pub(super) fn read(
    cause: &Cause,
    config: &Config,
    sources: &[String],
    partitions: i32,
    ends: &mut BTreeMap<i32, i64>,
) -> Result<Tail, SinkError> {
    let topic = &config.topics.events;
    let failed = |what: &str| cause.error(&format!("can't read {what} of {topic}"), config);
    let consumer = consumer(cause, config)?;
    let mut readings = BTreeMap::new();
    for partition in used(sources, config.partition_by, partitions) {
        let bounds = bounds(&consumer, topic, partition);
        let (low, high) = bounds.map_err(|error| failed(&format!("the end ({error})")))?;
        let high = *ends.entry(partition).and_modify(|end| *end = high.min(*end)).or_insert(high);
        // Also an empty one, which has to be readable when it has something.
        let ignored = config.ignored.iter().filter(|place| place.partition == partition);
        let ignored = ignored.map(|place| place.offset).collect();
        readings.insert(partition, Reading::new(low.max(high - DEPTH)..high, ignored));
    }
    newest(&consumer, topic, &mut readings, config).ok_or_else(|| failed("the end"))??;
    let mut newest = |partition| match readings.remove(&partition) {
        Some(reading) => reading.newest(config, partition),
        None => Ok(Vec::new()),
    };
    (0..partitions).map(&mut newest).collect::<Result<_, SinkError>>().map(Tail::Partitions)
}

/// The end of a partition, as far as it is read.
struct Reading {
    offsets: Range<i64>,
    /// Those that count as if they were not there.
    ignored: Vec<i64>,
    /// The newest record of each source, by the journal that gave it, and the last one.
    found: HashMap<(JournalId, String), Found>,
    /// The last record's offset, and its journal.
    last: Option<(i64, Option<JournalId>)>,
    is_done: bool,
}

/// Two records of one source, and where they are.
struct Found {
    newest: (i64, Stored),
    last: (i64, Stored),
}

impl Reading {
    fn new(offsets: Range<i64>, ignored: Vec<i64>) -> Self {
        Self { offsets, ignored, found: HashMap::new(), last: None, is_done: false }
    }

    fn take(&mut self, offset: i64, stored: Option<Stored>) {
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

    /// What the journal wrote that wrote the last record: of each source the newest record, and the last if that is
    /// another one, as it need not be of the same process.
    fn newest(self, config: &Config, partition: i32) -> Result<Vec<Stored>, SinkError> {
        let Some((offset, journal)) = self.last else { return Ok(Vec::new()) };
        let (topic, brokers) = (&config.topics.events, config.brokers.join(", "));
        let Some(journal) = journal else {
            return Err(SinkError::operator(
                Trouble::Foreign,
                format!(
                    "{topic} at {brokers} ends with a record (partition {partition}, offset {offset}) that no cti-bridge wrote: let \
                 nobody else write there, and set `adopt = \"#{partition}/{offset}\"` to go on behind it, or name a topic of its \
                 own as `topic`"
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
        // A record that is no event of anybody may be the last.
        ("enable.partition.eof", "true"),
        ("queued.max.messages.kbytes", "8192"),
        // A queue that was full is empty again in a moment, not in a second.
        ("fetch.queue.backoff.ms", "10"),
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

/// Reads all of them, side by side; none if one could not be read.
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
    let mut heard = Instant::now();
    while !readings.values().all(|reading| reading.is_done) {
        if heard.elapsed() > ASK {
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
        heard = Instant::now();
        if let Some(reading) = readings.get_mut(&message.partition()) {
            let stored =
                stored_event::stored(|name| header(&message, name), message.payload().unwrap_or_default());
            reading.take(message.offset(), stored);
        }
    }
    Some(Ok(()))
}

/// The end of our partitions is read before anything is written.
pub(super) fn unread(topic: &str, config: &Config) -> SinkError {
    SinkError::operator(
        Trouble::Permission,
        format!(
            "{} does not let us read {topic}, whose end tells where to go on: allow the account READ on it",
            config.brokers.join(", ")
        ),
    )
}

/// The header of an attribute.
pub(super) fn header(message: &BorrowedMessage<'_>, attribute: &str) -> Option<String> {
    let found = message.headers()?.iter().find(|header| header.key.strip_prefix("ce_") == Some(attribute))?;
    String::from_utf8(found.value?.to_vec()).ok()
}
