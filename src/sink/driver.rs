//! The driver of every sink: opens one link after another, with backoff between them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{
    Context, Link, Options, Outcome, Sink, SinkCounters, SinkError, flights::Flight, heartbeat::Heartbeat,
    proof::Trust, refusals::Refusals, renewal::Renewal, switch::Switch,
};
use crate::{
    event::{Position, Seq, SinkId},
    health::{Component, Trouble},
    journal::{Journal, Reader},
    request::TriggerReceiver,
    retry::Backoff,
    route::Plan,
    shutdown::Stop,
};

/// The shortest delay after an error that an operator must fix.
const SLOW: Duration = Duration::from_secs(30);

/// The time for which a stop waits for a broker that is down, if all pending events are on disk.
pub(super) const LAST_ATTEMPT: Duration = Duration::from_secs(2);

/// The driver of one sink.
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
    pub(super) counters: SinkCounters,
    is_first: bool,
    /// The open link has been proven to work.
    pub(super) is_proven: bool,
    /// The time of the open link's first heartbeat. `None` before it.
    pub(super) first_heartbeat: Option<Instant>,
    pub(super) stop: Stop,
    retry: TriggerReceiver,
    pub(super) renewal: Renewal,
    pub(super) switch: Switch,
    pub(super) published: u64,
    /// Settled records, with any outcome.
    pub(super) settled: u64,
    pub(super) flights: VecDeque<Flight>,
    /// Bytes of the records in flight.
    pub(super) in_flight: usize,
    /// By partition and source: the number of the last event sent there.
    pub(super) partitions: Vec<Vec<Seq>>,
    /// By partition: the position up to which it is complete. Empty for a broker without partitions.
    pub(super) complete: Vec<Position>,
    pub(super) trust: Trust,
}

impl Driver {
    /// Returns a driver for this sink.
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
            counters: context.counters.sink(sink),
            is_first: true,
            is_proven: false,
            first_heartbeat: None,
            stop: context.stop.clone(),
            retry: context.retry.subscribe(),
            renewal: context.renewals.listen(&name),
            switch: context.switches.of(&name),
            published: 0,
            settled: 0,
            flights: VecDeque::new(),
            in_flight: 0,
            partitions: Vec::new(),
            complete: Vec::new(),
            trust: Trust::default(),
        }
    }

    /// Delivers until it is stopped.
    pub async fn run<S: Sink>(mut self, mut sink: S) -> Outcome {
        let stop = self.stop.clone();
        let mut backoff = Backoff::new(self.options.backoff);
        loop {
            // A trigger during the attempt ends the delay after it, as the cause may be fixed by then.
            self.retry.clear();
            if let Some(config) = self.renewal.take() {
                sink.renew(&config);
                backoff.reset();
            }
            // What the last link has read and not settled may be at the broker, under the old rules.
            self.reader.rewind();
            if self.is_at_border() {
                self.switch_rules(&mut sink);
            }
            let (before, settled, is_last) = (self.published, self.settled, stop.is_draining());
            let error = match self.attempt(&mut sink).await {
                Ok(Some(outcome)) => return outcome,
                Ok(None) => continue,
                Err(SinkError::Gone(reason)) => return Outcome::Gone(format!("{reason:#}")),
                Err(error) => error,
            };
            if self.published > before {
                backoff.reset();
            }
            self.report_first_attempt();
            if error.is_refusal() && self.settled > settled {
                tracing::debug!(error = format!("{error:#}"), "events refused");
            } else {
                self.health.failing_for(error.cause().clone(), &format!("{error:#}"));
            }
            self.counters.failed();
            if is_last && self.reader.journal().is_durable() {
                return self.undelivered();
            }
            let delay = match error {
                // A drain does not last long enough for the long delay.
                SinkError::Operator(_) if !is_last => SLOW.max(backoff.delay()),
                _ => backoff.delay(),
            };
            let mut renewal = self.renewal.clone();
            tokio::select! {
                () = sleep(delay) => {}
                () = self.retry.triggered() => backoff.reset(),
                () = renewal.announced() => {}
                () = stop.hard() => return self.undelivered(),
                // The broker may have recovered: one more attempt if pending records are on disk, several if only in memory.
                () = stop.draining(), if !is_last => backoff.reset(),
            }
        }
    }

    /// Opens a link, and delivers until it fails or the driver ends. `None` if new secrets or destinations require another link.
    async fn attempt<S: Sink>(&mut self, sink: &mut S) -> Result<Option<Outcome>, SinkError> {
        let (stop, journal) = (self.stop.clone(), self.reader.journal().clone());
        // A hard stop abandons a hanging broker or journal disk.
        let opened = tokio::select! {
            opened = self.open(sink) => Some(opened?),
            () = stop.hard() => None,
            () = need_not_wait(&stop, &journal) => None,
        };
        let Some(mut link) = opened else { return Ok(Some(self.undelivered())) };
        self.report_first_attempt();
        (self.is_proven, self.first_heartbeat) = (false, None);
        self.counters.opened();
        let outcome = tokio::select! {
            outcome = self.serve(sink, &mut link) => outcome?,
            () = stop.hard() => Some(self.undelivered()),
        };
        if outcome.is_some() || self.flights.is_empty() {
            // Everything is settled: a link that does not close in time is dropped.
            let _ = timeout(Duration::from_secs(1), link.close()).await;
        }
        Ok(outcome)
    }

    /// Opens a link, and resumes after the newest events that the broker holds.
    async fn open<S: Sink>(&mut self, sink: &S) -> Result<S::Link, SinkError> {
        let deadline = self.options.deadline;
        let opened = timeout(deadline, sink.open()).await;
        let (mut link, tail) = opened.map_err(|_| {
            SinkError::again(
                Trouble::Unreachable,
                format!("no connection within {deadline:?}: check that the broker is up"),
            )
        })??;
        self.flights.clear();
        self.in_flight = 0;
        self.reader.journal().announce_losses();
        self.resume(sink, &mut link, tail).await?;
        Ok(link)
    }

    /// Returns true if everything before the next rules was read.
    pub(super) fn is_at_border(&self) -> bool {
        self.switch.border().is_some_and(|border| self.reader.position() >= border)
    }

    /// Switches to the next rules: nothing is in flight. Returns true if they need another link.
    pub(super) fn switch_rules<S: Sink>(&mut self, sink: &mut S) -> bool {
        let journal = self.reader.journal().clone();
        let Some((config, generation)) = self.switch.complete(&journal) else { return false };
        self.plan = config.plan(journal.id(), journal.sources());
        self.counters.add_routes(config.routes.iter().map(|route| &route.name));
        self.options.heartbeat = config.heartbeat;
        // Records that were read beyond the border.
        self.reader.rewind();
        tracing::info!(generation, "reloaded rules are in force");
        sink.redirect(&config)
    }

    /// Reports that the first attempt is over, with any outcome: sessions may start.
    fn report_first_attempt(&mut self) {
        if std::mem::take(&mut self.is_first) {
            self.opened.send_modify(|opened| *opened += 1);
        }
    }

    /// Returns the outcome of a driver that stops now.
    pub(super) fn undelivered(&self) -> Outcome {
        match self.reader.pending() {
            0 => Outcome::Drained,
            pending => Outcome::Undelivered(pending),
        }
    }
}

/// Returns when a stop need not wait for a broker that is down, as the pending records are on disk.
async fn need_not_wait(stop: &Stop, journal: &Journal) {
    stop.draining().await;
    loop {
        sleep(LAST_ATTEMPT).await;
        if journal.is_durable() {
            return;
        }
    }
}
