//! The one driver of all sinks: reconnecting, what is in flight, deadlines, cursor and ledger.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::coop::consume_budget,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};

use super::{
    Context, Lanes, Link, Options, Outcome, Outgoing, Sink, SinkError, SinkFigures, flights::Flight,
    heartbeat::Heartbeat, proof::Trust, refusals::Refusals, renewal::Renewal,
};
use crate::{
    event::{Mark, Position, Record, Seq, SinkId},
    health::{Component, Trouble},
    journal::{Journal, Reader, Settled},
    request::Listener,
    retry::Backoff,
    route::{Plan, Verdict},
    shutdown::Stop,
};

/// How long a driver waits after an error that only an operator can repair.
const SLOW: Duration = Duration::from_secs(30);

/// How often a link is asked whether it is in trouble.
const LOOK: Duration = Duration::from_secs(1);

/// How long a stop waits for a broker that is away, if what is pending is on disk.
const LAST_ATTEMPT: Duration = Duration::from_secs(2);

/// The most bytes of records in flight, unless one record is larger than half of it: it then is the last.
const IN_FLIGHT: usize = 16 << 20;

/// The pause after a read that brought nothing, though the journal has more.
const PAUSE: Duration = Duration::from_millis(50);

/// One sink's driver.
#[derive(Debug)]
pub struct Driver {
    pub(super) reader: Reader,
    pub(super) plan: Plan,
    pub(super) health: Component,
    pub(super) refusals: Refusals,
    pub(super) heartbeat: Heartbeat,
    pub(super) name: Arc<str>,
    pub(super) options: Options,
    opened: watch::Sender<usize>,
    pub(super) figures: SinkFigures,
    is_first: bool,
    /// The open link has shown that it works.
    pub(super) is_proven: bool,
    /// When the first heartbeat was sent by the open link.
    pub(super) beaten: Option<Instant>,
    stop: Stop,
    retry: Listener,
    renewal: Renewal,
    pub(super) published: u64,
    /// Records that were settled, whatever became of them.
    pub(super) settled: u64,
    pub(super) flights: VecDeque<Flight>,
    /// Bytes of the records in flight.
    pub(super) in_flight: usize,
    /// By lane, by source: the number that went there last.
    pub(super) lanes: Vec<Vec<Seq>>,
    /// By lane: records before this are there already. Empty when there is one lane for all.
    pub(super) have: Vec<Position>,
    pub(super) trust: Trust,
}

impl Driver {
    /// A driver for this sink.
    pub fn new(context: &Context, sink: SinkId, plan: Plan, options: Options) -> Self {
        let name: Arc<str> = context.sink_name(sink).into();
        Self {
            reader: context.journal.reader(sink),
            plan,
            health: context.board.component(format!("sink/{name}")),
            refusals: Refusals::default(),
            heartbeat: Heartbeat::new(context, sink),
            name: Arc::clone(&name),
            options,
            opened: context.opened.clone(),
            figures: context.figures.sink(sink),
            is_first: true,
            is_proven: false,
            beaten: None,
            stop: context.stop.clone(),
            retry: context.retry.listen(),
            renewal: context.renewals.listen(&name),
            published: 0,
            settled: 0,
            flights: VecDeque::new(),
            in_flight: 0,
            lanes: Vec::new(),
            have: Vec::new(),
            trust: Trust::default(),
        }
    }

    /// Delivers until it is stopped.
    pub async fn run<S: Sink>(mut self, mut sink: S) -> Outcome {
        let stop = self.stop.clone();
        let mut backoff = Backoff::new(self.options.backoff);
        loop {
            // A call that comes during an attempt ends the wait after it: what it failed for may be repaired.
            self.retry.settle();
            if let Some(config) = self.renewal.take() {
                sink.renew(&config);
                backoff.reset();
            }
            let (before, settled, is_last) = (self.published, self.settled, stop.is_draining());
            let error = match self.attempt(&sink).await {
                Ok(Some(outcome)) => return outcome,
                Ok(None) => continue,
                Err(SinkError::Gone(reason)) => return Outcome::Gone(reason.to_string()),
                Err(error) => error,
            };
            if self.published > before {
                backoff.reset();
            }
            self.tell_first_attempt();
            if error.is_refusal() && self.settled > settled {
                tracing::debug!(%error, "events refused");
            } else {
                self.health.failing_for(error.cause().clone(), &error.to_string());
            }
            self.figures.failed();
            if is_last && self.reader.journal().is_durable() {
                return self.undelivered();
            }
            let delay = match error {
                // A drain is too short for the slow pace.
                SinkError::Operator(_) if !is_last => SLOW.max(backoff.delay()),
                _ => backoff.delay(),
            };
            let mut renewal = self.renewal.clone();
            tokio::select! {
                () = sleep(delay) => {}
                () = self.retry.called() => backoff.reset(),
                () = renewal.announced() => {}
                () = stop.hard() => return self.undelivered(),
                // The broker may be back: one attempt with what is on disk, more with what only memory holds.
                () = stop.draining(), if !is_last => backoff.reset(),
            }
        }
    }

    /// One link: opens it, and delivers until it breaks or the end; `None` if another is to follow it, with new secrets.
    async fn attempt<S: Sink>(&mut self, sink: &S) -> Result<Option<Outcome>, SinkError> {
        let (stop, journal) = (self.stop.clone(), self.reader.journal().clone());
        // Whatever hangs in there, a broker or the journal's disk, is left behind.
        let opened = tokio::select! {
            opened = self.open(sink) => Some(opened?),
            () = stop.hard() => None,
            () = need_not_wait(&stop, &journal) => None,
        };
        let Some(mut link) = opened else { return Ok(Some(self.undelivered())) };
        self.tell_first_attempt();
        (self.is_proven, self.beaten) = (false, None);
        self.figures.opened();
        let outcome = tokio::select! {
            outcome = self.serve(&mut link) => outcome?,
            () = stop.hard() => Some(self.undelivered()),
        };
        if outcome.is_some() || self.flights.is_empty() {
            // What it was for is settled; a link that does not close in time is dropped.
            let _ = timeout(Duration::from_secs(1), link.close()).await;
        }
        Ok(outcome)
    }

    /// Opens a link, and resumes where its broker's lane ends.
    async fn open<S: Sink>(&mut self, sink: &S) -> Result<S::Link, SinkError> {
        let deadline = self.options.deadline;
        let opened = timeout(deadline, sink.open()).await;
        let (mut link, tail) = opened.map_err(|_| {
            SinkError::again(
                Trouble::Unreachable,
                format!("no connection within {deadline:?}: is the broker up?"),
            )
        })??;
        self.flights.clear();
        self.in_flight = 0;
        self.reader.journal().announce_losses();
        self.resume(sink, &mut link, tail).await?;
        Ok(link)
    }

    /// The first attempt is over, whatever came of it: sessions may begin.
    fn tell_first_attempt(&mut self) {
        if std::mem::take(&mut self.is_first) {
            self.opened.send_modify(|opened| *opened += 1);
        }
    }

    /// Delivers by an open link. `None`: there are new secrets, and nothing in flight that could still arrive.
    async fn serve<L: Link>(&mut self, link: &mut L) -> Result<Option<Outcome>, SinkError> {
        let (stop, mut renewal) = (self.stop.clone(), self.renewal.clone());

        let mut beat = ticks(self.options.heartbeat.unwrap_or(Duration::from_hours(1)));
        let mut look = ticks(LOOK);
        let mut records = Vec::with_capacity(self.options.batch);
        let (mut answered, mut in_trouble) = (Instant::now(), false);
        let (mut draining, mut stalled) = (None, false);
        loop {
            // What is always ready, a link or a reader, must not keep the runtime from everything else.
            consume_budget().await;
            if stop.is_draining() {
                draining.get_or_insert_with(Instant::now);
            }
            if let Some(outcome) = self.ended(draining, in_trouble) {
                return Ok(Some(outcome));
            }
            let waits = self.flights.is_empty();
            let is_outdated = self.renewal.is_announced();
            if is_outdated && (waits || link.is_cut_off()) {
                return Ok(None);
            }
            let room = if stalled || is_outdated { 0 } else { self.room(link.window()) };
            if room > 0 && !self.reader.at_end() {
                if waits {
                    answered = Instant::now();
                }
                let before = (self.flights.len(), self.reader.pending());
                self.send(link, room, &mut records).await?;
                stalled = before == (self.flights.len(), self.reader.pending());
                continue;
            }
            let is_idle = waits && self.reader.at_end();
            if is_idle && !in_trouble {
                self.proves();
            }
            tokio::select! {
                biased;
                acked = link.acked() => {
                    self.settle(acked?, link).await?;
                    self.proves();
                    answered = Instant::now();
                    // A stop right after it delivers what is left.
                    in_trouble = in_trouble && self.is_in_trouble(link, answered);
                }
                () = self.reader.ready(), if room > 0 => {}
                () = sleep(PAUSE), if stalled => stalled = false,
                // Nothing in flight and nothing to read: no answer will ever settle what the counters still call pending.
                () = sleep(PAUSE), if is_idle && draining.is_some() => return Ok(Some(self.undelivered())),
                // A heartbeat that comes when the trouble is over tells nothing.
                _ = beat.tick(), if self.options.heartbeat.is_some() && !in_trouble => self.beat(link).await?,
                _ = look.tick() => {
                    in_trouble = self.is_in_trouble(link, answered);
                    self.note_heartbeats(link);
                }
                () = stop.draining(), if draining.is_none() => {}
                () = renewal.announced() => {}
                () = given_up(answered, self.options.answer), if !waits => {
                    return Err(self.unanswered(link, answered));
                }
            }
        }
    }

    /// How the driver ends now, if it does. `draining`: since when a stop has been asked for.
    fn ended(&self, draining: Option<Instant>, in_trouble: bool) -> Option<Outcome> {
        if self.options.limit.is_some_and(|limit| self.published >= limit) {
            return Some(Outcome::LimitReached);
        }
        let since = draining?;
        if self.reader.is_drained() {
            return Some(Outcome::Drained);
        }
        let leaves = in_trouble && since.elapsed() >= LAST_ATTEMPT && self.reader.journal().is_durable();
        leaves.then(|| self.undelivered())
    }

    fn room(&self, window: usize) -> usize {
        let window = window.min(self.options.window);
        let batch = window.min(self.options.batch);
        let room = window.saturating_sub(self.flights.len()).min(batch);
        // Half a batch at least, so that a busy line moves in few large steps.
        let is_step = room >= batch.div_ceil(2) && self.in_flight <= IN_FLIGHT / 2;
        let room = if is_step { room } else { 0 };
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
        self.reader.read_within(most, IN_FLIGHT - self.in_flight.min(IN_FLIGHT / 2), records).await;
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
            SinkError::again(
                Trouble::Silent,
                format!("the broker took nothing for {:?}: it is slow or stuck", self.options.deadline),
            )
        })??;
        drop(batch);
        self.in_flight += records.iter().map(Record::size).sum::<usize>();
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
        sent.map_err(|_| {
            SinkError::again(Trouble::Silent, "the broker takes no heartbeat: it is slow or stuck".to_owned())
        })??;
        self.figures.beat();
        self.beaten.get_or_insert_with(Instant::now);
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

/// Returns when a stop need not wait for a broker that is away, as what is pending is on disk.
async fn need_not_wait(stop: &Stop, journal: &Journal) {
    stop.draining().await;
    loop {
        sleep(LAST_ATTEMPT).await;
        if journal.is_durable() {
            return;
        }
    }
}

/// Ticks that are not caught up with.
fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
