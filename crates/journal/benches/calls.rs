//! Measures what deriving calls costs. See benches/README.md.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a program for measuring"
)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::Bytes;
use event::{Body, Origin, Position, RawEvent, Record, Seq, SourceId};
use jiff::Timestamp;
use journal::{Journal, Live, Opened};
use journal_kit::{
    names,
    office::{derivation, exten_update},
};

/// Extensions, each of which has a call.
const CALLS: usize = 2_000;
/// Events per round, and rounds of each kind, which take turns.
const EVENTS: usize = 100_000;
const ROUNDS: usize = 15;
/// Events that the session appends at once.
const BATCH: usize = 32;

fn main() {
    let events: Vec<RawEvent> = (0..CALLS).map(|number| update(number, true, 0)).collect();
    println!("{CALLS} calls; events of {} bytes", events[0].size());
    // First, while memory is not yet used again.
    state(&events);
    let (mut off, mut on) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        off.push(append(&events, &[]));
        on.push(append(&events, &["a"]));
    }
    let [off, on] = [&mut off, &mut on].map(|rounds| median(rounds));
    println!(
        "ns per extenUpdate that repeats its state but for the duration, median of {ROUNDS} rounds of {EVENTS} events:"
    );
    println!("  appended to the journal, calls off  {off:>8.1}");
    println!("  appended to the journal, calls on   {on:>8.1}  ({:+.1})", on - off);
}

fn update(number: usize, is_up: bool, duration: usize) -> RawEvent {
    let extension = format!("{}", 1000 + number);
    let talk = (
        format!("PJSIP/{extension}-{number:08x}"),
        format!("PJSIP/trunk-{number:08x}"),
        format!("1795538000.{number}"),
        is_up,
    );
    let mut event = exten_update(Timestamp::from_second(1_795_538_000).unwrap(), &extension, false, &[talk]);
    let field = format!(r#""duration":{duration},"#);
    let text = std::str::from_utf8(&event.bytes).unwrap().replacen(
        "\"startTime\"",
        &format!("{field}\"startTime\""),
        1,
    );
    event.args.end += u32::try_from(field.len()).unwrap();
    event.bytes = Bytes::from(text);
    event
}

/// As a live session does with what it has received.
fn append(events: &[RawEvent], sources: &[&str]) -> f64 {
    let journal = Journal::memory(1 << 30, &names(&["a"]), &names(&["x"])).deriving(&derivation(sources));
    let opened =
        Opened { user: String::new(), profile: None, sees: vec![], privacy: None, may_have_missed: vec![] };
    let mut live: Live = journal.ingest(SourceId(0)).begin(opened);
    for event in events {
        live.event(event.clone());
    }
    live.commit();
    // As the PBX does, each second.
    let events: Vec<RawEvent> =
        (1..=5).flat_map(|second| (0..CALLS).map(move |number| update(number, true, second))).collect();
    let start = Instant::now();
    for (number, event) in events.iter().cycle().take(EVENTS).enumerate() {
        live.event(event.clone());
        if number % BATCH == 0 {
            live.commit();
        }
    }
    live.commit();
    start.elapsed().as_nanos() as f64 / EVENTS as f64
}

/// Measures the state at the head of a segment, and the steps of a call.
fn state(events: &[RawEvent]) {
    let mut derive = (derivation(&["a"]).new)("a");
    let record = |number: usize, event: RawEvent| Record {
        position: Position(1),
        source: SourceId(0),
        seq: Seq(number as u64 + 1),
        at: event.at,
        session: 1,
        origin: Origin::Live,
        gap: Seq(0),
        unchanged: false,
        body: Body::Event(event),
    };
    let before = memory();
    let mut fold = |from: usize, events: &[RawEvent]| -> Duration {
        let records: Vec<_> =
            events.iter().cloned().enumerate().map(|(number, event)| record(from + number, event)).collect();
        let start = Instant::now();
        for record in &records {
            black_box(derive.fold(record));
        }
        start.elapsed()
    };
    let ringing: Vec<RawEvent> = (0..CALLS).map(|number| update(number, false, 0)).collect();
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / CALLS as f64;
    println!("  a call begins and rings             {:>8.1} us", micros(fold(0, &ringing)));
    println!("  a call is answered                  {:>8.1} us", micros(fold(CALLS, events)));
    println!("memory of {CALLS} calls going on: {} KiB", memory().saturating_sub(before));
    let start = Instant::now();
    let saved = derive.save();
    println!("head with {CALLS} calls: {} bytes, written in {:?}", saved.len(), start.elapsed());
    let start = Instant::now();
    assert!(derive.restore(&saved));
    println!("  read in {:?}", start.elapsed());
}

/// Returns the resident memory of this process in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}

fn median(rounds: &mut [f64]) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}
