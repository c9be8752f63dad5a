//! Durable delivery to Kafka: the real binary, its journal on disk, a topic of a real broker, and readers that others wrote.
#![cfg(feature = "kafka")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use pbx_simulator::{Account, Options, Simulator};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::support::{
    bridge::{Bridge, program},
    consumer::{self, Consumer},
    kafka,
    kafka::{Kafka, event},
    wait::until,
};

const TOPIC: &str = "cti.events.v1";

fn config(pbx: &Simulator, kafka: &Kafka, dir: &Path) -> String {
    let (pbx, broker, journal) = (pbx.url(), kafka.address(), dir.join("journal"));
    format!(
        "[sources.pbx1]\nurl = \"{pbx}\"\nusername = \"bridge\"\nresync = false\ndetect_drift = false\npassword = \"p\"\n\
         [sinks.bus]\ntype = \"kafka\"\nbrokers = [\"{broker}\"]\n[journal]\ndir = \"{}\"\n",
        journal.display()
    )
}

async fn pbx() -> Arc<Simulator> {
    Arc::new(Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap())
}

async fn logged_in(pbx: &Simulator) {
    let mut live = pbx.live();
    tokio::time::timeout(Duration::from_secs(30), live.wait_for(|live| *live == 1)).await.unwrap().unwrap();
}

/// What the topic holds, once its newest event is the number `last`.
async fn stored(kafka: &Kafka, last: u64) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        assert!(Instant::now() < deadline, "{last} does not come");
        tokio::time::sleep(Duration::from_millis(100)).await;
        let events: Vec<Value> =
            tokio::task::block_in_place(|| kafka.records(TOPIC, 0, 0)).iter().map(event).collect();
        if events.iter().rev().find_map(|event| event["data"]["n"].as_u64()) == Some(last) {
            return events;
        }
    }
}

fn emit(pbx: &Simulator, number: u64) {
    emit_for(pbx, 201, number);
}

fn emit_for(pbx: &Simulator, extension: u64, number: u64) {
    pbx.emit("extenUpdate", &format!(r#"{{"exten":"{extension}","name":"Zoë","n":{number}}}"#));
}

fn command(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = program().args(args).arg("--config").arg(dir.join("config.toml")).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.code(), text)
}

/// A thousand events a second, in threads of its own pace, until it is dropped.
struct Calls {
    sent: Arc<AtomicU64>,
    enough: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Calls {
    /// Of this many extensions, in turn.
    fn start(pbx: Arc<Simulator>, extensions: u64) -> Self {
        let (sent, enough) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stop) = (Arc::clone(&sent), Arc::clone(&enough));
        let task = tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(1));
            while !stop.load(Ordering::Relaxed) {
                pace.tick().await;
                let number = count.fetch_add(1, Ordering::Relaxed);
                emit_for(&pbx, 201 + number % extensions, number);
            }
        });
        Self { sent, enough, task }
    }

    /// Waits until so many more are sent.
    async fn more(&self, count: u64) {
        let enough = self.sent.load(Ordering::Relaxed) + count;
        until("no more calls are sent", || self.sent.load(Ordering::Relaxed) >= enough).await;
    }

    /// The number of the last one.
    async fn end(self) -> u64 {
        self.enough.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        self.sent.load(Ordering::Relaxed) - 1
    }
}

/// `kill -9` amid some calls, and another one in its place.
async fn killed(bridge: Bridge, pbx: &Simulator, calls: &Calls, (dir, text): (&Path, &str)) -> Bridge {
    calls.more(fastrand::u64(200..600)).await;
    drop(bridge);
    let mut live = pbx.live();
    live.wait_for(|live| *live == 0).await.unwrap();
    let bridge = Bridge::start(dir, text);
    logged_in(pbx).await;
    bridge
}

// Commands and consumers block.
#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_leave_every_event_stored_once_and_in_order() {
    let (pbx, kafka, dir) = (pbx().await, Kafka::start().await, tempfile::tempdir().unwrap());
    let text = config(&pbx, &kafka, dir.path());
    let mut bridge = Bridge::start(dir.path(), &text);
    logged_in(&pbx).await;
    let calls = Calls::start(Arc::clone(&pbx), 1);
    for _ in 0..10 {
        bridge = killed(bridge, &pbx, &calls, (dir.path(), &text)).await;
    }
    let last = calls.end().await;
    let events = stored(&kafka, last).await;
    let numbers: Vec<u64> = events.iter().filter_map(|event| event["data"]["n"].as_u64()).collect();
    assert!(numbers.is_sorted_by(|before, after| before < after), "again, or in another order");
    assert_eq!(events.iter().filter(|event| event["type"] == "cti.bridge.gap.v1").count(), 11);
    // Between two gaps the bridge heard everything.
    for between in events.split(|event| event["type"] == "cti.bridge.gap.v1") {
        let numbers: Vec<u64> = between.iter().filter_map(|event| event["data"]["n"].as_u64()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "something is missing between gaps");
    }
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
    let (code, text) = command(dir.path(), &["verify", "--sink", "bus", "--since", "1h"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("announced gaps: 11; complete, in order, everything once"), "{text}");
}

/// The partitions of a topic whose events are spread by entity: each is in order and has no hole by its `ctiprev`, an
/// entity's events are all in one, and what the bridge says itself is in each. The numbers of the events, sorted.
fn spread(kafka: &Kafka, partitions: i32) -> Vec<u64> {
    let mut homes: BTreeMap<String, i32> = BTreeMap::new();
    let mut notices = Vec::new();
    let mut numbers = Vec::new();
    for partition in 0..partitions {
        let events: Vec<Value> = kafka.records(TOPIC, partition, 0).iter().map(event).collect();
        let mut last = 0;
        for event in &events {
            let number = |name: &str| event[name].as_str().unwrap().parse::<u64>().unwrap();
            assert_eq!(number("ctiprev"), last, "partition {partition}: {event}");
            assert!(number("sequence") > last, "partition {partition}: {event}");
            last = number("sequence");
            numbers.extend(event["data"]["n"].as_u64());
            let key = event["partitionkey"].as_str().unwrap().to_owned();
            if event["subject"].is_string() {
                assert_eq!(*homes.entry(key).or_insert(partition), partition, "{event}");
            }
        }
        let said = events.iter().filter(|event| event["subject"].is_null());
        notices.push(said.map(|event| event["id"].clone()).collect::<Vec<_>>());
        assert!(events.iter().any(|event| event["subject"].is_string()), "nothing in partition {partition}");
    }
    assert!(notices.iter().all(|said| *said == notices[0] && !said.is_empty()), "{notices:?}");
    numbers.sort_unstable();
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn entities_keep_their_order_despite_kills() {
    let (pbx, mut kafka, dir) = (pbx().await, Kafka::start().await, tempfile::tempdir().unwrap());
    let base = config(&pbx, &kafka, dir.path());
    let text = base.replace("[journal]", "partitions = 4\npartition_by = \"entity\"\n[journal]");
    let mut bridge = Bridge::start(dir.path(), &text);
    logged_in(&pbx).await;
    let calls = Calls::start(Arc::clone(&pbx), 40);
    for _ in 0..5 {
        bridge = killed(bridge, &pbx, &calls, (dir.path(), &text)).await;
    }
    kafka.kill();
    calls.more(500).await;
    kafka.up().await;
    let last = calls.end().await;
    let all = |kafka: &Kafka, partitions| -> Vec<u64> {
        let number = |record| event(&record)["data"]["n"].as_u64();
        let read = |partition| kafka.records(TOPIC, partition, 0).into_iter().filter_map(number);
        tokio::task::block_in_place(|| (0..partitions).flat_map(read).collect())
    };
    let deadline = Instant::now() + Duration::from_mins(2);
    while !all(&kafka, 4).contains(&last) {
        assert!(Instant::now() < deadline, "{last} does not come");
    }
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
    let numbers = tokio::task::block_in_place(|| spread(&kafka, 4));
    assert!(numbers.is_sorted_by(|before, after| before < after), "something came twice");
    let (code, told) = command(dir.path(), &["verify", "--sink", "bus", "--since", "1h"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("announced gaps: 6; complete, in order, everything once"), "{told}");

    // A reader of all partitions gets each event once, and what the bridge says once per partition.
    let consumer = Consumer::new("kafka_consumer.py", "KAFKA_BROKERS", &kafka.address());
    let read = |partition| kafka.records(TOPIC, partition, 0).iter().map(event).collect::<Vec<_>>();
    let stored: Vec<Value> = tokio::task::block_in_place(|| (0..4).flat_map(read).collect());
    assert_eq!(consumer.reads(stored.len()).await, consumer::lines(&stored));

    // More partitions: entities may move, and nothing comes again.
    let alter = ["--alter", "--topic", TOPIC, "--partitions", "6"];
    kafka.tool("org.apache.kafka.tools.TopicCommand", &alter).await;
    let mut bridge = Bridge::start(dir.path(), &text);
    logged_in(&pbx).await;
    (1..=200).for_each(|more| emit_for(&pbx, 201 + more % 40, last + more));
    while all(&kafka, 6).len() < numbers.len() + 200 {
        assert!(Instant::now() < deadline, "the rest does not come");
    }
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
    assert_eq!(all(&kafka, 6).len(), numbers.len() + 200, "something came twice");
    let (code, told) = command(dir.path(), &["verify", "--sink", "bus"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(!bridge.output().contains("forgotten"), "{}", bridge.output());
}

/// The first lines that a program prints; it is killed then.
async fn lines(mut command: tokio::process::Command, count: usize) -> Vec<String> {
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = Vec::new();
    while lines.len() < count {
        let line = tokio::time::timeout(Duration::from_mins(1), output.next_line()).await;
        lines.push(line.expect("no line comes").unwrap().expect("it ended"));
    }
    lines
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples").join(name)
}

/// The console consumer of Kafka, and the Java client with the official SDK.
#[tokio::test(flavor = "multi_thread")]
async fn consumers_of_others_read_the_events_as_the_binding_says() {
    let (pbx, kafka, dir) = (pbx().await, Kafka::start().await, tempfile::tempdir().unwrap());
    let _bridge = Bridge::start(dir.path(), &config(&pbx, &kafka, dir.path()));
    logged_in(&pbx).await;
    (0..20).for_each(|number| emit(&pbx, number));
    let stored = stored(&kafka, 19).await;
    assert!(stored.iter().any(|event| event["subject"] == "extension/201"));

    let count = stored.len().to_string();
    let mut args = vec!["--topic", TOPIC, "--from-beginning", "--max-messages", &count];
    args.extend(["--formatter-property", "print.headers=true", "--formatter-property", "print.key=true"]);
    let said = kafka.tool("org.apache.kafka.tools.consumer.ConsoleConsumer", &args).await;
    for (line, event) in said.lines().zip(&stored) {
        let [headers, key, payload] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let headers: BTreeMap<&str, &str> =
            headers.split(',').map(|header| header.split_once(':').unwrap()).collect();
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["ce_id"], event["id"]);
        assert_eq!(key, event["partitionkey"]);
        assert_eq!(serde_json::from_str::<Value>(payload).unwrap(), event["data"]);
    }
    assert_eq!(said.lines().count(), stored.len());

    let mut java = tokio::process::Command::new("java");
    java.arg("-cp").arg(kafka::dist().join("lib/*")).arg(example("KafkaConsumerExample.java"));
    java.arg(kafka.address()).env("LC_ALL", "C").stderr(Stdio::null());
    for (line, event) in lines(java, stored.len()).await.iter().zip(&stored) {
        let (attributes, data) = line.split_once('\t').unwrap();
        for name in ["id", "source", "type", "sequence", "ctigap", "ctiprev", "partitionkey"] {
            let expected = format!("{name}={}", event[name].as_str().unwrap());
            assert!(attributes.contains(&expected), "{expected:?} is not in {attributes}");
        }
        assert_eq!(serde_json::from_str::<Value>(data).unwrap(), event["data"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_survives_the_bridge_and_is_stored_once() {
    let (pbx, mut kafka, dir) = (pbx().await, Kafka::start().await, tempfile::tempdir().unwrap());
    let text = config(&pbx, &kafka, dir.path());
    let mut bridge = Bridge::start(dir.path(), &text);
    logged_in(&pbx).await;
    (0..10).for_each(|number| emit(&pbx, number));
    stored(&kafka, 9).await;
    kafka.kill();
    (10..500).for_each(|number| emit(&pbx, number));
    bridge.says("Connection refused; check `brokers`, the network and whether the cluster is up").await;
    let began = Instant::now();
    assert_eq!(bridge.stop().await, Some(75), "stopped with undelivered events");
    assert!(began.elapsed() < Duration::from_secs(5), "what is on disk need not wait: {:?}", began.elapsed());
    assert!(bridge.output().contains("they are in the journal"), "{}", bridge.output());

    kafka.up().await;
    let _bridge = Bridge::start(dir.path(), &text);
    logged_in(&pbx).await;
    emit(&pbx, 500);
    let events = stored(&kafka, 500).await;
    let numbers: Vec<u64> = events.iter().filter_map(|event| event["data"]["n"].as_u64()).collect();
    assert_eq!(numbers, (0..=500).collect::<Vec<_>>());
    assert!(events.iter().all(|event| event["type"] != "cti.bridge.rewound.v1"));

    let (code, text) = command(dir.path(), &["journal", "replay", "--sink", "bus", "--from", "1h"]);
    assert_eq!(code, Some(0), "{text}");
    let replayed = tokio::task::block_in_place(|| kafka.records("cti.replay.v1", 0, 0));
    assert_eq!(replayed.len(), events.len());
}
