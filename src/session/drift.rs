//! Finds events that differ from the catalogue, in a sample.
//!
//! Of each event name the first ten of a session are compared with its schema, and one in a thousand after that; events of a
//! snapshot are counted apart, as they are built from another answer. An event that is not compared costs one look-up and one
//! increment. What is found goes to the [`Findings`] of the source, which outlive its sessions, and is published once per day.

mod findings;
mod names;

use std::collections::{BTreeSet, HashMap};

use findings::Place;
pub use findings::{Finding, Findings};

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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::{
        event::RawEvent,
        socketio::{Packet, decode},
    };

    const MIDNIGHT: i64 = 20_782 * 86_400;

    /// An event that is received some seconds after a midnight.
    fn frame(seconds: i64, text: &str) -> RawEvent {
        let Ok(Packet::Event(event)) = decode(text.as_bytes()) else { panic!("no event: {text}") };
        RawEvent {
            at: Timestamp::from_second(MIDNIGHT + seconds).unwrap(),
            bytes: bytes::Bytes::copy_from_slice(text.as_bytes()),
            name: event.name,
            args: event.args,
            argc: event.argc,
            attachments: Box::default(),
        }
    }

    fn detector() -> Detector {
        Detector::new(true, Findings::default())
    }

    /// Events whose number of arguments is wrong.
    const WRONG: &str = r#"42["extenUpdate"]"#;

    #[test]
    fn the_first_ten_and_one_in_a_thousand_are_compared() {
        let mut detector = detector();
        let findings = detector.findings.clone();
        let send = |detector: &mut Detector, origin, count: u64| {
            let before = findings.list().first().map_or(0, |finding| finding.count);
            (0..count).for_each(|_| drop(detector.inspect(&frame(0, WRONG), origin)));
            findings.list()[0].count - before
        };
        assert_eq!(send(&mut detector, Origin::Live, 9), 9);
        assert_eq!(send(&mut detector, Origin::Live, 990), 1);
        assert_eq!(send(&mut detector, Origin::Live, 1), 1);
        assert_eq!(send(&mut detector, Origin::Live, 10_000), 10);
        assert_eq!(send(&mut detector, Origin::Snapshot, 100), 10, "another sample");
        detector.begin();
        assert_eq!(send(&mut detector, Origin::Live, 100), 10, "another session");
    }

    #[test]
    fn uncatalogued_names_share_a_counter_beyond_the_first() {
        let mut detector = detector();
        for number in 0..100_000 {
            detector.inspect(&frame(0, &format!("42[\"made.up.{number}\"]")), Origin::Live);
        }
        assert_eq!(detector.live.strangers.len(), STRANGERS);
        // One of each, and of all the others the first ten and each thousandth.
        let sampled = BTreeMap::from([(("unknown", DriftKind::UnknownEvent), 64 + 10 + 99)]);
        assert_eq!(detector.findings.counts(), sampled);
        assert_eq!(detector.findings.list().len(), 100);
    }

    fn count(notices: &[Notice]) -> Option<u64> {
        match notices {
            [] => None,
            [Notice::Drift { count, .. }] => Some(*count),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_day_announces_again_with_the_events_since() {
        let mut detector = detector();
        let mut at = |seconds| count(&detector.inspect(&frame(seconds, WRONG), Origin::Live));
        assert_eq!(at(0), Some(1));
        assert_eq!((at(1), at(86_399)), (None, None));
        assert_eq!(at(86_400), Some(3));
        assert_eq!(at(86_399), None, "the clock was set back");
        assert_eq!((at(86_401), at(3 * 86_400)), (None, Some(3)));
        let finding = detector.findings.list().pop().unwrap();
        assert_eq!((finding.count, &*finding.event, &*finding.path), (7, "extenUpdate", ""));
        assert_eq!(finding.last_seen.duration_since(finding.first_seen), SignedDuration::from_hours(72));
    }

    #[test]
    fn a_source_announces_a_hundred_a_day() {
        let mut detector = detector();
        let mut send = |seconds, names: std::ops::Range<u32>| -> usize {
            let mut notices = 0;
            for name in names {
                // Only the first of an uncatalogued name is certain to be compared.
                detector.begin();
                let event = frame(seconds, &format!("42[\"e{name}\"]"));
                notices += detector.inspect(&event, Origin::Live).len();
            }
            notices
        };
        assert_eq!(send(0, 0..150), 100);
        assert_eq!(send(10, 0..300), 0);
        assert_eq!(send(86_400, 0..30), 30, "announced again");
        assert_eq!(send(86_401, 1000..1200), 70, "in place of what is not seen any more");
        assert_eq!(send(86_402, 0..2000), 0);
        let listed = detector.findings.list();
        assert_eq!(listed.len(), 100);
        assert_eq!(listed.iter().filter(|finding| finding.event.len() == 5).count(), 70);
    }

    #[test]
    fn masked_names_that_are_alike_count_once() {
        let mut detector = detector();
        let keys: Vec<_> = (0..9).map(|n| format!(r#""10.0.0.{n}":1,"072100011{n}":1"#)).collect();
        let text = format!(r#"42["extenHangup",{{{}}}]"#, keys.join(","));
        let notices = detector.inspect(&frame(0, &text), Origin::Live);
        let unknown = notices.into_iter().filter_map(|notice| match notice {
            Notice::Drift { path, kind: DriftKind::UnknownField, count, .. } => Some((path, count)),
            _ => None,
        });
        assert_eq!(unknown.collect::<Vec<_>>(), [("/0721000xxx".to_owned(), 1), ("/xxx".to_owned(), 1)]);
    }

    #[test]
    fn an_event_that_is_too_large_is_not_compared() {
        let mut detector = detector();
        let large = format!(r#"42["extenUpdate","{}"]"#, "x".repeat(LARGEST));
        assert_eq!(detector.inspect(&frame(0, &large), Origin::Live), []);
        assert_eq!(detector.inspect(&frame(0, r#"42["extenUpdate","x"]"#), Origin::Live).len(), 1);
    }
}
