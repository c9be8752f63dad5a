//! The examples that keep calls in a database: one row per call, whatever is delivered again.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use async_nats::{HeaderMap, jetstream};
use serde_json::{Value, json};

use super::{JETSTREAM, stored};
use crate::support::{consumer::installed, nats::Nats, office, postgres, postgres::Postgres};

/// Prints all rows as objects.
const ROWS: &str = "import json, call_records\ncolumns = call_records.COLUMNS\n\
    query = f'SELECT {\", \".join(columns)} FROM calls ORDER BY source, call'\n\
    for row in call_records.Database(call_records.DATABASE).query(query):\n    \
        row = dict(zip(columns, row))\n    \
        print(json.dumps(row | {'certain': bool(row['certain'])}))";

/// A database, and the programs that use it.
struct Records {
    /// SQLite's file is in it.
    dir: tempfile::TempDir,
    database: String,
    nats: String,
}

impl Records {
    /// In SQLite.
    fn new(nats: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("calls.db").display().to_string();
        Self { dir, database, nats: nats.to_owned() }
    }

    fn on(postgres: &Postgres, nats: &str) -> Self {
        Self { database: postgres.url(), ..Self::new(nats) }
    }

    fn python(&self) -> Command {
        let mut command = Command::new("python3");
        let paths = [installed().join("python"), postgres::installed().join("python")];
        command.env("PYTHONPATH", std::env::join_paths(paths).unwrap()).env("PYTHONDONTWRITEBYTECODE", "1");
        // Each has a consumer of its own.
        command.env("CTI_CONSUMER", self.dir.path().file_name().unwrap().to_string_lossy().replace('.', ""));
        command.env("CTI_DATABASE", &self.database).env("NATS_URL", &self.nats).stdin(Stdio::null());
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/consumers"));
        command
    }

    fn prints(&self, args: &[&str]) -> String {
        let output = self.python().args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn rows(&self) -> Vec<Value> {
        self.prints(&["-c", ROWS]).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What [`expected`] gives.
    fn short(&self) -> Vec<Value> {
        let columns = ["call", "sequence", "caller", "main_party", "outcome"];
        self.rows().iter().map(|row| columns.map(|column| row[column].clone()).into()).collect()
    }

    /// Reads recordings.
    fn read(&self, names: &[&str]) {
        let paths: Vec<PathBuf> = names.iter().map(|name| fixture(name)).collect();
        let paths = paths.iter().map(|path| path.to_str().unwrap());
        self.prints(&["call_records.py"].into_iter().chain(paths).collect::<Vec<_>>());
    }

    fn follow(&self) -> Following {
        Following(self.python().arg("call_records.py").stderr(Stdio::null()).spawn().unwrap())
    }

    /// Waits until so many calls have ended.
    async fn ended(&self, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.rows().iter().filter(|row| !row["outcome"].is_null()).count() < count {
            assert!(Instant::now() < deadline, "{count}: {:#?}", self.short());
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

fn ended(events: &[Value]) -> impl Iterator<Item = &Value> {
    events.iter().filter(|event| event["type"] == "cti.call.ended.v1")
}

/// The main party: the last extension that answered, else the earliest. The originator only originates.
fn main_party(call: &Value) -> Value {
    let caller = &call["originalFrom"]["extension"];
    let legs = call["legs"].as_array().unwrap();
    let has_talked = |leg: &&Value| {
        leg["outcome"] == "answered" || ["connected", "hold"].iter().any(|state| leg["state"] == *state)
    };
    let answered = legs.iter().rfind(|leg| has_talked(leg) && leg["extension"] != *caller);
    let answered = answered.or_else(|| legs.iter().rfind(has_talked));
    answered.or(legs.first()).map_or(Value::Null, |leg| leg["extension"].clone())
}

/// The last event of each call, as a row shows it.
fn expected(events: &[Value]) -> Vec<Value> {
    let mut rows: Vec<Value> = ended(events)
        .map(|event| {
            let (call, sequence) = (&event["data"], event["sequence"].as_str().unwrap());
            let sequence: u64 = sequence.parse().unwrap();
            json!([call["call"], sequence, call["originalFrom"]["number"], main_party(call), call["outcome"]])
        })
        .collect();
    rows.sort_unstable_by_key(|row| row[0].as_str().unwrap().to_owned());
    rows
}

/// The callers from outside whose last call was not answered, with the number of such calls.
fn missed(events: &[Value]) -> BTreeMap<&str, usize> {
    let calls: Vec<&Value> = ended(events).map(|event| &event["data"]).collect();
    let was_reached = |number: &Value, missed: &Value| {
        calls.iter().any(|later| {
            let other = if later["direction"] == "inbound" { &later["originalFrom"] } else { &later["to"] };
            let is_outside = later["direction"] == "inbound" || later["direction"] == "outbound";
            is_outside
                && other["number"] == *number
                && !later["answeredAt"].is_null()
                && later["startedAt"].as_str() > missed["startedAt"].as_str()
        })
    };
    let mut callers = BTreeMap::new();
    for call in &calls {
        let number = &call["originalFrom"]["number"];
        let is_missed = call["outcome"] == "missed" || call["outcome"] == "abandoned";
        if call["direction"] == "inbound" && is_missed && number.is_string() && !was_reached(number, call) {
            *callers.entry(number.as_str().unwrap()).or_default() += 1;
        }
    }
    callers
}

#[test]
fn files_give_a_row_per_call_and_the_missed_ones() {
    let records = Records::new("");
    let events = events("queue-abandonment");
    for _ in 0..2 {
        records.read(&["queue-abandonment"]);
        assert_eq!(records.short(), expected(&events));
    }
    let missed = records.prints(&["missed_calls.py"]);
    let rows: Vec<Vec<&str>> = missed.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows, [["0541000222", "1", "2026-11-24T09:00:30Z", "69", "s", "401"]]);
}

/// By hand, from the legs of each call in their order.
#[test]
fn a_call_counts_for_its_main_party() {
    let records = Records::new("");
    records.read(&["office-hour"]);
    let main =
        records.rows().iter().map(|row| row["main_party"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    // 201 has consulted 210 and handed the call over; 206 called 203 in vain; 208 called 202; 201 has transferred to 208.
    let transferred = ["210", "210", "207", "206", "203", "208", "204", "206", "209"];
    let others = ["211", "202", "209", "208", "209", "208", "203"];
    assert_eq!(main, [&transferred[..], &others].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_gives_a_row_per_call_whatever_comes_again() {
    let nats = Nats::start(JETSTREAM).await;
    let context = stream(&nats).await;
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
    assert_eq!(records.short(), expected(&events));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_bridge_fills_both_databases_alike() {
    let (nats, postgres) = tokio::join!(Nats::start(JETSTREAM), Postgres::start());
    stream(&nats).await;
    let (lite, large) = (Records::new(&nats.url()), Records::on(&postgres, &nats.url()));
    let following = [lite.follow(), large.follow()];
    let sink = format!("[sinks.bus]\ntype = \"nats\"\nmode = \"jetstream\"\nservers = [\"{}\"]", nats.url());
    let dir = tempfile::tempdir().unwrap();
    office::play(dir.path(), &nats, &sink, 10).await;
    let events = stored(&nats).await;
    let rows = expected(&events);
    for records in [&lite, &large] {
        records.ended(rows.len()).await;
        assert_eq!(records.short(), rows);
    }
    drop(following);
    let print = lite.prints(&["missed_calls.py"]);
    let words = print.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let callers: BTreeMap<&str, usize> = words.map(|words| (words[0], words[1].parse().unwrap())).collect();
    assert_eq!(callers, missed(&events));

    // Files too, and again.
    for _ in 0..2 {
        for records in [&lite, &large] {
            records.read(&["office-hour", "queue-abandonment"]);
        }
        let all = lite.rows();
        assert_eq!(large.rows(), all);
        assert!(all.len() > rows.len());
    }
    let both = [&lite, &large].map(|records| records.prints(&["missed_calls.py"]));
    assert!(both[0] == both[1] && both[0] != print, "{both:#?}");
}

/// Creates an empty stream as the bridge would.
async fn stream(nats: &Nats) -> jetstream::Context {
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let subjects = ["event", "bridge", "call"].map(|class| format!("cti.v1.pbx1.{class}.>")).to_vec();
    let config = jetstream::stream::Config { name: "cti-bridge".to_owned(), subjects, ..Default::default() };
    context.create_stream(config).await.unwrap();
    context
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
