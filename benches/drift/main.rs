//! Measures what the comparison of events with the catalogue costs. See benches/README.md.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a program for measuring"
)]

use std::{hint::black_box, time::Instant};

use bytes::Bytes;
use cti_bridge::{
    event::{Origin, RawEvent, SourceId, drifts, event_schema},
    journal::{Journal, Opened},
    session::{Detector, Findings},
    socketio::{Packet, decode},
};
use jiff::Timestamp;
use pbx_client::{Raw, token};
use pbx_simulator::{Account, Flow, Options, Simulator, Source};

/// Events of the simulated office that are sent over and over.
const OFFICE: usize = 2_000;
/// Events per round, and rounds of each kind, which take turns.
const EVENTS: usize = 300_000;
const ROUNDS: usize = 15;
/// Events that the session appends at once.
const BATCH: usize = 32;

#[tokio::main]
async fn main() {
    let frames = office().await;
    let bytes: usize = frames.iter().map(RawEvent::size).sum();
    println!("{OFFICE} events of the simulated office, {} bytes on average", bytes / frames.len());
    let (mut off, mut on) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        off.push(append(&frames, false));
        on.push(append(&frames, true));
    }
    let mut alone: Vec<_> = (0..ROUNDS).map(|_| inspect(&frames)).collect();
    let mut all: Vec<_> = (0..ROUNDS).map(|_| compare(&frames)).collect();
    let [off, on, alone, all] = [&mut off, &mut on, &mut alone, &mut all].map(|rounds| median(rounds));
    println!("ns per event, median of {ROUNDS} rounds of {EVENTS} events:");
    println!("  appended to the journal, detection off  {off:>8.1}");
    println!("  appended to the journal, detection on   {on:>8.1}  ({:+.1} %)", 100.0 * (on - off) / off);
    println!("  detection alone                         {alone:>8.1}");
    println!("  comparison of every event               {all:>8.1}");
}

/// What a session of a small office receives.
async fn office() -> Vec<RawEvent> {
    let mut options = Options::quiet(Account::new("bridge", "secret"));
    options.source = Source::Calls(Flow { rate: 2_000.0, payload_bytes: None });
    let pbx = Simulator::start(options).await.unwrap();
    let mut client = Raw::login(&pbx, &token(&pbx).await).await;
    let mut frames = Vec::with_capacity(OFFICE);
    while frames.len() < OFFICE {
        let text = client.text().await;
        let Ok(Packet::Event(event)) = decode(text.as_bytes()) else { continue };
        frames.push(RawEvent {
            at: Timestamp::now(),
            bytes: Bytes::from(text),
            name: event.name,
            args: event.args,
            argc: event.argc,
            attachments: Box::default(),
        });
    }
    frames
}

/// As a live session does with what it has received.
fn append(frames: &[RawEvent], is_on: bool) -> f64 {
    let journal = Journal::memory(16 << 20, &["a".to_owned()], &["sink".to_owned()]);
    let mut live = journal.ingest(SourceId(0)).begin(Opened {
        user: String::new(),
        profile: None,
        sees: Vec::new(),
        privacy: None,
        may_have_missed: Vec::new(),
    });
    let mut detector = Detector::new(is_on, Findings::default());
    let start = Instant::now();
    for (number, frame) in frames.iter().cycle().take(EVENTS).enumerate() {
        let notices = detector.inspect(frame, Origin::Live);
        live.event(frame.clone());
        for notice in &notices {
            live.notice(notice);
        }
        if number % BATCH == 0 {
            live.commit();
        }
    }
    live.commit();
    per_event(start)
}

fn inspect(frames: &[RawEvent]) -> f64 {
    let mut detector = Detector::new(true, Findings::default());
    let start = Instant::now();
    for frame in frames.iter().cycle().take(EVENTS) {
        black_box(detector.inspect(black_box(frame), Origin::Live));
    }
    per_event(start)
}

fn compare(frames: &[RawEvent]) -> f64 {
    let start = Instant::now();
    for frame in frames.iter().cycle().take(EVENTS) {
        if let Some(schema) = event_schema(&frame.name()) {
            black_box(drifts(schema, frame.argc, black_box(&frame.args())));
        }
    }
    per_event(start)
}

fn per_event(start: Instant) -> f64 {
    start.elapsed().as_nanos() as f64 / EVENTS as f64
}

fn median(rounds: &mut [f64]) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}
