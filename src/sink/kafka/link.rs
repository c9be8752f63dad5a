//! One link: the producer of all events, and one beside it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::{sync::mpsc::UnboundedReceiver, time::sleep};

use super::{
    cause::Cause,
    client::{Context, Report},
    config::Config,
    flight::{Flight, State},
    message::{Envelopes, partitions_of, topic},
    producers::{Producer, Producers, Unsent, Which},
    queue::{Held, Queue},
    refusal::{self, Refusal, failure},
    shared::Shared,
};
use crate::{
    health::Trouble,
    route::Names,
    sink::{Acked, Link, Outgoing, Partitions, SinkError},
};

/// The payload in flight at which no more is handed over, in bytes.
const PAYLOAD: usize = 32 << 20;
/// How long to wait for room in the client's queue. It is not there with an answer, but a moment later.
const ROOM: Duration = Duration::from_millis(10);
/// For the answers to what is on its way when the link is to end.
const ANSWERS: Duration = Duration::from_secs(5);
/// How often the client's queue is emptied until then.
const PURGE: Duration = Duration::from_millis(50);
/// The number of a heartbeat, which nobody waits for.
const STATUS: usize = 0;
/// The number of a dead letter.
const LETTER: usize = usize::MAX;

/// A producer that was just made, and what its context reports.
pub(super) struct Opened {
    pub(super) producer: Producer,
    pub(super) context: Context,
    pub(super) reports: UnboundedReceiver<Report>,
    pub(super) partitions: i32,
    /// The offset behind each one's last.
    pub(super) ends: BTreeMap<i32, i64>,
    pub(super) cause: Cause,
}

/// One link, and what it has been handed.
pub struct Publisher {
    producers: Producers,
    config: Arc<Config>,
    cause: Cause,
    reports: UnboundedReceiver<Report>,
    envelopes: Envelopes,
    flight: Flight,
    queues: Vec<Queue>,
    shared: Arc<Shared>,
    /// Why the link ends, and how long it waits for answers.
    end: Option<(SinkError, Instant)>,
    /// When a producer had no room for a message that waits.
    full: Option<Instant>,
    /// The answer to the dead letter.
    letter: Option<Result<(), String>>,
    /// Why the broker refuses heartbeats.
    heartbeat: Option<String>,
}

impl Publisher {
    /// How many partitions the topic of events has.
    pub(super) fn partition_count(&self) -> i32 {
        i32::try_from(self.queues.len()).unwrap_or(i32::MAX)
    }

    pub(super) fn new(opened: Opened, config: Arc<Config>, shared: Arc<Shared>) -> Self {
        let Opened { producer, context, reports, partitions, ends, cause } = opened;
        let queue = |partition| Queue::after(ends.get(&partition).map(|end| end - 1));
        Self {
            producers: Producers::new(producer, context),
            cause,
            reports,
            envelopes: Envelopes::new(config.content_mode),
            flight: Flight::default(),
            queues: (0..partitions.max(1)).map(queue).collect(),
            config,
            shared,
            end: None,
            full: None,
            letter: None,
            heartbeat: None,
        }
    }

    /// Takes a delivery report in.
    fn take(&mut self, (number, outcome): Report) -> Result<(), SinkError> {
        let outcome = outcome.map_err(|code| self.root(code));
        match (number, outcome) {
            (LETTER, outcome) => {
                let topic = &self.config.topics.dead_letters;
                let refused = |code| Refusal::of(code, topic, &self.cause, &self.config).reason(topic);
                self.letter = Some(outcome.map(drop).map_err(refused));
                Ok(())
            }
            // The report of what was refused follows.
            (STATUS, Err(RDKafkaErrorCode::GaplessGuarantee)) => Ok(()),
            (STATUS, Err(code)) => {
                let topic = &self.config.topics.status;
                match Refusal::of(code, topic, &self.cause, &self.config) {
                    // The broker's own answer, to a heartbeat alone.
                    Refusal::Place(error) if code as i32 > 0 => {
                        self.heartbeat = Some(format!("{error}; or set `heartbeat = \"off\"`"));
                        Ok(())
                    }
                    Refusal::Place(error) => Err(error),
                    // A heartbeat is not worth an outage.
                    Refusal::Size | Refusal::Invalid => Ok(()),
                }
            }
            (STATUS, Ok(_)) => {
                self.cause.clear();
                self.heartbeat = None;
                Ok(())
            }
            (_, outcome) => {
                self.answered(number, outcome);
                Ok(())
            }
        }
    }

    /// A client that has given up refuses everything as fatal; this is what it has given up for.
    fn root(&self, code: RDKafkaErrorCode) -> RDKafkaErrorCode {
        if code == RDKafkaErrorCode::Fatal { self.producers.fatal().unwrap_or(code) } else { code }
    }

    /// A message of an event was stored or refused.
    fn answered(&mut self, number: usize, outcome: Result<i64, RDKafkaErrorCode>) {
        let Some((index, bytes)) = self.flight.waiting(number) else { return };
        let Some(queue) = self.queues.get_mut(index) else { return };
        let by_itself = queue.answered();
        let by_itself = by_itself.then_some(bytes);
        let state = match outcome {
            Ok(offset) => self.stored(index, offset, by_itself),
            Err(code) => self.refused(code, by_itself),
        };
        let is_stored = state == State::Stored;
        self.flight.set(number, state);
        if is_stored && self.end.is_none() && self.flight.is_answered() {
            self.shared.widen();
        }
        self.pump(index);
    }

    fn stored(&mut self, index: usize, offset: i64, by_itself: Option<usize>) -> State {
        self.cause.clear();
        let partition = i32::try_from(index).unwrap_or_default();
        let Some(queue) = self.queues.get_mut(index) else { return State::Dropped };
        if queue.stored(offset, by_itself.is_some()) {
            if let Some(bytes) = by_itself {
                self.shared.learn(bytes, true);
            }
            // What follows where a partition was cut proves nothing: the next link looks for what is there.
            if self.end.is_none() {
                self.shared.resumed(partition);
            }
            return State::Stored;
        }
        self.shared.cut(partition, offset);
        self.finish(SinkError::again(Trouble::Foreign, format!(
            "partition {partition} of {} stored an event at offset {offset}, where it had newer ones: the topic was created \
             again or has lost its end; comparing what it holds with the journal",
            self.config.topics.events
        )));
        State::Dropped
    }

    /// What becomes of a message that was not stored; `by_itself` if it was the only one of its batch, with its size.
    fn refused(&mut self, code: RDKafkaErrorCode, by_itself: Option<usize>) -> State {
        use RDKafkaErrorCode as C;
        if matches!(code, C::PurgeQueue | C::PurgeInflight | C::GaplessGuarantee | C::Fatal) {
            return State::Dropped;
        }
        let topic = self.config.topics.events.clone();
        let refusal = Refusal::of(code, &topic, &self.cause, &self.config);
        match (refusal, by_itself) {
            (Refusal::Place(error), _) => self.finish(error),
            (refusal, Some(bytes)) => {
                if matches!(refusal, Refusal::Size) {
                    self.shared.learn(bytes, false);
                }
                return State::Refused(refusal.reason(&topic));
            }
            (refusal, None) if self.end.is_none() => {
                let error = refusal::batch(&refusal, &topic, &self.config, self.shared.is_known());
                self.shared.narrow(matches!(refusal, Refusal::Size));
                self.finish(error);
            }
            _ => {}
        }
        State::Dropped
    }

    /// Ends the link once what is on its way has its answer: nothing of it shall arrive behind what the next link sends.
    fn finish(&mut self, error: SinkError) {
        if self.end.is_some() {
            return;
        }
        self.end = Some((error, Instant::now() + ANSWERS));
        for queue in &mut self.queues {
            queue.give_up().for_each(|number| self.flight.set(number, State::Dropped));
        }
        self.producers.purge_unsent();
    }

    /// Everything that has been reported by now.
    fn drain(&mut self) -> Result<(), SinkError> {
        while let Ok(report) = self.reports.try_recv() {
            self.take(report)?;
        }
        Ok(())
    }

    /// The error of a link that is to end, when all is answered that will be.
    fn ended(&mut self) -> Option<SinkError> {
        let is_answered = self.flight.is_answered();
        self.end.take_if(|(_, until)| is_answered || *until <= Instant::now()).map(|(error, _)| error)
    }

    fn hold(&mut self, outgoing: &Outgoing<'_>) -> Result<(), SinkError> {
        let Some(position) = outgoing.position else { return self.send_beside(STATUS, outgoing) };
        let message = self.envelopes.message(outgoing.names, &outgoing.event);
        let size = message.size();
        let number = self.flight.add(position, outgoing.partition, size);
        let by_itself = self.shared.is_single() || self.shared.is_doubtful(size);
        let held = Held { number, names: Arc::clone(outgoing.names), message, by_itself };
        if let Some(queue) = self.queues.get_mut(outgoing.partition) {
            queue.hold(held);
            self.pump(outgoing.partition);
        }
        Ok(())
    }

    /// Hands over what the queue of a partition lets go.
    fn pump(&mut self, index: usize) {
        let partition = i32::try_from(index).unwrap_or_default();
        while self.end.is_none()
            && let Some(held) = self.queues.get_mut(index).and_then(Queue::next)
        {
            let Held { number, names, message, by_itself } = held;
            let which = if by_itself { Which::Beside } else { Which::Events };
            let place = (topic(&self.config.topics, &names), partition);
            let sent = self.producers.send(which, number, place, message, &self.config);
            let Some((unsent, message)) = sent else { continue };
            let Some(queue) = self.queues.get_mut(index) else { return };
            if let Unsent::TooLarge = unsent {
                queue.answered();
                let reason = format!("it is larger than `max_message` ({} bytes)", self.config.max_message);
                self.flight.set(number, State::Refused(reason));
                continue;
            }
            queue.put_back(Held { number, names, message, by_itself });
            // A producer that ended with a batch has a report that tells why.
            let is_refused = self.producers.fatal() == Some(RDKafkaErrorCode::GaplessGuarantee);
            match unsent {
                Unsent::NoRoom => self.full = Some(Instant::now()),
                Unsent::NoProducer(error) => self.finish(error),
                Unsent::Failed(error) if !is_refused => {
                    let error = self.unusable(&error);
                    self.finish(error);
                }
                _ => {}
            }
            return;
        }
    }

    fn unusable(&self, error: &KafkaError) -> SinkError {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        let what = format_args!("the client takes nothing more ({error})");
        failure(self.root(code), &self.config.topics.events, what, (&self.cause, &self.config))
    }

    fn send_beside(&mut self, number: usize, outgoing: &Outgoing<'_>) -> Result<(), SinkError> {
        let message = self.envelopes.message(outgoing.names, &outgoing.event);
        let place = (topic(&self.config.topics, outgoing.names), 0);
        match self.producers.send(Which::Beside, number, place, message, &self.config) {
            None => Ok(()),
            Some((Unsent::TooLarge, _)) => self.take((number, Err(RDKafkaErrorCode::MessageSizeTooLarge))),
            // Where so much waits, a heartbeat has nothing to tell.
            Some((Unsent::NoRoom, _)) if number == STATUS => Ok(()),
            Some((Unsent::NoRoom, _)) => Err(self.cause.error("no room for a dead letter", &self.config)),
            Some((Unsent::NoProducer(error), _)) => Err(error),
            Some((Unsent::Failed(error), _)) => Err(self.unusable(&error)),
        }
    }
}

impl Link for Publisher {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        batch.iter().try_for_each(|outgoing| self.hold(outgoing))
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        loop {
            self.drain()?;
            if self.full.take_if(|at| at.elapsed() >= ROOM).is_some() {
                (0..self.queues.len()).for_each(|index| self.pump(index));
            }
            if let Some(error) = self.ended() {
                return Err(error);
            }
            let is_ending = self.end.is_some();
            if !is_ending && let Some(acked) = self.flight.settled() {
                return Ok(acked);
            }
            tokio::select! {
                report = self.reports.recv() => match report {
                    Some(report) => self.take(report)?,
                    None => return Err(self.cause.error("the producer ended", &self.config)),
                },
                () = sleep(ROOM), if self.full.is_some() => {}
                // What it takes back to send it again will not be sent.
                () = sleep(PURGE), if is_ending => self.producers.purge_unsent(),
            }
        }
    }

    async fn letter(&mut self, letter: &Outgoing<'_>) -> Result<Option<String>, SinkError> {
        self.letter = None;
        self.send_beside(LETTER, letter)?;
        loop {
            if let Some(answer) = self.letter.take() {
                return Ok(answer.err());
            }
            match self.reports.recv().await {
                Some(report) => self.take(report)?,
                None => return Err(self.cause.error("the producer ended", &self.config)),
            }
        }
    }

    fn destination(&self, names: &Names) -> String {
        topic(&self.config.topics, names).to_owned()
    }

    fn window(&self) -> usize {
        if self.end.is_none() && self.flight.bytes() < PAYLOAD { self.shared.window() } else { 0 }
    }

    fn trouble(&self) -> Option<SinkError> {
        let topic = &self.config.topics.events;
        (self.producers.are_busy() && self.cause.stands())
            .then(|| self.cause.error(&format!("{topic} takes nothing"), &self.config))
    }

    fn refused_heartbeat(&self) -> Option<String> {
        self.heartbeat.clone()
    }

    fn is_cut_off(&self) -> bool {
        self.cause.stands() && self.cause.is_disconnected()
    }

    fn partitions(&self, names: &Names) -> Partitions {
        // Topics beside that of events have one partition, or the first will do.
        if topic(&self.config.topics, names) == self.config.topics.events {
            let partitions = i32::try_from(self.queues.len()).unwrap_or(i32::MAX);
            partitions_of(names, self.config.partition_by, partitions)
        } else {
            Partitions::One(0)
        }
    }

    fn largest(&self) -> usize {
        self.config.max_message
    }

    async fn close(mut self) {
        // Heartbeats may still be on their way; everything else is settled.
        self.producers.close().await;
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("flight", &self.flight).finish_non_exhaustive()
    }
}
