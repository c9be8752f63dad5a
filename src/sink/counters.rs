//! The drivers' counters since the start of the process. Each has one writer and any number of readers.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::{
    event::{SinkId, SourceId},
    journal::Settled,
};

/// Upper bounds of the latency histogram, in seconds: from a busy broker next door to an outage of an hour.
pub const BUCKETS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0, 3600.0];

/// The counters of all sinks. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Counters(Arc<Mutex<BTreeMap<SinkId, SinkCounters>>>);

/// The counters of one sink. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct SinkCounters(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    opened: AtomicU64,
    failed: AtomicU64,
    letters_refused: AtomicU64,
    heartbeat: AtomicU64,
    latency: [AtomicU64; BUCKETS.len() + 1],
    nanoseconds: AtomicU64,
    settled: Mutex<Vec<[u64; 3]>>,
    filtered: Mutex<BTreeMap<Arc<str>, u64>>,
}

/// The values of a sink's counters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkCounts {
    /// Opened connections.
    pub opened: u64,
    /// Failed attempts and connections.
    pub failed: u64,
    /// Dead letters that the broker refused as well.
    pub letters_refused: u64,
    /// The time at which the last heartbeat was sent. `None` before the first.
    pub heartbeat: Option<Timestamp>,
    /// By source: published, filtered and dead-lettered events.
    pub settled: Vec<[u64; 3]>,
    /// Filtered events by route.
    pub filtered: BTreeMap<Arc<str>, u64>,
    /// Events by their latency from the socket to the broker's acknowledgement: up to each of [`BUCKETS`], and longer. Not
    /// cumulative.
    pub latency: [u64; BUCKETS.len() + 1],
    /// The sum of all latencies.
    pub time: Duration,
}

impl Counters {
    /// Returns the counters of one sink.
    pub fn sink(&self, sink: SinkId) -> SinkCounters {
        self.0.lock().entry(sink).or_default().clone()
    }
}

impl SinkCounters {
    pub(super) fn opened(&self) {
        self.0.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.0.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn letter_refused(&self) {
        self.0.letters_refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn heartbeat_sent(&self) {
        let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
        self.0.heartbeat.store(now, Ordering::Relaxed);
    }

    /// Adds routes with a count of 0: an increase is visible only after a first sample.
    pub(super) fn add_routes<'a>(&self, routes: impl Iterator<Item = &'a Arc<str>>) {
        let mut counts = self.0.filtered.lock();
        routes.for_each(|route| {
            counts.entry(Arc::clone(route)).or_default();
        });
    }

    /// Counts filtered events, by the routes that filter them.
    pub(super) fn filtered<'a>(&self, routes: impl Iterator<Item = &'a Arc<str>>) {
        let mut counts = None;
        for route in routes {
            let counts = counts.get_or_insert_with(|| self.0.filtered.lock());
            match counts.get_mut(route) {
                Some(count) => *count += 1,
                None => drop(counts.insert(Arc::clone(route), 1)),
            }
        }
    }

    /// Counts settled records: source, outcome, and for a published event the time at which it was received.
    pub(super) fn settled(&self, settled: impl Iterator<Item = (SourceId, Settled, Option<Timestamp>)>) {
        let mut counts = self.0.settled.lock();
        let mut now = None;
        for (source, how, received) in settled {
            let index = source.index();
            if counts.len() <= index {
                counts.resize(index + 1, [0; 3]);
            }
            let place = match how {
                Settled::Published => 0,
                Settled::Filtered => 1,
                Settled::DeadLettered => 2,
            };
            if let Some(count) = counts.get_mut(index).and_then(|counts| counts.get_mut(place)) {
                *count += 1;
            }
            if let Some(received) = received {
                // A clock that was set back must not result in a negative latency.
                let now = *now.get_or_insert_with(Timestamp::now);
                self.add_latency(Duration::try_from(now.duration_since(received)).unwrap_or_default());
            }
        }
    }

    fn add_latency(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(BUCKETS.len());
        if let Some(bucket) = self.0.latency.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Returns the current values.
    pub fn read(&self) -> SinkCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let heartbeat = Some(of(&self.0.heartbeat)).filter(|at| *at > 0);
        SinkCounts {
            opened: of(&self.0.opened),
            failed: of(&self.0.failed),
            letters_refused: of(&self.0.letters_refused),
            heartbeat: heartbeat.and_then(|at| Timestamp::from_millisecond(i64::try_from(at).ok()?).ok()),
            settled: self.0.settled.lock().clone(),
            filtered: self.0.filtered.lock().clone(),
            latency: std::array::from_fn(|bucket| self.0.latency.get(bucket).map_or(0, of)),
            time: Duration::from_nanos(of(&self.0.nanoseconds)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settled_records_are_counted_by_source_and_latency() {
        let counters = Counters::default();
        let sink = counters.sink(SinkId(1));
        let ago = |seconds| Timestamp::now().checked_sub(Duration::from_secs(seconds)).ok();
        let settled = [
            (SourceId(2), Settled::Published, ago(7)),
            (SourceId(0), Settled::Published, ago(9000)),
            (SourceId(0), Settled::Published, Timestamp::now().checked_add(Duration::from_secs(5)).ok()),
            (SourceId(0), Settled::Filtered, None),
            (SourceId(0), Settled::DeadLettered, None),
        ];
        sink.settled(settled.into_iter());
        let counted = counters.sink(SinkId(1)).read();
        assert_eq!(counted.settled, [[2, 1, 1], [0; 3], [1, 0, 0]]);
        let bucket = |bound: f64| BUCKETS.iter().position(|known| known.total_cmp(&bound).is_eq());
        let filled: Vec<usize> = (0..counted.latency.len()).filter(|at| counted.latency[*at] > 0).collect();
        assert_eq!(filled, [0, bucket(10.0).unwrap_or_default(), BUCKETS.len()]);
        assert_eq!(counted.time.as_secs(), 9007);
        assert_eq!(counters.sink(SinkId(0)).read(), SinkCounts::default());
    }
}
