//! What our partitions end with: where to go on.

use std::{
    collections::{BTreeMap, HashMap},
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
    client::{Cause, Context, settings},
    config::{Config, Sasl},
    message::used,
    topics::{ASK, LOOK},
};
use crate::{
    event::{JournalId, Seq},
    sink::{SinkError, Stored, Tail, kept},
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
        readings.insert(partition, Reading::new(low.max(high - DEPTH)..high));
    }
    newest(&consumer, topic, &mut readings, config).ok_or_else(|| failed("the end"))??;
    let mut newest = |partition| match readings.remove(&partition) {
        Some(reading) => reading.newest(config, partition),
        None => Ok(Vec::new()),
    };
    (0..partitions).map(&mut newest).collect::<Result<_, SinkError>>().map(Tail::Lanes)
}

/// The end of a partition, as far as it is read.
struct Reading {
    offsets: Range<i64>,
    /// The newest number of each source, by the journal that gave it.
    newest: HashMap<(JournalId, String), Seq>,
    /// The last record's offset, and its journal.
    last: Option<(i64, Option<JournalId>)>,
    is_done: bool,
}

impl Reading {
    fn new(offsets: Range<i64>) -> Self {
        Self { offsets, newest: HashMap::new(), last: None, is_done: false }
    }

    fn take(&mut self, offset: i64, stored: Option<Stored>) {
        self.is_done |= offset + 1 >= self.offsets.end;
        if !self.offsets.contains(&offset) {
            return;
        }
        let journal = stored.as_ref().map(|stored| stored.journal);
        if let Some(Stored { source, journal, seq }) = stored {
            let newest = self.newest.entry((journal, source)).or_insert(seq);
            *newest = seq.max(*newest);
        }
        self.last = Some((offset, journal));
    }

    /// What the journal wrote that wrote the last record.
    fn newest(self, config: &Config, partition: i32) -> Result<Vec<Stored>, SinkError> {
        let Some((offset, journal)) = self.last else { return Ok(Vec::new()) };
        let Some(journal) = journal else {
            return Err(SinkError::Operator(format!(
                "{} at {} ends with a record (partition {partition}, offset {offset}) that no cti-bridge wrote: let \
                 nobody else write there, or name a topic of its own as `topic`",
                config.topics.events,
                config.brokers.join(", ")
            )));
        };
        let ours = self.newest.into_iter().filter(|((wrote, _), _)| *wrote == journal);
        Ok(ours.map(|((journal, source), seq)| Stored { source, journal, seq }).collect())
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
            let stored = kept::stored(|name| header(&message, name), message.payload().unwrap_or_default());
            reading.take(message.offset(), stored);
        }
    }
    Some(Ok(()))
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
