//! Checks the invariants of the events of calls. Pure; for tests, and for `verify --calls`.

use std::{collections::BTreeMap, fmt};

use crate::model::{CallEvent, CallKey, LegState, Outcome, Party, Step};

/// Violation of an invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Call.
    pub call: CallKey,
    /// Violated rule.
    pub rule: Rule,
}

/// Invariant of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A call has one `started`, which comes first.
    StartsOnce,
    /// Nothing follows `ended`.
    EndsOnce,
    /// A call ends.
    Ends,
    /// A leg rings before it is answered, and is not answered twice.
    RingsFirst,
    /// A leg is held only while it is connected, and resumed only while it is held.
    HoldsWhileConnected,
    /// A call leaves a queue only after it has entered it.
    DequeuedAfterQueued,
    /// A call leaves a parking slot only after it has entered it.
    UnparkedAfterParked,
    /// `originalFrom` stays the same.
    KeepsOriginalFrom,
    /// `talkSeconds` is not longer than the time from the answer to the end.
    TalksWhileAnswered,
    /// A call that joins another names it, and the other one names it too.
    MergesBothWays,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StartsOnce => "does not begin with exactly one `started`",
            Self::EndsOnce => "goes on after its `ended`",
            Self::Ends => "has no `ended`",
            Self::RingsFirst => "has a leg that rings after its answer, or is answered twice",
            Self::HoldsWhileConnected => "has a leg that is held or resumed out of order",
            Self::DequeuedAfterQueued => "leaves a queue without having entered it",
            Self::UnparkedAfterParked => "leaves a parking slot without having entered it",
            Self::KeepsOriginalFrom => "changes `originalFrom`",
            Self::TalksWhileAnswered => "talks for longer than it was connected",
            Self::MergesBothWays => "names a merged call that does not name it",
        })
    }
}

/// Checks the events of one source, in their order.
#[derive(Debug, Default)]
pub struct Checker {
    open: BTreeMap<CallKey, Seen>,
    ended: BTreeMap<CallKey, Option<CallKey>>,
    absorbed: Vec<(CallKey, CallKey)>,
    violations: Vec<Violation>,
    /// Checked calls.
    pub calls: u64,
    /// Checked events.
    pub events: u64,
    /// Events with `certain: false`.
    pub uncertain: u64,
}

/// State of a call, as far as its events have shown it.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts")]
struct Seen {
    original_from: Option<Party>,
    is_queued: bool,
    is_parked: bool,
    is_answered: bool,
    /// Its places and legs include those of a call that was not seen.
    has_unseen_places: bool,
    /// By channel: the leg has been connected, and is held.
    legs: BTreeMap<String, (bool, bool)>,
}

impl Checker {
    /// Checks the next event.
    pub fn take(&mut self, step: Step, event: &CallEvent) {
        self.events += 1;
        self.uncertain += u64::from(!event.certain);
        let call = event.call;
        let mut violate = |rule| self.violations.push(Violation { call, rule });
        if self.ended.contains_key(&call) {
            return violate(Rule::EndsOnce);
        }
        let is_known = self.open.contains_key(&call);
        if is_known == (step == Step::Started) {
            violate(Rule::StartsOnce);
        }
        self.calls += u64::from(!is_known);
        let absorbed = event.absorbed.map(|absorbed| self.open.get(&absorbed).map(Seen::places));
        let seen = self.open.entry(call).or_default();
        let known = seen.original_from.get_or_insert_with(|| event.original_from.clone());
        if *known == Party::default() {
            known.clone_from(&event.original_from);
        } else if *known != event.original_from {
            violate(Rule::KeepsOriginalFrom);
        }
        match absorbed {
            Some(Some((is_queued, is_parked, legs))) => {
                seen.is_queued |= is_queued;
                seen.is_parked |= is_parked;
                seen.legs.extend(legs);
            }
            // Another partition has it.
            Some(None) => seen.has_unseen_places = true,
            None => {}
        }
        for rule in seen.step(step, event) {
            violate(rule);
        }
        if let (Some(answered), Some(ended)) = (event.answered_at, event.ended_at)
            && event.talk_seconds > ended.duration_since(answered).as_secs_f64().max(0.0) + 1e-6
        {
            violate(Rule::TalksWhileAnswered);
        }
        if step == Step::Merged
            && let Some(absorbed) = event.absorbed
        {
            self.absorbed.push((call, absorbed));
        }
        if step == Step::Ended {
            self.open.remove(&call);
            let is_merged = event.outcome == Some(Outcome::Merged);
            if is_merged != event.into.is_some() {
                violate(Rule::MergesBothWays);
            }
            self.ended.insert(call, event.into);
        }
    }

    /// Returns the violations so far, in their order.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Returns the calls that go on.
    pub fn open(&self) -> impl Iterator<Item = CallKey> {
        self.open.keys().copied()
    }

    /// Returns all violations. `is_over` is true if no call can be going on.
    pub fn finish(mut self, is_over: bool) -> Vec<Violation> {
        if is_over {
            self.violations.extend(self.open.keys().map(|call| Violation { call: *call, rule: Rule::Ends }));
        }
        let ended = &self.ended;
        let one_way =
            self.absorbed.iter().filter(|(call, absorbed)| ended.get(absorbed) != Some(&Some(*call)));
        self.violations
            .extend(one_way.map(|(call, _)| Violation { call: *call, rule: Rule::MergesBothWays }));
        self.violations
    }
}

impl Seen {
    /// Returns the places and legs that a call brings into the one that it joins.
    fn places(&self) -> (bool, bool, BTreeMap<String, (bool, bool)>) {
        (self.is_queued, self.is_parked, self.legs.clone())
    }

    fn step(&mut self, step: Step, event: &CallEvent) -> Vec<Rule> {
        let mut broken = Vec::new();
        let has_unseen = self.has_unseen_places;
        let mut need = |holds: bool, rule| {
            if !holds {
                broken.push(rule);
            }
        };
        let leg = event.leg.as_ref().map(|channel| self.legs.entry(channel.clone()).or_default());
        match (step, leg) {
            (Step::Ringing, Some((was_connected, _))) => need(!*was_connected, Rule::RingsFirst),
            (Step::Answered | Step::Joined, Some((was_connected, _))) => {
                need(!*was_connected, Rule::RingsFirst);
                *was_connected = true;
            }
            (Step::Held, Some((_, is_held))) => {
                let view = event.legs.iter().rev().find(|leg| Some(&leg.channel) == event.leg.as_ref());
                let is_hold = view.is_some_and(|leg| leg.state == LegState::Hold);
                need(is_hold && !*is_held, Rule::HoldsWhileConnected);
                *is_held = true;
            }
            (Step::Resumed, Some((_, is_held))) => {
                need(std::mem::take(is_held) || has_unseen, Rule::HoldsWhileConnected);
            }
            (Step::Queued, _) => self.is_queued = true,
            (Step::Dequeued, _) => {
                need(std::mem::take(&mut self.is_queued) || has_unseen, Rule::DequeuedAfterQueued);
            }
            (Step::Parked, _) => self.is_parked = true,
            (Step::Unparked, _) => {
                need(std::mem::take(&mut self.is_parked) || has_unseen, Rule::UnparkedAfterParked);
            }
            _ => {}
        }
        if step == Step::Answered {
            need(!std::mem::replace(&mut self.is_answered, true), Rule::RingsFirst);
        }
        broken
    }
}
