//! `[derive]`: calls, which the journal derives from the events of each source.

use calls::Tracker;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

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

/// Returns what the journal derives for these sources.
pub fn calls(sources: Vec<String>) -> Derivation {
    Derivation { new: || Box::<Calls>::default(), sources }
}

/// The calls of one source.
#[derive(Debug, Default)]
struct Calls(Tracker);

impl Derive for Calls {
    fn fold(&mut self, record: &Record) -> Vec<Derived> {
        encode(&self.0.fold(record))
    }

    fn is_due(&self, at: Timestamp) -> bool {
        self.0.is_due(at)
    }

    fn tick(&mut self, at: Timestamp) -> Vec<Derived> {
        encode(&self.0.tick(at))
    }

    fn adopt(&mut self, stored: &EncodedCall) {
        self.0.adopt(&stored.key, &stored.step);
    }

    fn finish(&mut self, cause: Seq, at: Timestamp) -> Vec<Derived> {
        encode(&self.0.finish(cause, at))
    }

    fn save(&self) -> Vec<u8> {
        self.0.save()
    }

    fn restore(&mut self, saved: &[u8]) -> bool {
        Tracker::restore(saved).map(|tracker| self.0 = tracker).is_some()
    }
}

fn encode(derived: &[calls::Derived]) -> Vec<Derived> {
    derived.iter().map(|it| Derived { at: it.at, call: it.encode() }).collect()
}
