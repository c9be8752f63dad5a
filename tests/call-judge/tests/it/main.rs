//! The tracker before its judge, and the judge before flaws.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::time::Duration;

use call_judge::{
    Bridge, FlawKind, Interruption, Verdict, judge,
    kills::{Manner, Tally},
};
use calls::Step;
use pbx_simulator::rehearsal::{Rehearsal, Script};

fn run(mut rehearsal: Rehearsal, interruption: Option<Interruption>) -> Verdict {
    let bridge = Bridge::follow(&mut rehearsal, interruption);
    assert!(bridge.is_idle(), "a call dangles");
    judge(&rehearsal, &bridge)
}

/// Fails with the first flaws.
fn accept(what: &str, verdict: &Verdict) {
    println!("{what}: {} runs, {} calls, {} events", verdict.runs, verdict.calls, verdict.events);
    let flaws = verdict.flaws.iter().take(5).map(|flaw| format!("{:?} {}", flaw.kind, flaw.text));
    assert!(verdict.flaws.is_empty(), "{what}: {:#?}", flaws.collect::<Vec<_>>());
}

#[test]
fn each_script_is_told_as_it_was() {
    for script in Script::all() {
        let mut verdict = Verdict::default();
        for seed in 0..8 {
            verdict.add(run(Rehearsal::of(script, seed), None));
        }
        assert!(verdict.events > 8, "{} shows nothing", script.name());
        accept(script.name(), &verdict);
    }
}

#[test]
fn calls_of_a_busy_day_stay_apart() {
    for seed in 0..2 {
        let day = Rehearsal::day(seed, Duration::from_secs(10), Duration::from_mins(20));
        accept("day", &run(day, None));
    }
}

#[test]
fn a_call_has_one_end_wherever_the_process_ends() {
    let gaps = [0, 800, 5_000, 3_600_000];
    let mut verdict = Verdict::default();
    for (seed, script) in (0..).zip(Script::all()) {
        let records = Bridge::follow(&mut Rehearsal::of(script, seed), None).records;
        for after in (1..=records).step_by(2) {
            let millis = gaps[usize::try_from(after / 2).unwrap() % gaps.len()];
            verdict.add(run(Rehearsal::of(script, seed), Some(Interruption { after, millis })));
        }
    }
    accept("ended at each record", &verdict);
}

/// Through the real journal, which recovers. `call-judge --journal` takes every commit.
#[test]
fn a_call_has_one_end_whatever_a_kill_leaves_on_the_disk() {
    let mut tally = Tally::default();
    for ((seed, script), manner) in (0..).zip(Script::all()).zip(Manner::ALL.into_iter().cycle()) {
        tally.script(script, seed, manner, |commit| commit % 13 == seed % 13);
    }
    for (seed, manner) in (0..).zip(Manner::ALL) {
        tally.day(seed, manner, |commit| commit % 101 == seed);
    }
    assert!(tally.interrupted > 100, "{} calls were interrupted", tally.interrupted);
    accept("killed", &tally.verdict);
}

/// What the judge says about a derived history that was changed.
fn flaws_after(change: impl FnOnce(&mut Bridge)) -> Vec<FlawKind> {
    let mut rehearsal = Rehearsal::of(Script::named("inbound").unwrap(), 3);
    let mut bridge = Bridge::follow(&mut rehearsal, None);
    change(&mut bridge);
    judge(&rehearsal, &bridge).flaws.iter().map(|flaw| flaw.kind).collect()
}

fn at(bridge: &Bridge, step: Step) -> usize {
    bridge.derived.iter().position(|derived| derived.step == step).unwrap()
}

#[test]
fn the_judge_notices_what_is_wrong() {
    assert_eq!(flaws_after(|_| ()), []);
    let missing = flaws_after(|bridge| {
        let ringing = at(bridge, Step::Ringing);
        bridge.derived.remove(ringing);
    });
    assert_eq!(missing, [FlawKind::WrongKind]);
    let invented = flaws_after(|bridge| {
        let mut held = bridge.derived[at(bridge, Step::Answered)].clone();
        held.step = Step::Merged;
        bridge.derived.insert(at(bridge, Step::Ended), held);
    });
    assert_eq!(invented, [FlawKind::WrongKind]);
    let swapped = flaws_after(|bridge| {
        let (ringing, answered) = (at(bridge, Step::Ringing), at(bridge, Step::Answered));
        bridge.derived.swap(ringing, answered);
    });
    assert!(swapped.contains(&FlawKind::WrongOrder), "{swapped:?}");
    let misdirected = flaws_after(|bridge| {
        let ended = at(bridge, Step::Ended);
        bridge.derived[ended].event.outcome = Some(calls::Outcome::Missed);
    });
    assert_eq!(misdirected, [FlawKind::FalseCertain]);
    let endless = flaws_after(|bridge| drop(bridge.derived.pop()));
    assert_eq!(endless, [FlawKind::Invariant]);
}
