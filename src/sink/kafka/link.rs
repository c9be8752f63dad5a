//! One producer.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseRecord, Producer as _, PurgeConfig, ThreadedProducer},
};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{sleep, timeout},
};

use super::{
    client::{Cause, Context, Report},
    config::Config,
    message::{Envelopes, Message, lanes, topic},
};
use crate::{
    event::Position,
    route::Names,
    sink::{Acked, Lanes, Link, Outgoing, SinkError},
};

/// The payload in flight at which no more is handed over, in bytes.
const PAYLOAD: usize = 32 << 20;

/// How long to wait for room in the client's queue before looking again.
const ROOM: Duration = Duration::from_millis(10);

/// One producer, and what it has been handed.
pub struct Publisher {
    producer: Option<Arc<ThreadedProducer<Context>>>,
    config: Arc<Config>,
    pub(super) partitions: i32,
    cause: Cause,
    reports: UnboundedReceiver<Report>,
    envelopes: Envelopes,
    flight: Flight,
    /// Set where a refusal for size does not tell whose it is: the next link finds out.
    singly: Option<Arc<AtomicBool>>,
}

/// What was handed over and is not settled, in order. Partitions answer each in its own time.
#[derive(Debug, Default)]
struct Flight {
    slots: VecDeque<(Position, Slot)>,
    /// The number of the first slot; 0 is nobody's.
    first: usize,
    /// In the messages that wait.
    bytes: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Slot {
    /// For the broker's answer, with this many bytes.
    Waiting(usize),
    Stored,
    Refused(String),
}

impl Slot {
    fn waiting(&self) -> usize {
        if let Self::Waiting(bytes) = self { *bytes } else { 0 }
    }
}

impl Flight {
    fn add(&mut self, position: Position, slot: Slot) -> usize {
        self.first = self.first.max(1);
        self.bytes += slot.waiting();
        self.slots.push_back((position, slot));
        self.first + self.slots.len() - 1
    }

    fn set(&mut self, number: usize, slot: Slot) {
        let index = number.checked_sub(self.first).filter(|_| number > 0);
        if let Some(found) = index.and_then(|index| self.slots.get_mut(index)) {
            self.bytes -= found.1.waiting();
            found.1 = slot;
        }
    }

    /// What is settled without a hole before it, up to the first that was refused.
    fn settled(&mut self) -> Option<Acked> {
        let mut through = None;
        while let Some((position, slot)) = self.slots.front() {
            let position = *position;
            let refused = match slot {
                Slot::Waiting(_) => break,
                Slot::Stored => None,
                Slot::Refused(_) if through.is_some() => break,
                Slot::Refused(reason) => Some(reason.clone()),
            };
            self.slots.pop_front();
            self.first += 1;
            if refused.is_some() {
                return Some(Acked { through: position, refused });
            }
            // The same event in another partition follows it at once.
            if self.slots.front().is_none_or(|(next, _)| *next != position) {
                through = Some(position);
            }
        }
        through.map(|through| Acked { through, refused: None })
    }
}

impl Publisher {
    pub(super) fn new(
        (producer, reports): (Arc<ThreadedProducer<Context>>, UnboundedReceiver<Report>),
        config: Arc<Config>,
        partitions: i32,
        cause: Cause,
        singly: Option<Arc<AtomicBool>>,
    ) -> Self {
        let envelopes = Envelopes::new(config.content_mode);
        let producer = Some(producer);
        Self { producer, config, partitions, cause, reports, envelopes, flight: Flight::default(), singly }
    }

    /// Takes a delivery report in.
    fn take(&mut self, (number, outcome): Report) -> Result<(), SinkError> {
        use RDKafkaErrorCode as C;
        let topics = &self.config.topics;
        // Heartbeats and dead letters have no number.
        let topic = match number {
            0 => format!("{} or {}", topics.status, topics.dead_letters),
            _ => topics.events.clone(),
        };
        let code = match outcome {
            Ok(()) => {
                self.cause.clear();
                self.flight.set(number, Slot::Stored);
                return Ok(());
            }
            Err(code) => code,
        };
        if let (C::MessageSizeTooLarge, Some(singly), 1..) = (code, &self.singly, number) {
            singly.store(true, Ordering::Relaxed);
            return Err(SinkError::Again(format!(
                "{topic} does not take a batch for its size: messages are sent one by one now, which is slow; allow the account \
                 DESCRIBE_CONFIGS on {topic}, so that the size it takes is known, or raise `max.message.bytes` there"
            )));
        }
        let code = self.root(code);
        let refused = match code {
            C::MessageSizeTooLarge => {
                Some(format!("it is larger than the topic takes: raise `max.message.bytes` of {topic}"))
            }
            C::InvalidRecord | C::InvalidMessage => Some("the broker calls the record invalid".to_owned()),
            _ => None,
        };
        if let Some(reason) = refused {
            self.flight.set(number, Slot::Refused(reason));
            return Ok(());
        }
        Err(self.failure(code, &topic, format_args!("{topic} took no more ({code})")))
    }

    /// A client that has given up refuses everything as fatal; this is what it has given up for.
    fn root(&self, code: RDKafkaErrorCode) -> RDKafkaErrorCode {
        let fatal = || self.producer.as_ref()?.client().fatal_error();
        if code == RDKafkaErrorCode::Fatal { fatal().map_or(code, |(root, _)| root) } else { code }
    }

    /// With the remedy; `what` is said of a code that has none of its own.
    fn failure(&self, code: RDKafkaErrorCode, topic: &str, what: fmt::Arguments<'_>) -> SinkError {
        use RDKafkaErrorCode as C;
        let brokers = self.config.brokers.join(", ");
        match code {
            C::TopicAuthorizationFailed | C::ClusterAuthorizationFailed => SinkError::Operator(format!(
                "{brokers} does not let us write to {topic}: allow the account WRITE and DESCRIBE on the topics of the sink, and READ on that of events"
            )),
            C::UnknownTopicOrPartition | C::UnknownTopic | C::UnknownPartition => {
                SinkError::Operator(format!(
                    "{brokers} has no topic {topic} (any more): create it, or set `create_topics = true`"
                ))
            }
            C::PolicyViolation => {
                SinkError::Operator(format!("a policy of {brokers} refuses what is written to {topic}"))
            }
            _ => self.cause.error(&what.to_string(), &self.config),
        }
    }

    /// Everything that has been reported by now.
    fn drain(&mut self) -> Result<(), SinkError> {
        while let Ok(report) = self.reports.try_recv() {
            self.take(report)?;
        }
        Ok(())
    }

    async fn produce(&mut self, outgoing: &Outgoing<'_>) -> Result<(), SinkError> {
        let Message { key, headers, payload } = self.envelopes.message(outgoing.names, &outgoing.event);
        let number =
            outgoing.position.map_or(0, |position| self.flight.add(position, Slot::Waiting(payload.len())));
        let config = Arc::clone(&self.config);
        let mut record = BaseRecord::with_opaque_to(topic(&config.topics, outgoing.names), number)
            .partition(i32::try_from(outgoing.lane).unwrap_or_default())
            .key(&key)
            .payload(&*payload)
            .headers(headers);
        loop {
            let Some(producer) = &self.producer else { return Err(SinkError::Again("closed".to_owned())) };
            let (error, back) = match producer.send(record) {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            match error.rdkafka_error_code() {
                // No error: what waits is as much as may wait.
                Some(RDKafkaErrorCode::QueueFull) => {
                    record = back;
                    self.drain()?;
                    sleep(ROOM).await;
                }
                Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                    let reason = format!("it is larger than `max_message` ({} bytes)", config.max_message);
                    self.flight.set(number, Slot::Refused(reason));
                    return Ok(());
                }
                _ => return Err(self.refused(&error)),
            }
        }
    }

    fn refused(&self, error: &KafkaError) -> SinkError {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        let what = format_args!("the client takes nothing more ({error})");
        self.failure(self.root(code), &self.config.topics.events, what)
    }
}

impl Link for Publisher {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        for outgoing in batch {
            self.produce(outgoing).await?;
        }
        Ok(())
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        loop {
            self.drain()?;
            if let Some(acked) = self.flight.settled() {
                return Ok(acked);
            }
            match self.reports.recv().await {
                Some(report) => self.take(report)?,
                None => return Err(self.cause.error("the producer ended", &self.config)),
            }
        }
    }

    fn window(&self) -> usize {
        if self.flight.bytes < PAYLOAD { usize::MAX } else { 0 }
    }

    fn trouble(&self) -> Option<String> {
        let waits = self.producer.as_ref().is_some_and(|producer| producer.in_flight_count() > 0);
        let topic = &self.config.topics.events;
        (waits && self.cause.stands())
            .then(|| self.cause.error(&format!("{topic} takes nothing"), &self.config).to_string())
    }

    fn lanes(&self, names: &Names) -> Lanes {
        // Topics beside that of events have one partition, or the first will do.
        if topic(&self.config.topics, names) == self.config.topics.events {
            lanes(names, self.config.partition_by, self.partitions)
        } else {
            Lanes::One(0)
        }
    }

    fn largest(&self) -> usize {
        self.config.max_message
    }

    async fn close(mut self) {
        // Heartbeats and dead letters may still be on their way; everything else is settled.
        if let Some(producer) = self.producer.take() {
            let flushed = tokio::task::spawn_blocking(move || {
                let _ = producer.flush(Duration::from_millis(900));
            });
            let _ = timeout(Duration::from_secs(1), flushed).await;
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        if let Some(producer) = self.producer.take() {
            producer.purge(PurgeConfig::default().queue().inflight());
            // Its threads are joined, which may take a while.
            std::thread::spawn(move || drop(producer));
        }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("flight", &self.flight).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(flight: &mut Flight) -> Option<(u64, bool)> {
        flight.settled().map(|acked| (acked.through.0, acked.refused.is_some()))
    }

    #[test]
    fn what_is_settled_is_a_prefix_and_a_refusal_stands_alone() {
        let mut flight = Flight::default();
        let numbers: Vec<usize> =
            (10..16).map(|position| flight.add(Position(position), Slot::Waiting(7))).collect();
        flight.set(numbers[1], Slot::Stored);
        assert_eq!(through(&mut flight), None);
        flight.set(numbers[0], Slot::Stored);
        flight.set(numbers[2], Slot::Refused("x".to_owned()));
        flight.set(numbers[3], Slot::Stored);
        assert_eq!(through(&mut flight), Some((11, false)));
        assert_eq!(through(&mut flight), Some((12, true)));
        assert_eq!(through(&mut flight), Some((13, false)));
        flight.set(numbers[0], Slot::Stored);
        flight.set(0, Slot::Stored);
        assert_eq!(through(&mut flight), None, "late and nobody's reports change nothing");
        let more = flight.add(Position(20), Slot::Waiting(7));
        flight.set(numbers[4], Slot::Stored);
        flight.set(numbers[5], Slot::Stored);
        flight.set(more, Slot::Stored);
        assert_eq!(through(&mut flight), Some((20, false)));
        assert_eq!(flight.bytes, 0);
    }

    #[test]
    fn what_goes_to_several_partitions_is_settled_when_all_have_it() {
        let mut flight = Flight::default();
        let numbers: Vec<usize> =
            [1, 2, 2, 2, 3, 3].map(|position| flight.add(Position(position), Slot::Waiting(7))).to_vec();
        for stored in [0, 1, 2] {
            flight.set(numbers[stored], Slot::Stored);
        }
        assert_eq!(through(&mut flight), Some((1, false)));
        assert_eq!(through(&mut flight), None);
        flight.set(numbers[3], Slot::Stored);
        assert_eq!(through(&mut flight), Some((2, false)));
        flight.set(numbers[4], Slot::Refused("x".to_owned()));
        flight.set(numbers[5], Slot::Refused("x".to_owned()));
        assert_eq!(through(&mut flight), Some((3, true)));
    }
}
