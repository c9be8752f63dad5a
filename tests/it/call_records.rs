//! The examples that keep calls in a database: one row per call, whatever is delivered again.
#![cfg(feature = "nats")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use async_nats::{HeaderMap, jetstream};
use serde_json::Value;

use crate::support::{consumer::installed, nats::Nats};

const JETSTREAM: &str = "jetstream: { store_dir: \"$DIR/js\" }";
/// Prints what is compared of each row.
const ROWS: &str = "import sqlite3, sys\nfor row in sqlite3.connect(sys.argv[1]).execute('SELECT call, sequence, caller, \
    main_party, outcome FROM calls ORDER BY call'): print(*row)";

/// A database, and the programs that use it.
struct Records {
    dir: tempfile::TempDir,
    nats: String,
}

impl Records {
    fn new(nats: &str) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), nats: nats.to_owned() }
    }

    fn database(&self) -> PathBuf {
        self.dir.path().join("calls.db")
    }

    fn python(&self) -> Command {
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", installed().join("python")).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("CTI_DATABASE", self.database()).env("NATS_URL", &self.nats).stdin(Stdio::null());
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/consumers"));
        command
    }

    fn prints(&self, args: &[&str]) -> String {
        let output = self.python().args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn rows(&self) -> Vec<String> {
        let rows = self.prints(&["-c", ROWS, self.database().to_str().unwrap()]);
        rows.lines().map(str::to_owned).collect()
    }

    fn follow(&self) -> Following {
        Following(self.python().arg("call_records.py").stderr(Stdio::null()).spawn().unwrap())
    }

    /// Waits until so many calls have ended.
    async fn ended(&self, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.database().exists()
            || self.rows().iter().filter(|row| !row.ends_with("None")).count() < count
        {
            assert!(Instant::now() < deadline, "{:#?}", self.rows());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Killed when dropped.
struct Following(Child);

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/calls").join(name).with_extension("jsonl")
}

fn events(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(fixture(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The last event of each call, as a row shows it.
fn expected(events: &[Value]) -> Vec<String> {
    let ended = events.iter().filter(|event| event["type"] == "cti.call.ended.v1");
    let text = |value: &Value| value.as_str().unwrap_or("None").to_owned();
    let mut rows: Vec<_> = ended
        .map(|event| {
            let sequence: u64 = event["sequence"].as_str().unwrap().parse().unwrap();
            let data = &event["data"];
            let caller = data["originalFrom"]["extension"].as_str();
            let legs = data["legs"].as_array().unwrap();
            let answered = legs.iter().rfind(|leg| {
                let is_answered = leg["outcome"] == "answered" || leg["state"] == "connected";
                is_answered && caller.is_none_or(|caller| leg["extension"] != caller)
            });
            let main = answered.or(legs.first()).map_or("None", |leg| leg["extension"].as_str().unwrap());
            let [call, from, outcome] =
                [&data["call"], &data["originalFrom"]["number"], &data["outcome"]].map(text);
            format!("{call} {sequence} {from} {main} {outcome}")
        })
        .collect();
    rows.sort_unstable();
    rows
}

#[test]
fn files_give_a_row_per_call_and_the_missed_ones() {
    let records = Records::new("");
    let events = events("queue-abandonment");
    for _ in 0..2 {
        records.prints(&["call_records.py", fixture("queue-abandonment").to_str().unwrap()]);
        assert_eq!(records.rows(), expected(&events));
    }
    let missed = records.prints(&["missed_calls.py"]);
    let rows: Vec<Vec<&str>> = missed.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows, [["0541000222", "1", "2026-11-24T09:00:30Z", "69", "s", "401"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_gives_a_row_per_call_whatever_comes_again() {
    let nats = Nats::start(JETSTREAM).await;
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let subjects = vec!["cti.v1.pbx1.call.>".to_owned()];
    let config = jetstream::stream::Config { name: "cti-bridge".to_owned(), subjects, ..Default::default() };
    context.create_stream(config).await.unwrap();
    let records = Records::new(&nats.url());
    let events = events("office-hour");
    let (first, second) = events.split_at(events.len() / 2);
    publish(&context, first).await;
    let following = records.follow();
    records.ended(1).await;
    drop(following);
    // Everything once more, older events behind newer ones.
    publish(&context, second).await;
    publish(&context, first).await;
    let _following = records.follow();
    records.ended(expected(&events).len()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(records.rows(), expected(&events));
}

async fn publish(context: &jetstream::Context, events: &[Value]) {
    for event in events {
        let mut headers = HeaderMap::new();
        let text = |name: &str| event[name].as_str().unwrap();
        for name in ["specversion", "id", "source", "type", "time", "sequence", "subject"] {
            headers.insert(format!("ce-{name}"), text(name));
        }
        let step = text("type").split('.').nth(2).unwrap();
        let subject = format!("cti.v1.pbx1.call.{step}.{}", event["data"]["call"].as_str().unwrap());
        let data = event["data"].to_string();
        context.publish_with_headers(subject, headers, data.into()).await.unwrap().await.unwrap();
    }
}
