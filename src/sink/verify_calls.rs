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
