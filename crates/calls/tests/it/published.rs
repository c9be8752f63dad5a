//! What is published of calls agrees with the catalogue, and `fixtures/calls/` holds the calls of the recordings in `fixtures/`.
//! `UPDATE_FIXTURES=1 cargo test -p cti-calls --test it published` writes them.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use bytes::Bytes;
use calls::{
    CallEvent, CallKey, CallState, Derived, Direction, LegState, LegView, Outcome, Party, Step, Tracker,
    Transfer, TransferKind,
};
use event::{
    Body, Class, CloudEvent, Mark, Origin, Position, RawEvent, Record, Schema, Seq, SourceId, call_type,
    drifts, model::Data, notice_schema, structured,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// The recordings whose calls are kept, in the order of their numbers.
const RECORDINGS: [&str; 6] =
    ["office-hour", "attended-transfer", "blind-transfer", "queue-abandonment", "parking", "reload-storm"];

fn schema() -> &'static Schema {
    notice_schema(Class::Call, "started").unwrap()
}

fn words<T: serde::Serialize>(all: &[T]) -> BTreeSet<String> {
    all.iter().map(|it| serde_json::to_value(it).unwrap().as_str().unwrap().to_owned()).collect()
}

/// Asserts that the catalogue describes the data, and that the types for consumers hold all of it.
fn is_described(step: Step, event: &CallEvent) {
    let data = serde_json::to_vec(event).unwrap();
    let found = drifts(schema(), 1, &data);
    assert!(found.is_empty(), "{found:?} in {}", String::from_utf8_lossy(&data));
    let parsed = Data::parse(&call_type(step.name()), &data).unwrap().expect("a model of each step");
    let mut parsed = serde_json::to_value(parsed).unwrap();
    without_nulls(&mut parsed);
    assert_eq!(parsed, serde_json::from_slice::<Value>(&data).unwrap());
    let event: CallEvent = serde_json::from_slice(&data).unwrap();
    assert_eq!(serde_json::to_value(event).unwrap(), parsed);
}

fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

#[test]
fn an_event_with_every_field_is_described() {
    let at: Timestamp = "2026-11-24T10:00:00.5Z".parse().unwrap();
    let text = |text: &str| Some(text.to_owned());
    let party = Party { number: text("201"), name: text("Ada"), extension: text("201"), user: text("ada") };
    let key = CallKey { seq: Seq(7), index: 1 };
    let event = CallEvent {
        call: key,
        linked_ids: vec!["1795538000.7".to_owned()],
        direction: Direction::Internal,
        from: party.clone(),
        to: party.clone(),
        original_from: party.clone(),
        queue: text("401"),
        parking: text("71"),
        through_trunk: false,
        state: CallState::Ended,
        started_at: at,
        answered_at: Some(at),
        ended_at: Some(at),
        wait_seconds: 0.0,
        talk_seconds: 1.5,
        legs: vec![LegView {
            extension: "201".to_owned(),
            user: text("ada"),
            state: LegState::Null,
            channel: "PJSIP/201-00000001".to_owned(),
            uniqueid: "1795538000.1".to_owned(),
            since: at,
            outcome: Some(Outcome::Answered),
        }],
        recording: true,
        certain: true,
        leg: text("PJSIP/201-00000001"),
        transfer: Some(Transfer {
            by: party.clone(),
            from: party.clone(),
            to: party,
            kind: TransferKind::Attended,
        }),
        absorbed: Some(key),
        into: Some(key),
        outcome: Some(Outcome::Merged),
        ended_between: Some([at.to_string(), at.to_string()]),
    };
    is_described(Step::Ended, &event);
    let Value::Object(fields) = serde_json::to_value(&event).unwrap() else { panic!("no object") };
    let names: BTreeSet<_> = fields.keys().collect();
    assert_eq!(names, schema().data.properties.iter().map(|(name, _)| name).collect());
}

#[test]
fn the_known_words_are_all_that_calls_have() {
    use CallState as S;
    let known = |node: &event::Node, field: &str| -> BTreeSet<String> {
        node.field(field.as_bytes()).unwrap().known.iter().cloned().collect()
    };
    let data = &schema().data;
    let directions = [Direction::Inbound, Direction::Outbound, Direction::Internal, Direction::Unknown];
    assert_eq!(known(data, "direction"), words(&directions));
    let states = [S::Initiated, S::Ringing, S::Queued, S::Connected, S::Held, S::Parked, S::Ended];
    assert_eq!(known(data, "state"), words(&states));
    let outcomes =
        [Outcome::Answered, Outcome::Missed, Outcome::Abandoned, Outcome::Merged, Outcome::Unknown];
    assert_eq!(known(data, "outcome"), words(&outcomes));
    let transfer = data.field(b"transfer").unwrap();
    let kinds = [TransferKind::Blind, TransferKind::Attended, TransferKind::Unknown];
    assert_eq!(known(transfer, "kind"), words(&kinds));
    let leg = data.field(b"legs").unwrap().items.as_deref().unwrap();
    let states =
        [LegState::Initiated, LegState::Alerting, LegState::Connected, LegState::Hold, LegState::Null];
    assert_eq!(known(leg, "state"), words(&states));
    let steps: Vec<_> = schema().steps.iter().map(|step| &*step.name).collect();
    assert_eq!(steps, Step::ALL.map(Step::name));
}

fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures"))
}

/// The records of a recording.
fn records(name: &str) -> Vec<(Timestamp, RawEvent)> {
    let text = fs::read_to_string(fixtures().join(name).with_extension("jsonl")).unwrap();
    let record = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let at = line["at"].as_str().unwrap().parse().unwrap();
        let args = line["args"].to_string();
        let name = line["event"].to_string();
        let bytes = format!("42[{name},{}", args.trim_start_matches('['));
        let (name, end) = (u32::try_from(name.len()).unwrap() + 3, u32::try_from(bytes.len()).unwrap() - 1);
        let argc = u16::try_from(line["args"].as_array().unwrap().len()).unwrap();
        let frame = RawEvent {
            at,
            name: 4..name - 1,
            args: (name + 1).min(end)..end,
            bytes: Bytes::from(bytes),
            argc,
            attachments: Box::default(),
        };
        (at, frame)
    };
    text.lines().map(record).collect()
}

/// Derives the calls of a recording, and publishes them as a bridge does that publishes calls only.
struct Bridge {
    seq: u64,
    prev: u64,
    lines: String,
}

impl Bridge {
    fn publish(&mut self, derived: Vec<Derived>) {
        for it in derived {
            is_described(it.step, &it.event);
            self.seq += 1;
            let (ty, subject) = (call_type(it.step.name()), format!("call/{}", it.event.call));
            let event = CloudEvent {
                journal: "abcdefgh23".parse().unwrap(),
                mark: Mark::Numbered { seq: Seq(self.seq), prev: Seq(self.prev) },
                sink: None,
                gap: Seq(0),
                source: "/cti/pbx1",
                ty: &ty,
                subject: Some(&subject),
                event: None,
                time: it.at,
                args: 1,
                origin: Origin::Derived,
                binary: false,
                redacted: None,
                cause: Some(it.cause),
                schema: None,
                data: serde_json::to_vec(&it.event).unwrap().into(),
            };
            self.prev = self.seq;
            let mut line = Vec::new();
            structured(&event, &mut String::new(), &mut line);
            self.lines.push_str(std::str::from_utf8(&line).unwrap());
            self.lines.push('\n');
        }
    }

    fn run(mut self, name: &str) -> String {
        let mut tracker = Tracker::default();
        let mut now = None::<Timestamp>;
        for (at, frame) in records(name) {
            self.live_until(&mut tracker, now, at);
            now = Some(at);
            self.seq += 1;
            let record = Record {
                position: Position(self.seq),
                source: SourceId(0),
                seq: Seq(self.seq),
                at,
                session: 1,
                origin: Origin::Live,
                gap: Seq(0),
                unchanged: false,
                body: Body::Event(frame),
            };
            let derived = tracker.fold(&record);
            self.publish(derived);
        }
        let end = now.unwrap() + SignedDuration::from_secs(10);
        self.live_until(&mut tracker, now, end);
        assert!(tracker.is_empty(), "{name}: a call goes on");
        self.lines
    }

    /// Lets time pass, a second after the other.
    fn live_until(&mut self, tracker: &mut Tracker, from: Option<Timestamp>, to: Timestamp) {
        let Some(mut now) = from else { return };
        while !tracker.is_empty() {
            now += SignedDuration::from_secs(1);
            if now >= to {
                return;
            }
            let derived = tracker.tick(now);
            self.publish(derived);
        }
    }
}

#[test]
fn the_fixtures_are_the_calls_of_the_recordings() {
    let is_update = std::env::var_os("UPDATE_FIXTURES").is_some();
    for (number, name) in (0..).zip(RECORDINGS) {
        let seq = 1_795_510_800_000_000 + number * 1_000_000;
        let lines = Bridge { seq, prev: 0, lines: String::new() }.run(name);
        let path = fixtures().join("calls").join(name).with_extension("jsonl");
        if is_update {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &lines).unwrap();
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == lines,
            "{} is out of date: run `UPDATE_FIXTURES=1 cargo test -p cti-calls --test it published`",
            path.display()
        );
    }
}
