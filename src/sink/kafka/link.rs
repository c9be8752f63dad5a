//! One link: the producer of all events, and the single-message producer.

mod dispatch;
mod reports;

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::mpsc::UnboundedReceiver, time::sleep};

use super::{
    cause::Cause,
    client::{Context, Report},
    config::Config,
    flight::{Flight, State},
    message::{Envelopes, partitions_of, topic},
    producers::{Producer, Producers},
    queue::Queue,
    refusal::Refusal,
    shared::Shared,
};
use crate::{
    route::Names,
    sink::{Acked, Link, Outgoing, Partitions, SinkError},
};

/// The payload in flight at which no more is accepted, in bytes.
const PAYLOAD: usize = 32 << 20;
/// The pause before another attempt when the client's queue was full. Room does not appear with an answer, but a moment later.
const ROOM: Duration = Duration::from_millis(10);
/// The time limit for outstanding answers when the link ends.
const ANSWERS: Duration = Duration::from_secs(5);
/// The interval at which the client's queue is purged meanwhile.
const PURGE: Duration = Duration::from_millis(50);
/// The number of every heartbeat: none is waited for.
const STATUS: usize = 0;
/// The number of a dead letter.
const LETTER: usize = usize::MAX;

/// A new producer, and the reports of its context.
pub(super) struct Opened {
    pub(super) producer: Producer,
    pub(super) context: Context,
    pub(super) reports: UnboundedReceiver<Report>,
    pub(super) partitions: i32,
    /// By partition: the offset after the last record.
    pub(super) ends: BTreeMap<i32, i64>,
    pub(super) cause: Cause,
}

/// One link, with its messages in flight.
pub struct Publisher {
    producers: Producers,
    config: Arc<Config>,
    cause: Cause,
    reports: UnboundedReceiver<Report>,
    envelopes: Envelopes,
    flight: Flight,
    queues: Vec<Queue>,
    shared: Arc<Shared>,
    /// The error with which the link ends, and until when it waits for outstanding answers.
    end: Option<(SinkError, Instant)>,
    /// When a producer last had no room for a queued message.
    full: Option<Instant>,
    /// The answer to the dead letter.
    letter: Option<Result<(), Refusal>>,
    /// The reason why the broker refuses heartbeats.
    heartbeat: Option<String>,
}

impl Publisher {
    /// Returns the number of partitions of the events topic.
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

    /// Ends the link once everything in flight is answered, so that none of it arrives after what the next link sends.
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

    /// Returns the error of a link that ends, once everything is answered or the time limit has passed.
    fn ended(&mut self) -> Option<SinkError> {
        let is_answered = self.flight.is_answered();
        self.end.take_if(|(_, until)| is_answered || *until <= Instant::now()).map(|(error, _)| error)
    }

    /// Waits for a delivery report. Cancel safe.
    async fn report(&mut self) -> Result<Report, SinkError> {
        let report = self.reports.recv().await;
        report.ok_or_else(|| self.cause.error("the producer exited", &self.config))
    }
}

impl Link for Publisher {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        batch.iter().try_for_each(|outgoing| self.enqueue(outgoing))
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        loop {
            self.drain_reports()?;
            if self.full.take_if(|at| at.elapsed() >= ROOM).is_some() {
                (0..self.queues.len()).for_each(|index| self.dispatch(index));
            }
            if let Some(error) = self.ended() {
                return Err(error);
            }
            let (is_ending, is_full) = (self.end.is_some(), self.full.is_some());
            if !is_ending && let Some(acked) = self.flight.settled() {
                return Ok(acked);
            }
            tokio::select! {
                report = self.report() => self.handle(report?)?,
                () = sleep(ROOM), if is_full => {}
                // Messages that the client queues for another attempt must not be sent any more.
                () = sleep(PURGE), if is_ending => self.producers.purge_unsent(),
            }
        }
    }

    async fn letter(&mut self, letter: &Outgoing<'_>) -> Result<Option<String>, SinkError> {
        self.letter = None;
        self.send_single(LETTER, letter)?;
        loop {
            if let Some(answer) = self.letter.take() {
                let topic = &self.config.topics.dead_letters;
                return Ok(answer.err().map(|refusal| refusal.reason(topic)));
            }
            let report = self.report().await?;
            self.handle(report)?;
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
        (self.producers.are_busy() && self.cause.is_persistent())
            .then(|| self.cause.error(&format!("{topic} accepts nothing"), &self.config))
    }

    fn refused_heartbeat(&self) -> Option<String> {
        self.heartbeat.clone()
    }

    fn is_cut_off(&self) -> bool {
        self.cause.is_persistent() && self.cause.is_disconnected()
    }

    fn partitions(&self, names: &Names) -> Partitions {
        // Of the other topics only the first partition is used.
        if topic(&self.config.topics, names) == self.config.topics.events {
            partitions_of(names, self.config.partition_by, self.partition_count())
        } else {
            Partitions::One(0)
        }
    }

    fn largest(&self) -> usize {
        self.config.max_message
    }

    async fn close(mut self) {
        // Heartbeats may still be in flight; everything else is settled.
        self.producers.close().await;
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("flight", &self.flight).finish_non_exhaustive()
    }
}
