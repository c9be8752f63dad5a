//! Delivery by an open link: reading, sending, settling, heartbeats and deadlines.

use std::time::Duration;

use tokio::{
    task::coop::consume_budget,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};

use super::{
    Driver, Link, Outcome, Outgoing, Partitions, SinkError, driver::LAST_ATTEMPT, flights::Flight,
    renewal::Renewal,
};
use crate::{
    event::{Mark, Record, Seq},
    health::Trouble,
    journal::Settled,
    route::Verdict,
    shutdown::Stop,
};

/// How often a link is asked whether it is in trouble.
const INSPECTION: Duration = Duration::from_secs(1);

/// The most bytes of records in flight, unless one record is larger than half of it: it then is the last.
const IN_FLIGHT: usize = 16 << 20;

/// The pause after a read that brought nothing, though the journal has more.
const PAUSE: Duration = Duration::from_millis(50);

/// The state of a link that is served.
struct Serving {
    stop: Stop,
    renewal: Renewal,
    heartbeat: Interval,
    inspection: Interval,
    records: Vec<Record>,
    /// When the broker answered last, or the first record was sent to an idle link.
    answered: Instant,
    in_trouble: bool,
    /// Since when a stop has been asked for.
    draining: Option<Instant>,
    /// The last read brought nothing, though the journal has more.
    is_stalled: bool,
}

impl Serving {
    fn new(driver: &Driver) -> Self {
        Self {
            stop: driver.stop.clone(),
            renewal: driver.renewal.clone(),
            heartbeat: ticks(driver.options.heartbeat.unwrap_or(Duration::from_hours(1))),
            inspection: ticks(INSPECTION),
            records: Vec::with_capacity(driver.options.batch),
            answered: Instant::now(),
            in_trouble: false,
            draining: None,
            is_stalled: false,
        }
    }
}

impl Driver {
    /// Delivers by an open link. `None`: there are new secrets, and nothing in flight that could still arrive.
    pub(super) async fn serve<L: Link>(&mut self, link: &mut L) -> Result<Option<Outcome>, SinkError> {
        let mut state = Serving::new(self);
        loop {
            // What is always ready, a link or a reader, must not keep the runtime from everything else.
            consume_budget().await;
            if state.stop.is_draining() {
                state.draining.get_or_insert_with(Instant::now);
            }
            if let Some(outcome) = self.ended(&state) {
                return Ok(Some(outcome));
            }
            let is_outdated = self.renewal.is_announced();
            if is_outdated && (self.flights.is_empty() || link.is_cut_off()) {
                return Ok(None);
            }
            let room = if state.is_stalled || is_outdated { 0 } else { self.room(link.window()) };
            if room > 0 && !self.reader.at_end() {
                self.send_next(link, room, &mut state).await?;
            } else if let Some(outcome) = self.wait(link, room, &mut state).await? {
                return Ok(Some(outcome));
            }
        }
    }

    /// Sends what there is room for.
    async fn send_next<L: Link>(
        &mut self,
        link: &mut L,
        room: usize,
        state: &mut Serving,
    ) -> Result<(), SinkError> {
        if self.flights.is_empty() {
            state.answered = Instant::now();
        }
        let before = (self.flights.len(), self.reader.pending());
        self.send(link, room, &mut state.records).await?;
        state.is_stalled = before == (self.flights.len(), self.reader.pending());
        Ok(())
    }

    /// Waits for the next thing to happen, and deals with it. Returns how the driver ends, if it does.
    async fn wait<L: Link>(
        &mut self,
        link: &mut L,
        room: usize,
        state: &mut Serving,
    ) -> Result<Option<Outcome>, SinkError> {
        let is_waiting = !self.flights.is_empty();
        let is_idle = !is_waiting && self.reader.at_end();
        if is_idle && !state.in_trouble {
            self.proves();
        }
        tokio::select! {
            biased;
            acked = link.acked() => {
                self.settle(acked?, link).await?;
                self.proves();
                state.answered = Instant::now();
                // A stop right after it delivers what is left.
                state.in_trouble = state.in_trouble && self.is_in_trouble(link, state.answered);
            }
            () = self.reader.ready(), if room > 0 => {}
            () = sleep(PAUSE), if state.is_stalled => state.is_stalled = false,
            // Nothing in flight and nothing to read: no answer will ever settle what the counters still call pending.
            () = sleep(PAUSE), if is_idle && state.draining.is_some() => return Ok(Some(self.undelivered())),
            // A heartbeat that comes when the trouble is over tells nothing.
            _ = state.heartbeat.tick(), if self.options.heartbeat.is_some() && !state.in_trouble => {
                self.send_heartbeat(link).await?;
            }
            _ = state.inspection.tick() => {
                state.in_trouble = self.is_in_trouble(link, state.answered);
                self.note_heartbeats(link);
            }
            () = state.stop.draining(), if state.draining.is_none() => {}
            () = state.renewal.announced() => {}
            () = given_up(state.answered, self.options.answer), if is_waiting => {
                return Err(self.unanswered(link, state.answered));
            }
        }
        Ok(None)
    }

    /// How the driver ends now, if it does.
    fn ended(&self, state: &Serving) -> Option<Outcome> {
        if self.options.limit.is_some_and(|limit| self.published >= limit) {
            return Some(Outcome::LimitReached);
        }
        let since = state.draining?;
        if self.reader.is_drained() {
            return Some(Outcome::Drained);
        }
        let leaves =
            state.in_trouble && since.elapsed() >= LAST_ATTEMPT && self.reader.journal().is_durable();
        leaves.then(|| self.undelivered())
    }

    /// How many more records may be sent now.
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
        // A loss before these records shows as a hole in each partition.
        for partition in &mut self.partitions {
            for (last, gone) in partition.iter_mut().zip(self.reader.gone()) {
                *last = (*gone).max(*last);
            }
        }
        let verdicts: Vec<_> = records.iter().map(|record| self.plan.decide(record)).collect();
        let mut batch = Vec::with_capacity(verdicts.len());
        let mut ways = Vec::with_capacity(verdicts.len());
        for (record, verdict) in records.iter().zip(&verdicts) {
            let Verdict::Publish(published) = verdict else {
                ways.push((Settled::Filtered, Partitions::One(0), true));
                continue;
            };
            let (partitions, seq, before) = (link.partitions(&published.names), record.seq, batch.len());
            for partition in partitions.among(self.partitions.len()) {
                let Some(prev) = self.step(partition, record) else { continue };
                let mark =
                    if self.options.copies { Mark::Copy { seq } } else { Mark::Numbered { seq, prev } };
                batch.push(Outgoing {
                    position: Some(record.position),
                    partition,
                    names: &published.names,
                    event: self.plan.envelope(record, published, mark),
                });
            }
            ways.push((Settled::Published, partitions, batch.len() == before));
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
        let flight = |(record, (settled, partitions, unsent))| Flight { record, settled, partitions, unsent };
        self.flights.extend(records.drain(..).zip(ways).map(flight));
        self.settle_left_out();
        Ok(())
    }

    /// The number before this record in a partition; none if the partition has it already.
    fn step(&mut self, partition: usize, record: &Record) -> Option<Seq> {
        if self.have.get(partition).is_some_and(|from| record.position < *from) {
            return None;
        }
        let last =
            self.partitions.get_mut(partition).and_then(|partition| partition.get_mut(record.source.index()));
        Some(last.map_or(Seq(0), |last| std::mem::replace(last, record.seq)))
    }

    async fn send_heartbeat<L: Link>(&mut self, link: &mut L) -> Result<(), SinkError> {
        let beats = self.heartbeat.beats(&mut self.plan);
        let batch: Vec<_> = beats.iter().map(|beat| beat.outgoing(&self.plan)).collect();
        let sent = timeout(self.options.deadline, link.send(&batch)).await;
        sent.map_err(|_| {
            SinkError::again(Trouble::Silent, "the broker takes no heartbeat: it is slow or stuck".to_owned())
        })??;
        self.counters.heartbeat_sent();
        self.first_heartbeat.get_or_insert_with(Instant::now);
        Ok(())
    }
}

/// Returns when a link has had its time to answer.
async fn given_up(answered: Instant, time: Option<Duration>) {
    match time {
        Some(time) => sleep_until(answered + time).await,
        None => std::future::pending().await,
    }
}

/// Ticks that are not caught up with.
fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
