//! Counts calls as they are derived, since the start of the process.

use std::{collections::BTreeMap, sync::Arc};

use calls::{Derived, Direction, Outcome, Step};
use parking_lot::Mutex;

/// Upper bounds of the histogram of answer times, in seconds: from a colleague next door to a full queue.
pub const BUCKETS: [f64; 12] = [1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0, 300.0, 600.0];

/// The counters of all sources. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct CallCounters(Arc<Mutex<BTreeMap<String, CallCounts>>>);

/// The values of a source's counters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallCounts {
    /// Calls that go on.
    pub going_on: u64,
    /// Calls that began.
    pub started: u64,
    /// Calls that ended.
    pub ended: BTreeMap<(Outcome, Direction), u64>,
    /// Answered calls by the time until the answer: up to each of [`BUCKETS`], and longer. Not cumulative.
    pub answers: [u64; BUCKETS.len() + 1],
    /// The sum of all times until the answer, in seconds.
    pub waited: f64,
    /// Events of calls.
    pub events: u64,
    /// Events with `certain: false`.
    pub uncertain: u64,
}

impl CallCounters {
    /// Counts what was derived from a source, of whose calls so many go on.
    pub(super) fn count(&self, source: &str, derived: &[Derived], going_on: usize) {
        let mut sources = self.0.lock();
        if let Some(counts) = sources.get_mut(source) {
            for derived in derived {
                counts.add(derived);
            }
            counts.going_on = going_on as u64;
        }
    }

    /// Adds a source with counts of 0: an increase is visible only after a first sample.
    pub(super) fn add(&self, source: &str) {
        self.0.lock().entry(source.to_owned()).or_default();
    }

    /// Counts from 0 again. Recovery derives once more what the journal has.
    pub fn restart(&self) {
        for counts in self.0.lock().values_mut() {
            *counts = CallCounts { going_on: counts.going_on, ..CallCounts::default() };
        }
    }

    /// Returns the current values. `None` if the calls of the source are not derived.
    pub fn read(&self, source: &str) -> Option<CallCounts> {
        self.0.lock().get(source).cloned()
    }
}

impl CallCounts {
    fn add(&mut self, derived: &Derived) {
        let event = &derived.event;
        self.events += 1;
        self.uncertain += u64::from(!event.certain);
        match derived.step {
            Step::Started => self.started += 1,
            Step::Answered => {
                let bucket = BUCKETS.iter().position(|bound| event.wait_seconds <= *bound);
                if let Some(count) = self.answers.get_mut(bucket.unwrap_or(BUCKETS.len())) {
                    *count += 1;
                }
                self.waited += event.wait_seconds;
            }
            Step::Ended => {
                let outcome = event.outcome.unwrap_or(Outcome::Unknown);
                *self.ended.entry((outcome, event.direction)).or_default() += 1;
            }
            _ => {}
        }
    }
}
