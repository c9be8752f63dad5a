//! The one driver of all sinks: reconnecting, what is in flight, deadlines, cursor and ledger.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};

use super::{
    Context, Lanes, Link, Outgoing, SLOW, Sink, SinkError, SinkFigures, flights::Flight,
    heartbeat::Heartbeat, proof::Trust, resume::RETAIN,
};
use crate::{
    event::{JournalId, Mark, Position, Record, Seq},
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
    /// How long to wait for a connection, and for a batch to be taken. Then the link is given up.
    pub deadline: Duration,
    /// How long to wait for an acknowledgement while something is in flight, before the link is given up. None: for as
    /// long as it takes, since a link that mends itself must not have a successor beside it.
    pub answer: Option<Duration>,
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
            answer: Some(Duration::from_secs(10)),
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

/// A broker that acknowledges nothing for so long is in trouble, whatever its link knows.
const SILENT: Duration = Duration::from_secs(10);

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
    pub(super) heartbeat: Heartbeat,
    pub(super) name: Arc<str>,
    pub(super) options: Options,
    opened: watch::Sender<usize>,
    pub(super) figures: SinkFigures,
    is_first: bool,
    stop: Stop,
    pub(super) published: u64,
    pub(super) flights: VecDeque<Flight>,
    /// By lane, by source: the number that went there last.
    pub(super) lanes: Vec<Vec<Seq>>,
    /// By lane: records before this are there already. Empty when there is one lane for all.
    pub(super) have: Vec<Position>,
    pub(super) trust: Trust,
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
            figures: context.figures.sink(index),
            is_first: true,
            stop: context.stop.clone(),
            published: 0,
            flights: VecDeque::new(),
            lanes: Vec::new(),
            have: Vec::new(),
            trust: Trust::default(),
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
            self.figures.failed();
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
        self.resume(sink, &mut link, tail).await?;
        self.tell_first_attempt();
        self.health.active();
        self.figures.opened();
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
        let (mut answered, mut in_trouble) = (Instant::now(), false);
        loop {
            if self.options.limit.is_some_and(|limit| self.published >= limit) {
                return Ok(Outcome::LimitReached);
            }
            if stop.is_draining() && self.reader.is_drained() {
                return Ok(Outcome::Drained);
            }
            if in_trouble && stop.is_draining() && self.reader.journal().is_durable() {
                return Ok(self.undelivered());
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
                    // A stop right after it delivers what is left.
                    in_trouble = in_trouble && self.is_in_trouble(link, answered);
                }
                () = self.reader.ready(), if room > 0 => {}
                // A heartbeat that comes when the trouble is over tells nothing.
                _ = beat.tick(), if self.options.heartbeat.is_some() && !in_trouble => self.beat(link).await?,
                _ = look.tick() => in_trouble = self.is_in_trouble(link, answered),
                () = stop.draining(), if waits || in_trouble => {}
                () = given_up(answered, self.options.answer), if !waits => return Err(SinkError::Again(format!(
                    "no acknowledgement within {:?} for {} records in flight{}",
                    answered.elapsed(),
                    self.flights.len(),
                    link.trouble().map(|trouble| format!(": {trouble}")).unwrap_or_default()
                ))),
            }
        }
    }

    /// Tells how a link that is open does.
    fn is_in_trouble<L: Link>(&self, link: &L, answered: Instant) -> bool {
        let is_silent = !self.flights.is_empty() && answered.elapsed() >= SILENT;
        let silence = || format!("the broker has acknowledged nothing for {SILENT:?}: it is slow or stuck");
        let trouble = link.trouble().or_else(|| is_silent.then(silence));
        match &trouble {
            Some(trouble) => drop(self.health.failing(trouble)),
            None => self.health.active(),
        }
        trouble.is_some()
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
        // A loss before these records shows as a hole in each lane.
        for lane in &mut self.lanes {
            for (last, gone) in lane.iter_mut().zip(self.reader.gone()) {
                *last = (*gone).max(*last);
            }
        }
        let verdicts: Vec<_> = records.iter().map(|record| self.plan.decide(record)).collect();
        let mut batch = Vec::with_capacity(verdicts.len());
        let mut ways = Vec::with_capacity(verdicts.len());
        for (record, verdict) in records.iter().zip(&verdicts) {
            let Verdict::Publish(published) = verdict else {
                ways.push((Settled::Filtered, Lanes::One(0), true));
                continue;
            };
            let (lanes, seq, before) = (link.lanes(&published.names), record.seq, batch.len());
            for lane in lanes.among(self.lanes.len()) {
                let Some(prev) = self.step(lane, record) else { continue };
                let mark =
                    if self.options.copies { Mark::Copy { seq } } else { Mark::Numbered { seq, prev } };
                batch.push(Outgoing {
                    position: Some(record.position),
                    lane,
                    names: &published.names,
                    event: self.plan.envelope(record, published, mark),
                });
            }
            ways.push((Settled::Published, lanes, batch.len() == before));
        }
        let sent = timeout(self.options.deadline, link.send(&batch)).await;
        sent.map_err(|_| {
            SinkError::Again(format!(
                "the broker took nothing for {:?}: it is slow or stuck",
                self.options.deadline
            ))
        })??;
        drop(batch);
        let flight = |(record, (settled, lanes, unsent))| Flight { record, settled, lanes, unsent };
        self.flights.extend(records.drain(..).zip(ways).map(flight));
        self.settle_left_out();
        Ok(())
    }

    /// The number before this record in a lane; none if the lane has it already.
    fn step(&mut self, lane: usize, record: &Record) -> Option<Seq> {
        if self.have.get(lane).is_some_and(|from| record.position < *from) {
            return None;
        }
        let last = self.lanes.get_mut(lane).and_then(|lane| lane.get_mut(record.source.index()));
        Some(last.map_or(Seq(0), |last| std::mem::replace(last, record.seq)))
    }

    async fn beat<L: Link>(&mut self, link: &mut L) -> Result<(), SinkError> {
        let beats = self.heartbeat.beats(&mut self.plan);
        let batch: Vec<_> = beats.iter().map(|beat| beat.outgoing(&self.plan)).collect();
        let sent = timeout(self.options.deadline, link.send(&batch)).await;
        sent.map_err(|_| SinkError::Again("the broker takes no heartbeat: it is slow or stuck".to_owned()))??;
        self.figures.beat();
        Ok(())
    }

    fn undelivered(&self) -> Outcome {
        match self.reader.pending() {
            0 => Outcome::Drained,
            pending => Outcome::Undelivered(pending),
        }
    }
}

/// Returns when a link has had its time to answer.
async fn given_up(answered: Instant, time: Option<Duration>) {
    match time {
        Some(time) => sleep_until(answered + time).await,
        None => std::future::pending().await,
    }
}
