//! `call-judge [RUNS] [SCRIPT]`: runs each script with as many seeds, and prints what the tracker made of it.
//! `call-judge --journal [RUNS] [SEED]`: through a journal, with the process killed at each commit in turn, from this seed on.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::{process::ExitCode, time::Duration};

use call_judge::{
    Bridge, FlawKind, Interruption, Verdict, describe, judge,
    kills::{Manner, Tally},
};
use pbx_simulator::rehearsal::{Rehearsal, Script};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if_eq("--journal").is_some() {
        let mut number = |default| args.next().and_then(|text| text.parse().ok()).unwrap_or(default);
        return kills(number(1), number(0));
    }
    let runs = args.next().and_then(|runs| runs.parse().ok()).unwrap_or(100);
    let only = args.next();
    if let (Some(script), Some(seed)) = (only.as_deref().and_then(Script::named), args.next()) {
        return show(script, seed.parse().unwrap_or_default());
    }
    println!(
        "script                         runs  calls  kinds  order  false  broken  events  unsure  guesses"
    );
    let mut is_flawless = true;
    for script in Script::all().filter(|script| only.as_deref().is_none_or(|only| only == script.name())) {
        let mut verdict = Verdict::default();
        for seed in 0..runs {
            let mut rehearsal = Rehearsal::of(script, seed);
            let bridge = Bridge::follow(&mut rehearsal, None);
            let mut one = judge(&rehearsal, &bridge);
            for flaw in &mut one.flaws {
                flaw.text = format!("seed {seed}: {}", flaw.text);
            }
            verdict.add(one);
        }
        print(script.name(), &verdict);
        is_flawless &= verdict.flaws.is_empty();
        for flaw in verdict.flaws.iter().take(if only.is_some() { 20 } else { 3 }) {
            println!("    {:?} {}", flaw.kind, flaw.text);
        }
    }
    if only.is_none() {
        is_flawless &= days(runs) & interruptions(runs.div_ceil(20));
    }
    if is_flawless { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs whole days with calls of all kinds at once. Returns true if nothing is wrong.
fn days(runs: u64) -> bool {
    let mut verdict = Verdict::default();
    for seed in 0..runs.div_ceil(10) {
        let mut rehearsal = Rehearsal::day(seed, Duration::from_secs(12), Duration::from_mins(30));
        let bridge = Bridge::follow(&mut rehearsal, None);
        let mut one = judge(&rehearsal, &bridge);
        for flaw in &mut one.flaws {
            flaw.text = format!("seed {seed}: {}", flaw.text);
        }
        verdict.add(one);
    }
    print("day", &verdict);
    for flaw in verdict.flaws.iter().take(20) {
        println!("    {:?} {}", flaw.kind, flaw.text);
    }
    verdict.flaws.is_empty()
}

/// Ends the process at each record in turn. Returns true if nothing is wrong.
fn interruptions(runs: u64) -> bool {
    let mut is_flawless = true;
    for millis in [0, 800, 5_000, 3_600_000] {
        let mut verdict = Verdict::default();
        for (script, seed) in Script::all().flat_map(|script| (0..runs).map(move |seed| (script, seed))) {
            let mut rehearsal = Rehearsal::of(script, seed);
            let records = Bridge::follow(&mut rehearsal, None).records;
            for after in 1..=records {
                let mut rehearsal = Rehearsal::of(script, seed);
                let bridge = Bridge::follow(&mut rehearsal, Some(Interruption { after, millis }));
                let mut one = judge(&rehearsal, &bridge);
                for flaw in &mut one.flaws {
                    flaw.text = format!("{} seed {seed} at {after}: {}", script.name(), flaw.text);
                }
                verdict.add(one);
            }
        }
        print(&format!("ended at each record, {millis} ms"), &verdict);
        is_flawless &= verdict.flaws.is_empty();
        for flaw in verdict.flaws.iter().take(20) {
            println!("    {:?} {}", flaw.kind, flaw.text);
        }
    }
    is_flawless
}

/// Kills the process at each commit in turn, in this many runs of each script and as many short days.
fn kills(runs: u64, first: u64) -> ExitCode {
    let began = std::time::Instant::now();
    println!("kill                           runs  interrupted    ended   blind  broken  events  unsure");
    let mut sum = Tally::default();
    for manner in Manner::ALL {
        let mut tally = Tally::default();
        for seed in first..first + runs {
            for script in Script::all() {
                tally.script(script, seed, manner, |_| true);
            }
            tally.day(seed, manner, |_| true);
        }
        println!("{:28} {tally}", manner.name());
        for flaw in tally.verdict.flaws.iter().take(20) {
            println!("    {:?} {}", flaw.kind, flaw.text);
        }
        sum.add(tally);
    }
    println!("{:28} {sum}   {:.0?}", "all", began.elapsed());
    if sum.verdict.flaws.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Shows what happened in a run, and what was made of it.
fn show(script: Script, seed: u64) -> ExitCode {
    let mut rehearsal = Rehearsal::of(script, seed);
    let mut sent = rehearsal.clone();
    while let Some((at, events)) = sent.advance() {
        for event in events.iter().filter(|event| event.name.ends_with("Update")) {
            println!("{at} {} {}", event.name, event.args);
        }
    }
    let bridge = Bridge::follow(&mut rehearsal, None);
    for step in rehearsal.steps() {
        println!("{step:?}");
    }
    for derived in &bridge.derived {
        println!("{} {}", derived.at.as_millisecond(), describe(derived));
    }
    let verdict = judge(&rehearsal, &bridge);
    for flaw in &verdict.flaws {
        println!("{:?} {}", flaw.kind, flaw.text);
    }
    if verdict.flaws.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(name: &str, verdict: &Verdict) {
    let count = |kind| verdict.count(kind);
    #[allow(clippy::cast_precision_loss, reason = "a share for people")]
    let share = verdict.uncertain as f64 * 100.0 / verdict.events.max(1) as f64;
    println!(
        "{name:28} {:6} {:6} {:6} {:6} {:6} {:7} {:7} {share:6.1}% {:8}",
        verdict.runs,
        verdict.calls,
        count(FlawKind::WrongKind),
        count(FlawKind::WrongOrder),
        count(FlawKind::FalseCertain),
        count(FlawKind::Invariant),
        verdict.events,
        verdict.wrong_guesses,
    );
}
