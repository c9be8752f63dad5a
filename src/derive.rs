//! `[derive]`: calls, which the journal derives from the events of each source.

mod counters;

use std::sync::Arc;

use calls::Tracker;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

pub use self::counters::{BUCKETS, CallCounters, CallCounts};
use crate::{
    event::{EncodedCall, Record, Seq},
    journal::{Derivation, Derive, Derived},
};

/// What the bridge derives from the events of the PBXs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Derive calls, and publish their steps (ringing, answered, transferred, ended …) as events of the class "call". A source can
    /// override it with `derive_calls`.
    pub calls: bool,
}

/// Returns what the journal derives for these sources. It is counted in `counters`.
pub fn calls(sources: Vec<String>, counters: &CallCounters) -> Derivation {
    for source in &sources {
        counters.add(source);
    }
    let counters = counters.clone();
    let new = move |source: &str| -> Box<dyn Derive> {
        Box::new(Calls { tracker: Tracker::default(), source: source.into(), counters: counters.clone() })
    };
    Derivation { new: Arc::new(new), sources }
}

/// The calls of one source.
#[derive(Debug)]
struct Calls {
    tracker: Tracker,
    source: Box<str>,
    counters: CallCounters,
}

impl Calls {
    /// Counts and encodes what was derived.
    fn counted(&self, derived: &[calls::Derived]) -> Vec<Derived> {
        if !derived.is_empty() {
            self.counters.count(&self.source, derived, self.tracker.len());
        }
        derived.iter().map(|it| Derived { at: it.at, call: it.encode() }).collect()
    }
}

impl Derive for Calls {
    fn fold(&mut self, record: &Record) -> Vec<Derived> {
        let derived = self.tracker.fold(record);
        self.counted(&derived)
    }

    fn is_due(&self, at: Timestamp) -> bool {
        self.tracker.is_due(at)
    }

    fn tick(&mut self, at: Timestamp) -> Vec<Derived> {
        let derived = self.tracker.tick(at);
        self.counted(&derived)
    }

    fn adopt(&mut self, stored: &EncodedCall) {
        self.tracker.adopt(&stored.key, &stored.step);
    }

    fn finish(&mut self, cause: Seq, at: Timestamp) -> Vec<Derived> {
        let derived = self.tracker.finish(cause, at);
        self.counted(&derived)
    }

    fn save(&self) -> Vec<u8> {
        self.tracker.save()
    }

    fn restore(&mut self, saved: &[u8]) -> bool {
        let Some(tracker) = Tracker::restore(saved) else { return false };
        self.tracker = tracker;
        self.counters.count(&self.source, &[], self.tracker.len());
        true
    }
}
