//! Measures what routes cost. See benches/README.md.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a program for measuring"
)]

use std::{fmt::Write as _, hint::black_box, sync::Arc, time::Instant};

use cti_bridge::{
    app::config::load_with,
    config::Flags,
    event::{Body, JournalId, Origin, Position, RawEvent, Record, Seq, SourceId},
    route::{Plan, Rules},
};
use jiff::Timestamp;
use serde_json::Value;

/// An hour of the simulated office.
const OFFICE: &str = include_str!("../../fixtures/office-hour.jsonl");
/// Records per round, and rounds of each kind, which take turns.
const RECORDS: usize = 200_000;
const ROUNDS: usize = 15;

/// The routes: a name, and ten of them that match nothing in the recording, so that all are tried.
const KINDS: [(&str, &str); 4] = [
    ("none", ""),
    ("ten on one event each", r#"match = { event = "absent-NUMBER" }"#),
    (
        "ten on four patterns each",
        r#"match = { event = ["absent-NUMBER*", "*-absent", "a?sent", "absent"] }"#,
    ),
    (
        "ten on entity and a value",
        r#"match = { entity = "extension/*", where = [{ path = "/number", in = ["NUMBER"] }] }"#,
    ),
];

fn main() {
    let records = office();
    let bytes: usize = records.iter().map(Record::size).sum();
    println!("{} events of the simulated office, {} bytes on average", records.len(), bytes / records.len());
    let mut times = KINDS.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for ((_, route), times) in KINDS.iter().zip(&mut times) {
            times.push(decide(&records, route));
        }
    }
    println!("ns per record, median of {ROUNDS} rounds of {RECORDS} records:");
    let medians = times.map(|mut times| median(&mut times));
    for ((name, _), time) in KINDS.iter().zip(medians) {
        println!("  routes: {name:<28} {time:>8.1}  ({:+.1})", time - medians[0]);
    }
}

fn office() -> Vec<Record> {
    let frame = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let (name, args) = (line["event"].as_str().unwrap(), line["args"].as_array().unwrap());
        let texts = args.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let (length, end) = (name.len().try_into().unwrap(), (name.len() + texts.len()).try_into().unwrap());
        RawEvent {
            at: Timestamp::UNIX_EPOCH,
            bytes: format!("{name}{texts}").into(),
            name: 0..length,
            args: length..end,
            argc: args.len().try_into().unwrap(),
            attachments: Box::default(),
        }
    };
    let record = |line| Record {
        position: Position(0),
        source: SourceId(0),
        seq: Seq(0),
        at: Timestamp::UNIX_EPOCH,
        session: 0,
        origin: Origin::Live,
        gap: Seq(0),
        unchanged: false,
        body: Body::Event(frame(line)),
    };
    OFFICE.lines().map(record).collect()
}

/// The decision on each record, with its names and payload.
fn decide(records: &[Record], route: &str) -> f64 {
    let mut plan = Plan::new(JournalId::draw(), Arc::new(["pbx1".to_owned()]), rules(route));
    let start = Instant::now();
    for record in records.iter().cycle().take(RECORDS) {
        black_box(plan.decide(black_box(record)));
    }
    start.elapsed().as_nanos() as f64 / RECORDS as f64
}

fn rules(route: &str) -> Rules {
    let mut text = "[sources.pbx1]\nurl = \"https://pbx\"\nusername = \"u\"\npassword = \"p\"\n\
                    [sinks.out]\ntype = \"stdout\"\n"
        .to_owned();
    for number in 0..if route.is_empty() { 0 } else { 10 } {
        write!(text, "[[sinks.out.routes]]\n{}\n", route.replace("NUMBER", &number.to_string())).unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    std::fs::write(&file, text).unwrap();
    let config = load_with(&Flags { config: Some(file), ..Flags::default() }, []).unwrap().config;
    Rules { routes: config.sinks["out"].routes.clone(), ..Rules::default() }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
