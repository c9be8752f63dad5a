//! The one driver of all sinks: reconnecting, what is in flight, deadlines, cursor and ledger.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use super::{Acked, Context, Link, Outgoing, SLOW, Sink, SinkError, heartbeat::Heartbeat};
use crate::{
    event::{Notice, Position, Record, Seq, SourceId},
    health::Component,
    journal::{Reader, Settled},
    retry::{Backoff, Range},
    route::{Plan, Verdict},
    shutdown::Stop,
};

/// Limits of a driver.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Records in flight at most: sent and not settled. Large enough that a busy broker's answers, milliseconds late,
    /// don't hold the line up at 200,000 records a second.
    pub window: usize,
    /// Records handed to a link at once.
    pub batch: usize,
    /// How long to wait for a connection, for a batch to be taken, and for an acknowledgement while
    /// something is in flight. Then the link is given up.
    pub deadline: Duration,
    /// Delays between attempts to open a link.
    pub backoff: Range,
    /// How often to publish a heartbeat.
    pub heartbeat: Option<Duration>,
    /// End after this many published records.
    pub limit: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            window: 8192,
            batch: 256,
            deadline: Duration::from_secs(10),
            backoff: Range { from: Duration::from_millis(50), to: Duration::from_secs(5) },
            heartbeat: Some(Duration::from_secs(10)),
            limit: None,
        }
    }
}

/// How a driver ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything on the line is settled.
    Drained,
    /// Stopped with this many records not settled.
    Undelivered(u64),
    /// The limit is reached.
    LimitReached,
    /// The destination is gone for good.
    Gone(String),
}

/// One sink's driver.
#[derive(Debug)]
pub struct Driver {
    reader: Reader,
    plan: Plan,
    health: Component,
    heartbeat: Heartbeat,
    name: Arc<str>,
    options: Options,
    stop: Stop,
    published: u64,
    flights: VecDeque<Flight>,
    lane: Vec<Seq>,
}

/// A record that was sent, or left out, and is not settled yet.
#[derive(Debug)]
struct Flight {
    position: Position,
    source: SourceId,
    seq: Seq,
    settled: Settled,
}

impl Driver {
    /// A driver for sink number `index`.
    pub fn new(context: &Context, index: usize, plan: Plan, options: Options) -> Self {
        let name: Arc<str> = context.sinks.get(index).map(String::as_str).unwrap_or_default().into();
        Self {
            reader: context.journal.reader(index),
            plan,
            health: context.board.component(format!("sink/{name}")),
            heartbeat: Heartbeat::new(context, index),
            name,
            options,
            stop: context.stop.clone(),
            published: 0,
            flights: VecDeque::new(),
            lane: Vec::new(),
        }
    }

    /// Delivers until told to stop.
    pub async fn run<S: Sink>(mut self, sink: S) -> Outcome {
        let mut backoff = Backoff::new(self.options.backoff);
        loop {
            let before = self.published;
            let error = match self.attempt(&sink).await {
                Ok(outcome) => return outcome,
                Err(SinkError::Gone(reason)) => return Outcome::Gone(reason),
                Err(error) => error,
            };
            if self.published > before {
                backoff.reset();
            }
            self.health.failing(&error.to_string());
            let delay = match error {
                SinkError::Operator(_) => SLOW.max(backoff.delay()),
                _ => backoff.delay(),
            };
            tokio::select! {
                () = sleep(delay) => {}
                () = self.stop.hard() => return self.undelivered(),
            }
        }
    }

    /// One link: opens it, and delivers until it breaks or the end.
    async fn attempt<S: Sink>(&mut self, sink: &S) -> Result<Outcome, SinkError> {
        let stop = self.stop.clone();
        let opened = tokio::select! {
            opened = timeout(self.options.deadline, sink.open()) => opened,
            () = stop.hard() => return Ok(self.undelivered()),
        };
        let (mut link, _tail) = opened.map_err(|_| {
            SinkError::Again(format!("no connection within {:?}: is the broker up?", self.options.deadline))
        })??;
        self.health.active();
        self.flights.clear();
        self.reader.journal().announce_losses();
        self.lane = self.reader.rewind().lane;
        let outcome = tokio::select! {
            outcome = self.serve(&mut link) => outcome?,
            () = stop.hard() => self.undelivered(),
        };
        // What it was for is settled; a link that does not close in time is dropped.
        let _ = timeout(Duration::from_secs(1), link.close()).await;
        Ok(outcome)
    }

    async fn serve<L: Link>(&mut self, link: &mut L) -> Result<Outcome, SinkError> {
        let stop = self.stop.clone();
        let mut beat = interval(self.options.heartbeat.unwrap_or(Duration::from_hours(1)));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut records = Vec::with_capacity(self.options.batch);
        let mut answered = Instant::now();
        loop {
            if self.options.limit.is_some_and(|limit| self.published >= limit) {
                return Ok(Outcome::LimitReached);
            }
            if stop.is_draining() && self.reader.is_drained() {
                return Ok(Outcome::Drained);
            }
            let room = self.room(link.window());
            if room > 0 && !self.reader.at_end() {
                if self.flights.is_empty() {
                    answered = Instant::now();
                }
                self.send(link, room, &mut records).await?;
                continue;
            }
            let waits = self.flights.is_empty();
            tokio::select! {
                biased;
                acked = link.acked() => {
                    self.settle(acked?);
                    answered = Instant::now();
                }
                () = self.reader.ready(), if room > 0 => {}
                _ = beat.tick(), if self.options.heartbeat.is_some() => self.beat(link).await?,
                () = stop.draining(), if waits => {}
                () = sleep_until(answered + self.options.deadline), if !waits => return Err(SinkError::Again(format!(
                    "no acknowledgement within {:?} for {} records in flight",
                    self.options.deadline, self.flights.len()
                ))),
            }
        }
    }

    fn room(&self, window: usize) -> usize {
        let window = window.min(self.options.window);
        let batch = window.min(self.options.batch);
        let room = window.saturating_sub(self.flights.len()).min(batch);
        // Half a batch at least, so that a busy line moves in few large steps.
        let room = if room < batch.div_ceil(2) { 0 } else { room };
        match self.options.limit {
            None => room,
            Some(limit) => {
                let left = limit.saturating_sub(self.published + self.flights.len() as u64);
                room.min(usize::try_from(left).unwrap_or(usize::MAX))
            }
        }
    }

    async fn send<L: Link>(
        &mut self,
        link: &mut L,
        most: usize,
        records: &mut Vec<Record>,
    ) -> Result<(), SinkError> {
        records.clear();
        self.reader.read(most, records);
        let mut verdicts = Vec::with_capacity(records.len());
        for record in &*records {
            verdicts.push((record, self.plan.decide(record)));
        }
        let mut batch = Vec::with_capacity(verdicts.len());
        for (record, verdict) in &verdicts {
            let settled = match verdict {
                Verdict::Filtered => Settled::Filtered,
                Verdict::Publish(published) => {
                    let prev = self
                        .lane
                        .get_mut(record.source.index())
                        .map_or(Seq(0), |lane| std::mem::replace(lane, record.seq));
                    batch.push(Outgoing {
                        position: Some(record.position),
                        names: &published.names,
                        event: self.plan.envelope(record, published, prev),
                    });
                    Settled::Published
                }
            };
            let Record { position, source, seq, .. } = **record;
            self.flights.push_back(Flight { position, source, seq, settled });
        }
        let sent = timeout(self.options.deadline, link.send(&batch)).await;
        sent.map_err(|_| {
            SinkError::Again(format!(
                "the broker took nothing for {:?}: it is slow or stuck",
                self.options.deadline
            ))
        })??;
        self.settle_left_out();
        Ok(())
    }

    async fn beat<L: Link>(&mut self, link: &mut L) -> Result<(), SinkError> {
        let beats = self.heartbeat.beats(&mut self.plan);
        let batch: Vec<_> = beats.iter().map(|beat| beat.outgoing(&self.plan)).collect();
        let sent = timeout(self.options.deadline, link.send(&batch)).await;
        sent.map_err(|_| SinkError::Again("the broker takes no heartbeat: it is slow or stuck".to_owned()))?
    }

    /// Moves the cursor past everything the broker has answered for.
    fn settle(&mut self, acked: Acked) {
        if let (Some(reason), Some(refused)) =
            (acked.refused, self.flights.iter_mut().find(|flight| flight.position == acked.through))
        {
            refused.settled = Settled::DeadLettered;
            let notice = Notice::Deadlettered { sink: self.name.to_string(), sequence: refused.seq, reason };
            tracing::warn!(sink = &*self.name, sequence = refused.seq.0, "an event was refused for good");
            self.reader.journal().notice(refused.source, notice);
        }
        let count = self.flights.iter().take_while(|flight| flight.position <= acked.through).count();
        self.advance(count);
        self.settle_left_out();
    }

    /// What was left out needs no answer once everything before it is settled.
    fn settle_left_out(&mut self) {
        let count = self.flights.iter().take_while(|flight| flight.settled == Settled::Filtered).count();
        self.advance(count);
    }

    fn advance(&mut self, count: usize) {
        let settled = self.flights.drain(..count).map(|Flight { position, source, seq, settled }| {
            if settled == Settled::Published {
                self.published += 1;
            }
            (position, source, seq, settled)
        });
        self.reader.settle(settled);
    }

    fn undelivered(&self) -> Outcome {
        match self.reader.pending() {
            0 => Outcome::Drained,
            pending => Outcome::Undelivered(pending),
        }
    }
}
