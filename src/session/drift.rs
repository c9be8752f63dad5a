//! Finds events that differ from the catalogue, in a sample.
//!
//! Of each event name the first ten of a session are compared with its schema, and one in a thousand after that; events of a
//! snapshot are counted apart, as they are built from another answer. An event that is not compared costs one look-up and one
//! increment. What is found goes to the [`Findings`] of the source, which outlive its sessions, and is published once per day.

mod findings;
mod names;

use std::collections::{BTreeSet, HashMap};

pub use findings::{Finding, Findings};
use findings::Place;

use crate::event::{
    Drift, DriftKind, Fingerprints, Notice, Origin, RawEvent, drifts, event_index, schemas, word,
};

/// Events of a name that are compared at the start of a session.
const FIRST: u64 = 10;
/// After that, one in this number is compared.
const EVERY: u64 = 1000;
/// Uncatalogued names that are counted one by one; all others share a counter.
const STRANGERS: usize = 64;
/// Bytes of the largest arguments that are compared: a comparison holds up the session.
const LARGEST: usize = 1 << 20;

/// Compares the events of one session after the other with the catalogue.
#[derive(Debug)]
pub struct Detector {
    is_on: bool,
    findings: Findings,
    live: Sampler,
    snapshot: Sampler,
}

/// Counts the events of a session by name.
#[derive(Debug)]
struct Sampler {
    /// By the index of the schema.
    known: Box<[u64]>,
    /// By the name's fingerprint.
    strangers: HashMap<u128, u64>,
    fingerprints: Fingerprints,
    others: u64,
}

impl Detector {
    /// The detector of a source. Without `is_on` it finds nothing.
    pub fn new(is_on: bool, findings: Findings) -> Self {
        Self { is_on, findings, live: Sampler::new(), snapshot: Sampler::new() }
    }

    /// Starts a session.
    pub(super) fn begin(&mut self) {
        (self.live, self.snapshot) = (Sampler::new(), Sampler::new());
    }

    /// Counts an event, and compares it if it belongs to the sample. Returns the notices that should follow it.
    pub fn inspect(&mut self, frame: &RawEvent, origin: Origin) -> Vec<Notice> {
        if !self.is_on {
            return Vec::new();
        }
        let name = frame.name();
        let index = event_index(&name);
        let sampler = if origin == Origin::Snapshot { &mut self.snapshot } else { &mut self.live };
        if sampler.takes(index, &name) { self.compare(index, &name, frame) } else { Vec::new() }
    }

    fn compare(&self, index: Option<usize>, name: &[u8], frame: &RawEvent) -> Vec<Notice> {
        let schema = index.and_then(|index| schemas().get(index));
        let found = match schema {
            Some(_) if frame.args.len() > LARGEST => vec![],
            Some(schema) => drifts(schema, frame.argc, &frame.args()),
            None => vec![Drift { kind: DriftKind::UnknownEvent, path: String::new(), field: None }],
        };
        if found.is_empty() {
            return Vec::new();
        }
        let event = names::event(name);
        // Several unknown fields may share a place once they are masked: the event counts once.
        let places: BTreeSet<_> = found
            .into_iter()
            .map(|drift| Place {
                event: event.clone(),
                path: names::path(drift.path, drift.field.as_deref()),
                kind: drift.kind,
            })
            .collect();
        let label = schema.map_or(findings::UNKNOWN, |schema| schema.name.as_str());
        let due = places.into_iter().filter_map(|place| {
            let count = self.findings.record(label, &place, frame.at)?;
            Some(announce(place, count))
        });
        due.collect()
    }
}

fn announce(place: Place, count: u64) -> Notice {
    let Place { event, path, kind } = place;
    tracing::warn!(
        event,
        path,
        kind = word(&kind),
        "the PBX sends something that the event catalogue does not describe: check that consumers can handle it, and report it \
         to the project"
    );
    Notice::Drift { event, path, kind, count }
}

impl Sampler {
    fn new() -> Self {
        let known = vec![0; schemas().len()].into();
        Self { known, strangers: HashMap::new(), fingerprints: Fingerprints::default(), others: 0 }
    }

    /// Counts an event. Returns whether it belongs to the sample.
    fn takes(&mut self, index: Option<usize>, name: &[u8]) -> bool {
        let count = match index {
            Some(index) => self.known.get_mut(index),
            None => Some(self.stranger(name)),
        };
        count.is_some_and(|count| {
            *count += 1;
            *count <= FIRST || count.is_multiple_of(EVERY)
        })
    }

    fn stranger(&mut self, name: &[u8]) -> &mut u64 {
        let key = self.fingerprints.of(&name);
        if self.strangers.len() >= STRANGERS && !self.strangers.contains_key(&key) {
            return &mut self.others;
        }
        self.strangers.entry(key).or_default()
    }
}
