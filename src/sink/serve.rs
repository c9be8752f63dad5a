//! Serves an open link: decides when to send, waits for acknowledgements, and enforces time limits.

use std::time::Duration;

use tokio::{
    task::coop::consume_budget,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep, sleep_until},
};

use super::{Driver, Link, Outcome, Sink, SinkError, driver::LAST_ATTEMPT, renewal::Renewal};
use crate::{event::Record, shutdown::Stop};

/// The interval at which a link is checked for trouble.
const INSPECTION: Duration = Duration::from_secs(1);

/// The pause after a read that returned nothing, though the journal has more.
const PAUSE: Duration = Duration::from_millis(50);

/// The state of an open link.
struct Serving {
    stop: Stop,
    renewal: Renewal,
    heartbeat: Interval,
    inspection: Interval,
    records: Vec<Record>,
    /// The time of the broker's last answer, or of the first record sent on an idle link.
    answered: Instant,
    in_trouble: bool,
    /// The time at which a stop was requested. `None` before.
    draining: Option<Instant>,
    /// The last read returned nothing, though the journal has more.
    is_stalled: bool,
}

impl Serving {
    fn new(driver: &Driver) -> Self {
        Self {
            stop: driver.stop.clone(),
            renewal: driver.renewal.clone(),
            heartbeat: heartbeat(driver),
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
    /// Delivers on an open link. `None` if new secrets or destinations require another link, and nothing in flight can still arrive.
    pub(super) async fn serve<S: Sink>(
        &mut self,
        sink: &mut S,
        link: &mut S::Link,
    ) -> Result<Option<Outcome>, SinkError> {
        let mut state = Serving::new(self);
        loop {
            // A link or reader that is always ready must not starve other tasks.
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
            let is_at_border = self.is_at_border();
            if is_at_border && self.flights.is_empty() {
                let before = self.options.heartbeat;
                if self.switch_rules(sink) {
                    return Ok(None);
                }
                if self.options.heartbeat != before {
                    state.heartbeat = heartbeat(self);
                }
                state.is_stalled = false;
                continue;
            }
            let room =
                if state.is_stalled || is_outdated || is_at_border { 0 } else { self.room(link.window()) };
            if room > 0 && !self.reader.at_end() {
                self.send_next(link, room, &mut state).await?;
            } else if let Some(outcome) = self.wait(link, room, &mut state).await? {
                return Ok(Some(outcome));
            }
        }
    }

    /// Sends as many records as there is room for.
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

    /// Waits for the next event of the link, the reader or a timer, and handles it. Returns the outcome if the driver ends.
    async fn wait<L: Link>(
        &mut self,
        link: &mut L,
        room: usize,
        state: &mut Serving,
    ) -> Result<Option<Outcome>, SinkError> {
        let is_waiting = !self.flights.is_empty();
        let is_idle = !is_waiting && self.reader.at_end();
        if is_idle && !state.in_trouble {
            self.prove();
        }
        tokio::select! {
            biased;
            acked = link.acked() => {
                self.settle(acked?, link).await?;
                self.prove();
                state.answered = Instant::now();
                // At once, so that a stop right after it still delivers the rest.
                state.in_trouble = state.in_trouble && self.is_in_trouble(link, state.answered);
            }
            () = self.reader.ready(), if room > 0 => {}
            () = sleep(PAUSE), if state.is_stalled => state.is_stalled = false,
            // Nothing in flight and nothing to read: no answer can settle the records that still count as pending.
            () = sleep(PAUSE), if is_idle && state.draining.is_some() => return Ok(Some(self.undelivered())),
            // A heartbeat that arrives only after the trouble is outdated.
            _ = state.heartbeat.tick(), if self.options.heartbeat.is_some() && !state.in_trouble => {
                self.send_heartbeat(link).await?;
            }
            _ = state.inspection.tick() => {
                state.in_trouble = self.is_in_trouble(link, state.answered);
                self.check_heartbeats(link);
            }
            () = state.stop.draining(), if state.draining.is_none() => {}
            () = state.renewal.announced() => {}
            () = answer_overdue(state.answered, self.options.answer), if is_waiting => {
                return Err(self.unanswered(link, state.answered));
            }
        }
        Ok(None)
    }

    /// Returns the outcome if the driver ends now.
    fn ended(&self, state: &Serving) -> Option<Outcome> {
        if self.options.limit.is_some_and(|limit| self.published >= limit) {
            return Some(Outcome::LimitReached);
        }
        let since = state.draining?;
        if self.reader.is_drained() {
            return Some(Outcome::Drained);
        }
        let gives_up =
            state.in_trouble && since.elapsed() >= LAST_ATTEMPT && self.reader.journal().is_durable();
        gives_up.then(|| self.undelivered())
    }
}

/// Returns when the time limit for an answer has passed. Never returns without a limit.
async fn answer_overdue(answered: Instant, time: Option<Duration>) {
    match time {
        Some(time) => sleep_until(answered + time).await,
        None => std::future::pending().await,
    }
}

/// Returns the interval of heartbeats.
fn heartbeat(driver: &Driver) -> Interval {
    ticks(driver.options.heartbeat.unwrap_or(Duration::from_hours(1)))
}

/// Returns an interval that does not catch up on missed ticks.
fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
