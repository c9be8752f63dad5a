//! Compares derived events with the steps that really happened.

use std::collections::BTreeMap;

use calls::{CallEvent, CallKey, Derived, Direction, Outcome, Step, TransferKind, invariants::Checker};
use jiff::Timestamp;
use pbx_simulator::rehearsal::{PastCall, PastDirection, PastKind, PastStep, Rehearsal};

use crate::{
    bridge::Bridge,
    verdict::{FlawKind, Verdict},
};

/// What a time may be off, in milliseconds. Steps that are closer to each other may come in any order.
const TOLERANCE: i64 = 1_000;

/// Judges what a bridge has derived from a rehearsal that is over.
pub fn judge(rehearsal: &Rehearsal, bridge: &Bridge) -> Verdict {
    let mut verdict = Verdict {
        runs: 1,
        calls: rehearsal.calls().iter().filter(|call| call.has_started && call.into.is_none()).count() as u64,
        events: bridge.derived.len() as u64,
        uncertain: bridge.derived.iter().filter(|derived| !derived.event.certain).count() as u64,
        ..Verdict::default()
    };
    let mut checker = Checker::default();
    for derived in &bridge.derived {
        checker.take(derived.step, &derived.event);
    }
    for violation in checker.finish(true) {
        verdict.blame(FlawKind::Invariant, format!("call {} {}", violation.call, violation.rule));
    }
    let past = Past { calls: rehearsal.calls(), is_masked: rehearsal.is_masked() };
    let mut groups: BTreeMap<usize, Compared<'_>> = BTreeMap::new();
    for step in rehearsal.steps() {
        groups.entry(past.root(step.call)).or_default().0.push(step);
    }
    let calls = assign(rehearsal, bridge);
    let mut found = BTreeMap::new();
    for (key, call) in &calls {
        if let Some(other) = found.insert(call, key) {
            verdict.blame(FlawKind::WrongKind, format!("one call became two: {other} and {key}"));
        }
    }
    verdict.found = found.len() as u64;
    for derived in &bridge.derived {
        match calls.get(&derived.event.call) {
            Some(call) => groups.entry(past.root(*call)).or_default().1.push((*call, derived)),
            None => verdict.blame(FlawKind::WrongKind, format!("no such call: {}", describe(derived))),
        }
    }
    for (root, (steps, derived)) in groups {
        past.compare(root, &steps, &derived, &mut verdict);
    }
    verdict
}

/// The steps of a call and of those that joined it, and the derived events about them, each with its own call.
type Compared<'a> = (Vec<&'a PastStep>, Vec<(usize, &'a Derived)>);

/// Finds the real call of each derived one: that of its first leg, or of a caller that waits alone.
fn assign(rehearsal: &Rehearsal, bridge: &Bridge) -> BTreeMap<CallKey, usize> {
    let mut calls = BTreeMap::new();
    for derived in &bridge.derived {
        let event = &derived.event;
        if calls.contains_key(&event.call) {
            continue;
        }
        let by_leg = event.legs.first().and_then(|leg| rehearsal.call_of(number(&leg.uniqueid, '.', 10)?));
        let waiting = bridge.waiting.get(&event.call.seq).into_iter().flatten();
        let by_place = || {
            let mut known = waiting.filter_map(|channel| rehearsal.call_of(number(channel, '-', 16)?));
            known.find(|call| !calls.values().any(|other| other == call))
        };
        if let Some(call) = by_leg.or_else(by_place) {
            calls.insert(event.call, call);
        }
    }
    calls
}

/// Reads the number at the end of a channel's name or unique id.
fn number(text: &str, separator: char, radix: u32) -> Option<u32> {
    u32::from_str_radix(text.rsplit_once(separator)?.1, radix).ok()
}

/// Returns the channel that an event is about.
fn channel(event: &CallEvent) -> Option<u32> {
    let leg = event.leg.as_ref()?;
    let view = event.legs.iter().rev().find(|view| view.channel == *leg)?;
    number(&view.uniqueid, '.', 10)
}

fn name(kind: &PastKind) -> Step {
    match kind {
        PastKind::Started => Step::Started,
        PastKind::Ringing => Step::Ringing,
        PastKind::Queued => Step::Queued,
        PastKind::Dequeued => Step::Dequeued,
        PastKind::Answered => Step::Answered,
        PastKind::Joined => Step::Joined,
        PastKind::Held => Step::Held,
        PastKind::Resumed => Step::Resumed,
        PastKind::Parked => Step::Parked,
        PastKind::Unparked => Step::Unparked,
        PastKind::Transferred { .. } => Step::Transferred,
        PastKind::Merged { .. } => Step::Merged,
    }
}

/// Describes an event in a line.
pub fn describe(derived: &Derived) -> String {
    let event = &derived.event;
    let leg = event.leg.as_deref().unwrap_or_default();
    let doubt = if event.certain { "" } else { "?" };
    let transfer =
        event.transfer.as_ref().map(|it| format!("{:?} {:?}>{:?}", it.kind, it.by.number, it.to.number));
    let outcome = event.outcome.map(|outcome| format!("{outcome:?}")).unwrap_or_default();
    format!(
        "{:.3} call {} {}{doubt} {leg} {}{outcome}",
        derived.at,
        event.call,
        derived.step.name(),
        transfer.unwrap_or_default()
    )
}

/// What really happened.
struct Past<'a> {
    calls: &'a [PastCall],
    is_masked: bool,
}

impl Past<'_> {
    /// Returns the call that a call has become part of.
    fn root(&self, call: usize) -> usize {
        self.calls[call].into.map_or(call, |into| self.root(into))
    }

    fn shown(&self, number: &str) -> String {
        if self.is_masked {
            format!("{}xxx", &number[..number.len().saturating_sub(3)])
        } else {
            number.to_owned()
        }
    }

    fn compare(
        &self,
        root: usize,
        steps: &[&PastStep],
        derived: &[(usize, &Derived)],
        verdict: &mut Verdict,
    ) {
        let mut matched = vec![false; steps.len()];
        for (call, derived) in derived {
            self.check_fields(*call, derived, steps, verdict);
            if derived.step == Step::Ended {
                self.check_end(*call, derived, verdict);
            }
        }
        let is_compared = |derived: &Derived| !matches!(derived.step, Step::State | Step::Ended);
        let events = || derived.iter().filter(|(_, derived)| is_compared(derived));
        let certain = events().filter(|(_, derived)| derived.event.certain);
        let guesses = events().filter(|(_, derived)| !derived.event.certain);
        let mut order = Vec::new();
        // A guess must not take the step that a certain event is about.
        for (call, derived) in certain.chain(guesses) {
            let is_certain = derived.event.certain;
            let at = derived.at.as_millisecond();
            let free = steps.iter().enumerate().filter(|(index, _)| !matched[*index]);
            let fits = free.filter(|(_, step)| self.is_same(root, *call, step, derived));
            let Some((index, step)) = fits.min_by_key(|(_, step)| (step.at - at).abs()) else {
                if is_certain {
                    verdict.blame(FlawKind::WrongKind, format!("never happened: {}", describe(derived)));
                } else {
                    verdict.wrong_guesses += 1;
                }
                continue;
            };
            matched[index] = true;
            if !is_certain {
                continue;
            }
            order.push((step.at, describe(derived)));
            // When a call started is in its data.
            if derived.step != Step::Started && (step.at - at).abs() > TOLERANCE {
                verdict.blame(
                    FlawKind::FalseCertain,
                    format!("{} ms late: {}", at - step.at, describe(derived)),
                );
            }
        }
        for (index, step) in steps.iter().enumerate() {
            let is_visible = opposite(steps, index).is_none_or(|it| matched[it] || steps[it].seen.is_some());
            if !matched[index] && is_visible && was_seen(step, steps) {
                verdict.blame(FlawKind::WrongKind, format!("missing: {step:?}"));
            }
        }
        check_order(order, verdict);
    }

    /// Returns true if an event can be this step, apart from the time.
    fn is_same(&self, root: usize, call: usize, step: &PastStep, derived: &Derived) -> bool {
        let event = &derived.event;
        // The first answer was not seen.
        let is_answer = step.kind == PastKind::Joined && derived.step == Step::Answered && !event.certain;
        if name(&step.kind) != derived.step && !is_answer {
            return false;
        }
        match &step.kind {
            PastKind::Started => step.call == call,
            PastKind::Ringing | PastKind::Joined | PastKind::Held | PastKind::Resumed => {
                channel(event) == Some(step.channel)
            }
            // No called leg may be visible yet.
            PastKind::Answered => {
                let leg = channel(event);
                let originators = [root, step.call].map(|call| self.calls[call].originator);
                leg.is_some_and(|leg| leg == step.channel || originators.contains(&leg))
            }
            PastKind::Transferred { by, to, is_attended } => {
                event.transfer.as_ref().is_some_and(|transfer| {
                    let is_kind = match transfer.kind {
                        TransferKind::Attended => *is_attended,
                        TransferKind::Blind => !is_attended,
                        TransferKind::Unknown => true,
                    };
                    is_kind
                        && transfer.by.extension.as_ref() == Some(by)
                        && [&transfer.to.extension, &transfer.to.number].contains(&&Some(to.clone()))
                })
            }
            PastKind::Queued | PastKind::Dequeued => step.place == event.queue.as_deref(),
            PastKind::Parked => step.place == event.parking.as_deref(),
            PastKind::Unparked | PastKind::Merged { .. } => true,
        }
    }

    /// A certain event is right about direction, first caller and times.
    fn check_fields(&self, call: usize, derived: &Derived, steps: &[&PastStep], verdict: &mut Verdict) {
        let (past, event) = (&self.calls[call], &derived.event);
        if !event.certain {
            return;
        }
        let direction = match past.direction {
            PastDirection::Inbound => Direction::Inbound,
            PastDirection::Outbound => Direction::Outbound,
            PastDirection::Internal => Direction::Internal,
        };
        let mut wrong = Vec::new();
        if event.direction == Direction::Unknown {
            let shows = |step: &&&PastStep| {
                step.call == call && matches!(step.kind, PastKind::Ringing | PastKind::Answered)
            };
            if derived.step == Step::Ended && steps.iter().filter(shows).any(|step| step.seen.is_some()) {
                verdict.undirected += 1;
            }
        } else if event.direction != direction {
            wrong.push("direction");
        }
        let from = event.original_from.number.as_deref().unwrap_or_default();
        let is_extension = event.original_from.extension.as_deref() == Some(&*past.from);
        if from != self.shown(&past.from) && !is_extension {
            wrong.push("first caller");
        }
        let is_off = |at: Timestamp, real: i64| (at.as_millisecond() - real).abs() > TOLERANCE;
        if is_off(event.started_at, past.created) {
            wrong.push("start");
        }
        if let (Some(at), Some(real)) = (event.answered_at, past.answered)
            && is_off(at, real)
        {
            wrong.push("answer");
        }
        for what in wrong {
            verdict.blame(FlawKind::FalseCertain, format!("{what}: {} {past:?}", describe(derived)));
        }
    }

    fn check_end(&self, call: usize, derived: &Derived, verdict: &mut Verdict) {
        let (past, event) = (&self.calls[call], &derived.event);
        let outcome = event.outcome.unwrap_or(Outcome::Unknown);
        let is_right = match outcome {
            Outcome::Merged => past.into.is_some(),
            Outcome::Answered => past.answered.is_some(),
            Outcome::Abandoned => past.answered.is_none() && past.was_queued,
            Outcome::Missed => past.answered.is_none() && !past.was_queued,
            Outcome::Unknown => !event.certain,
        };
        if event.certain && !is_right {
            verdict.blame(FlawKind::FalseCertain, format!("outcome: {} {past:?}", describe(derived)));
        }
        let gone = past.gone.unwrap_or(i64::MAX);
        let is_late = event.ended_at.is_some_and(|at| (at.as_millisecond() - gone).abs() > TOLERANCE);
        if event.certain && is_late && outcome != Outcome::Merged {
            verdict.blame(FlawKind::FalseCertain, format!("end: {} {past:?}", describe(derived)));
        }
    }
}

/// Returns true if a step was shown. Two calls that were one when they were first shown have not been joined, nor has one
/// of whose called legs none was shown: it may as well have ended.
fn was_seen(step: &PastStep, steps: &[&PastStep]) -> bool {
    let has_started = |call: usize| {
        let began = steps.iter().find(|other| other.call == call && other.kind == PastKind::Started);
        began.is_some_and(|began| began.seen.is_some())
    };
    let has_lost_legs = |call: usize| {
        let is_called =
            |kind: &PastKind| matches!(kind, PastKind::Ringing | PastKind::Answered | PastKind::Joined);
        let mut legs = steps.iter().filter(|other| other.call == call && is_called(&other.kind)).peekable();
        legs.peek().is_some() && legs.all(|leg| leg.seen.is_none())
    };
    let is_shown = step.seen.is_some();
    match step.kind {
        PastKind::Merged { absorbed } => {
            is_shown && has_started(absorbed) && has_started(step.call) && !has_lost_legs(absorbed)
        }
        _ => is_shown,
    }
}

/// Returns the opposite step before a step, as a hold is before a resume. If that one was not shown, neither can be seen in
/// the states.
fn opposite(steps: &[&PastStep], index: usize) -> Option<usize> {
    let pair = |kind: &PastKind| match kind {
        PastKind::Held | PastKind::Resumed => Some(0),
        PastKind::Queued | PastKind::Dequeued => Some(1),
        PastKind::Parked | PastKind::Unparked => Some(2),
        _ => None,
    };
    let step = steps[index];
    let wanted = (pair(&step.kind)?, step.channel, step.place);
    let before = &steps[..index];
    before.iter().rposition(|it| pair(&it.kind).is_some_and(|pair| (pair, it.channel, it.place) == wanted))
}

/// `order` has the real times of certain events, in the order of the events.
fn check_order(order: Vec<(i64, String)>, verdict: &mut Verdict) {
    let mut latest = (i64::MIN, String::new());
    for (at, text) in order {
        if at + TOLERANCE < latest.0 {
            verdict.blame(FlawKind::WrongOrder, format!("{text} after {}", latest.1));
        }
        if at > latest.0 {
            latest = (at, text);
        }
    }
}
