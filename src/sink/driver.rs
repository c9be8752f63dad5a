//! The one driver of all sinks: reconnecting, what is in flight, deadlines, cursor and ledger.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};

use super::{
    Acked, Context, Link, Outgoing, SLOW, Sink, SinkError, deadletter::letter, heartbeat::Heartbeat,
    resume::RETAIN,
};
use crate::{
    event::{JournalId, Mark, Notice, Position, Record, Seq},
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
    /// A foreign journal after which this one may go on in a broker's lane.
    pub adopt: Option<JournalId>,
    /// Publish copies, beside the lane: no `ctiprev`.
    pub copies: bool,
    /// How far back delivered records are sent again to a broker that has forgotten all.
    pub retain: Duration,
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
            adopt: None,
            copies: false,
            retain: RETAIN,
        }
    }
}

/// How often a link is asked whether it is in trouble.
const LOOK: Duration = Duration::from_secs(1);

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
    pub(super) reader: Reader,
    pub(super) plan: Plan,
    health: Component,
    heartbeat: Heartbeat,
    pub(super) name: Arc<str>,
    pub(super) options: Options,
    opened: watch::Sender<usize>,
    is_first: bool,
    stop: Stop,
    published: u64,
    flights: VecDeque<Flight>,
    pub(super) lane: Vec<Seq>,
    /// By source: records before this are in its lane already. Empty when there is one lane for all.
    pub(super) have: Vec<Position>,
}

/// A record that was sent, or left out, and is not settled yet.
#[derive(Debug)]
struct Flight {
    record: Record,
    settled: Settled,
    /// It was not sent, so nobody answers for it.
    unsent: bool,
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
            opened: context.opened.clone(),
            is_first: true,
            stop: context.stop.clone(),
            published: 0,
            flights: VecDeque::new(),
            lane: Vec::new(),
            have: Vec::new(),
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
            self.tell_first_attempt();
            self.health.failing(&error.to_string());
            let delay = match error {
                SinkError::Operator(_) => SLOW.max(backoff.delay()),
                _ => backoff.delay(),
            };
            tokio::select! {
                () = sleep(delay) => {}
                () = self.stop.hard() => return self.undelivered(),
                // What waits is on disk: a stop does not wait for a broker that is away.
                () = self.stop.draining(), if self.reader.journal().is_durable() => return self.undelivered(),
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
        let (mut link, tail) = opened.map_err(|_| {
            SinkError::Again(format!("no connection within {:?}: is the broker up?", self.options.deadline))
        })??;
        self.flights.clear();
        self.reader.journal().announce_losses();
        self.resume(tail).await?;
        self.tell_first_attempt();
        self.health.active();
        let outcome = tokio::select! {
            outcome = self.serve(&mut link) => outcome?,
            () = stop.hard() => self.undelivered(),
        };
        // What it was for is settled; a link that does not close in time is dropped.
        let _ = timeout(Duration::from_secs(1), link.close()).await;
        Ok(outcome)
    }

    /// The first attempt is over, whatever came of it: sessions may begin.
    fn tell_first_attempt(&mut self) {
        if std::mem::take(&mut self.is_first) {
            self.opened.send_modify(|opened| *opened += 1);
        }
    }

    async fn serve<L: Link>(&mut self, link: &mut L) -> Result<Outcome, SinkError> {
        let stop = self.stop.clone();
        let mut beat = interval(self.options.heartbeat.unwrap_or(Duration::from_hours(1)));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut records = Vec::with_capacity(self.options.batch);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
                    self.settle(acked?, link).await?;
                    answered = Instant::now();
                }
                () = self.reader.ready(), if room > 0 => {}
                _ = beat.tick(), if self.options.heartbeat.is_some() => self.beat(link).await?,
                _ = look.tick() => self.tell(link),
                () = stop.draining(), if waits => {}
                () = sleep_until(answered + self.options.deadline), if !waits => return Err(SinkError::Again(format!(
                    "no acknowledgement within {:?} for {} records in flight{}",
                    self.options.deadline,
                    self.flights.len(),
                    link.trouble().map(|trouble| format!(": {trouble}")).unwrap_or_default()
                ))),
            }
        }
    }

    /// What a link that is open says of itself.
    fn tell<L: Link>(&self, link: &L) {
        match link.trouble() {
            Some(trouble) => drop(self.health.failing(&trouble)),
            None => self.health.active(),
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
        self.reader.read(most, records).await;
        let verdicts: Vec<_> = records.iter().map(|record| self.plan.decide(record)).collect();
        let mut batch = Vec::with_capacity(verdicts.len());
        for (record, verdict) in records.iter().zip(&verdicts) {
            if let Verdict::Publish(published) = verdict {
                let prev = self
                    .lane
                    .get_mut(record.source.index())
                    .map_or(Seq(0), |lane| std::mem::replace(lane, record.seq));
                if has(&self.have, record) {
                    continue;
                }
                let seq = record.seq;
                let mark =
                    if self.options.copies { Mark::Copy { seq } } else { Mark::Numbered { seq, prev } };
                batch.push(Outgoing {
                    position: Some(record.position),
                    names: &published.names,
                    event: self.plan.envelope(record, published, mark),
                });
            }
        }
        let sent = timeout(self.options.deadline, link.send(&batch)).await;
        sent.map_err(|_| {
            SinkError::Again(format!(
                "the broker took nothing for {:?}: it is slow or stuck",
                self.options.deadline
            ))
        })??;
        drop(batch);
        let have = std::mem::take(&mut self.have);
        self.flights.extend(records.drain(..).zip(verdicts).map(|(record, verdict)| {
            let (settled, unsent) = match verdict {
                Verdict::Filtered => (Settled::Filtered, true),
                Verdict::Publish(_) => (Settled::Published, has(&have, &record)),
            };
            Flight { record, settled, unsent }
        }));
        self.have = have;
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
    async fn settle<L: Link>(&mut self, acked: Acked, link: &mut L) -> Result<(), SinkError> {
        let through = |flight: &Flight| flight.record.position <= acked.through;
        let count = self.flights.iter().take_while(|flight| through(flight)).count();
        if let (Some(reason), Some(refused)) = (&acked.refused, self.flights.iter().take(count).next_back()) {
            let record = refused.record.clone();
            self.advance(count.saturating_sub(1));
            self.set_aside(&record, reason, link).await?;
            if let Some(refused) = self.flights.front_mut() {
                refused.settled = Settled::DeadLettered;
            }
            self.advance(1);
        } else {
            self.advance(count);
        }
        self.settle_left_out();
        Ok(())
    }

    /// An event that the broker refuses for good: it is kept on disk, announced on the line, and a dead letter tells of
    /// it. A dead letter that is refused as well is not tried again.
    async fn set_aside<L: Link>(
        &mut self,
        record: &Record,
        reason: &str,
        link: &mut L,
    ) -> Result<(), SinkError> {
        tracing::warn!(sink = &*self.name, sequence = record.seq.0, reason, "an event was refused for good");
        let journal = self.reader.journal().clone();
        let notice = Notice::Deadlettered {
            sink: self.name.to_string(),
            sequence: record.seq,
            reason: reason.to_owned(),
        };
        journal.notice(record.source, &notice);
        let (Verdict::Publish(published), Some(mut copy)) =
            (self.plan.decide(record), self.plan.copy(record, "dlq"))
        else {
            return Ok(());
        };
        let whose = (journal.id(), &*self.name);
        let whole = letter(whose, record, &published, reason, None);
        journal
            .bury(&format!("{}-{}-{}.json", published.names.source_name(), record.seq.0, self.name), &whole);
        (copy.data, copy.args, copy.binary) =
            (letter(whose, record, &published, reason, Some(link.largest())), 1, false);
        copy.names = copy.names.as_dead_letter();
        let event = self.plan.envelope(record, &copy, Mark::Copy { seq: record.seq });
        let outgoing = Outgoing { position: None, names: &copy.names, event };
        let sent = timeout(self.options.deadline, link.send(&[outgoing])).await;
        sent.map_err(|_| SinkError::Again("the broker takes no dead letter: it is slow or stuck".to_owned()))?
    }

    /// What was left out needs no answer once everything before it is settled.
    fn settle_left_out(&mut self) {
        let count = self.flights.iter().take_while(|flight| flight.unsent).count();
        self.advance(count);
    }

    fn advance(&mut self, count: usize) {
        let settled = self.flights.drain(..count).map(|Flight { record, settled, .. }| {
            if settled == Settled::Published {
                self.published += 1;
            }
            (record.position, record.source, record.seq, settled)
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

/// Whether a record's lane has it already.
fn has(have: &[Position], record: &Record) -> bool {
    have.get(record.source.index()).is_some_and(|from| record.position < *from)
}
