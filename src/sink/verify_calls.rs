//! Verifies the promises about calls, from the content of partitions alone. Pure.

use std::collections::BTreeMap;

use calls::{
    CallEvent, CallKey, Step,
    invariants::{Checker, Rule},
};
use jiff::Timestamp;
use serde_json::Value;

use super::verify::Held;
use crate::event::{JournalId, Seq};

/// An event of a call, as a partition stores it.
#[derive(Debug, Clone)]
pub struct HeldCall {
    /// Its data.
    pub data: Value,
    /// Personal data is hidden, so that different legs may have the same channel.
    pub is_redacted: bool,
}

/// A fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallFinding {
    /// A call breaks a promise with the event of this number.
    Broken(String, CallKey, Seq, Rule),
    /// The event of this number is not an event of a call that this version knows.
    Unreadable(String, Seq),
}

/// Checks the calls of all sources, event by event.
#[derive(Debug, Default)]
pub struct CallChecker {
    since: Option<Timestamp>,
    sources: BTreeMap<(String, JournalId), Source>,
    findings: Vec<CallFinding>,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CallReport {
    /// The faults.
    pub findings: Vec<CallFinding>,
    /// Checked calls.
    pub calls: u64,
    /// Calls without an end: they go on.
    pub going_on: u64,
    /// The source and key of the oldest of them.
    pub oldest: Option<(String, CallKey)>,
    /// Checked events.
    pub events: u64,
    /// Events with `certain: false`.
    pub uncertain: u64,
}

/// The calls of a source in one journal.
#[derive(Debug, Default)]
struct Source {
    checker: Checker,
    /// By partition: the first and the last number.
    partitions: BTreeMap<usize, (Seq, Seq)>,
    /// By call: number and time of the last event.
    last: BTreeMap<CallKey, (Seq, Timestamp)>,
}

impl CallChecker {
    /// Returns a checker that reports faults since a time. `None` reports all.
    pub fn new(since: Option<Timestamp>) -> Self {
        Self { since, ..Self::default() }
    }

    /// Checks the next event of its partition, unless it belongs to a call that began before the partition does.
    pub fn take(&mut self, held: &Held) {
        let stored = &held.stored;
        let source = self.sources.entry((stored.source.clone(), stored.journal)).or_default();
        let is_first = !source.partitions.contains_key(&held.partition);
        let (first, last) = source.partitions.entry(held.partition).or_insert((stored.seq, stored.seq));
        if !is_first && stored.seq <= *last {
            return;
        }
        *last = stored.seq;
        let Some(call) = &held.call else { return };
        let counts = self.since.is_none_or(|since| stored.time >= since);
        let Some((step, event)) = parsed(&stored.ty, call) else {
            if counts {
                self.findings.push(CallFinding::Unreadable(stored.source.clone(), stored.seq));
            }
            return;
        };
        if event.call.seq < *first {
            return;
        }
        let known = source.checker.violations().len();
        source.checker.take(step, &event);
        source.last.insert(event.call, (stored.seq, stored.time));
        let new = source.checker.violations().iter().skip(known).filter(|_| counts);
        self.findings
            .extend(new.map(|it| CallFinding::Broken(stored.source.clone(), it.call, stored.seq, it.rule)));
    }

    /// Returns what was found.
    pub fn finish(self) -> CallReport {
        let mut report = CallReport { findings: self.findings, ..CallReport::default() };
        for ((name, _), Source { checker, last, .. }) in self.sources {
            report.calls += checker.calls;
            report.events += checker.events;
            report.uncertain += checker.uncertain;
            let open: Vec<CallKey> = checker.open().collect();
            report.going_on += open.len() as u64;
            let oldest = open.first().map(|call| (name.clone(), *call));
            report.oldest = report.oldest.or(oldest);
            let known = checker.violations().len();
            for violation in checker.finish(false).iter().skip(known) {
                let Some((seq, time)) = last.get(&violation.call) else { continue };
                if self.since.is_none_or(|since| *time >= since) {
                    let (call, rule) = (violation.call, violation.rule);
                    report.findings.push(CallFinding::Broken(name.clone(), call, *seq, rule));
                }
            }
        }
        report
    }
}

/// Parses an event. `None` for one that this version does not know.
fn parsed(ty: &str, call: &HeldCall) -> Option<(Step, CallEvent)> {
    let name = ty.strip_prefix("cti.call.")?.strip_suffix(".v1")?;
    let step = Step::ALL.into_iter().find(|step| step.name() == name)?;
    let mut event: CallEvent = serde_json::from_value(call.data.clone()).ok()?;
    if call.is_redacted {
        event.leg = None;
    }
    Some((step, event))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sink::Stored;

    fn held(partition: usize, seq: u64, call: Option<(&str, &str, Value)>) -> Held {
        let ty = call.as_ref().map_or("event.e", |(step, ..)| step);
        let stored = Stored {
            source: "a".to_owned(),
            journal: "aaaaaaaaaa".parse().unwrap(),
            seq: Seq(seq),
            time: Timestamp::from_second(i64::try_from(seq).unwrap()).unwrap(),
            ty: if call.is_some() { format!("cti.call.{ty}.v1") } else { format!("cti.{ty}.v1") },
            location: String::new(),
            place: String::new(),
        };
        let call = call.map(|(_, key, more)| {
            let mut data = json!({
                "call": key, "linkedIds": [], "direction": "inbound", "from": {}, "to": {}, "originalFrom": {},
                "throughTrunk": true, "state": "ringing", "startedAt": "2026-11-24T10:00:00Z", "waitSeconds": 0.0,
                "talkSeconds": 0.0, "legs": [], "recording": false, "certain": true
            });
            data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            HeldCall { data, is_redacted: false }
        });
        Held { partition, stored, prev: Seq(seq - 1), notice: None, call }
    }

    fn step<'a>(step: &'a str, key: &'a str) -> (&'a str, &'a str, Value) {
        (step, key, json!({}))
    }

    fn ended(key: &str) -> (&str, &str, Value) {
        ("ended", key, json!({ "outcome": "missed" }))
    }

    fn report(since: Option<i64>, events: &[Held]) -> CallReport {
        let mut checker = CallChecker::new(since.map(|since| Timestamp::from_second(since).unwrap()));
        for held in events {
            checker.take(held);
        }
        checker.finish()
    }

    fn broken(call: u64, seq: u64, rule: Rule) -> CallFinding {
        CallFinding::Broken("a".to_owned(), CallKey { seq: Seq(call), index: 0 }, Seq(seq), rule)
    }

    #[test]
    fn sound_calls_have_no_findings() {
        let events = [
            held(0, 5, None),
            // Began before the stream does.
            held(0, 6, Some(ended("3"))),
            held(0, 7, Some(step("started", "5"))),
            held(0, 8, Some(step("ringing", "5"))),
            held(0, 9, Some(step("started", "6"))),
            held(0, 10, Some(ended("5"))),
            // Delivered twice.
            held(0, 10, Some(ended("5"))),
        ];
        let found = report(None, &events);
        assert_eq!(found.findings, []);
        assert_eq!((found.calls, found.events, found.going_on), (2, 4, 1));
        assert_eq!(found.oldest, Some(("a".to_owned(), CallKey { seq: Seq(6), index: 0 })));
    }

    #[test]
    fn a_broken_promise_is_found_with_its_event_unless_it_is_older() {
        let events = [
            held(0, 5, None),
            held(0, 7, Some(step("started", "5"))),
            held(0, 8, Some(step("started", "5"))),
            held(0, 9, Some(ended("5"))),
            held(0, 10, Some(ended("5"))),
            held(0, 11, Some(step("held", "6"))),
            held(0, 12, Some(step("sung", "6"))),
        ];
        let unknown = CallFinding::Unreadable("a".to_owned(), Seq(12));
        let late = [broken(5, 10, Rule::EndsOnce), broken(6, 11, Rule::StartsOnce), unknown];
        assert_eq!(report(Some(10), &events).findings, late);
        let all = [&[broken(5, 8, Rule::StartsOnce)][..], &late].concat();
        assert_eq!(report(None, &events).findings, all);
    }

    #[test]
    fn calls_that_merge_may_be_in_different_partitions() {
        let merged = |partition, absorbed| {
            [
                held(partition, 5, None),
                held(partition, 6, Some(step("started", "5"))),
                held(partition, 9, Some(("merged", "5", json!({ "absorbed": absorbed })))),
                held(partition, 11, Some(step("dequeued", "5"))),
                held(partition, 12, Some(ended("5"))),
            ]
        };
        let other = [
            held(1, 5, None),
            held(1, 7, Some(step("started", "6"))),
            held(1, 8, Some(step("queued", "6"))),
            held(1, 10, Some(("ended", "6", json!({ "outcome": "merged", "into": "5" })))),
        ];
        for partition in [0, 2] {
            let mut events = [&merged(partition, "6")[..], &other].concat();
            events.sort_by_key(|held| held.partition);
            assert_eq!(report(None, &events).findings, [], "{partition}");
        }
        let found = report(None, &merged(0, "7")).findings;
        assert_eq!(found, [broken(5, 12, Rule::MergesBothWays)]);
    }
}
