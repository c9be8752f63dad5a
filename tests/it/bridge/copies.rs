//! The real binary with a journal that was copied, or put back from a backup, against a stream and a topic of real brokers.
#![cfg(all(feature = "nats", feature = "kafka"))]

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use async_nats::jetstream;
use futures_util::StreamExt as _;
use pbx_simulator::{Account, Options, Simulator};
use serde_json::Value;

use crate::support::{
    bridge::{Bridge, program},
    kafka::{Kafka, event},
    nats::Nats,
};

/// After it the first of several events goes alone, or only that one would be refused.
const SILENCE: Duration = Duration::from_millis(200);
const TOPIC: &str = "cti.events.v1";

enum Broker {
    Nats(Nats),
    Kafka(Kafka),
}

/// What is stored: the id, and the number of the event.
type Stored = Vec<(String, Option<u64>)>;

impl Broker {
    fn sink(&self) -> String {
        match self {
            Self::Nats(nats) => {
                format!("type = \"nats\"\nmode = \"jetstream\"\nservers = [\"{}\"]", nats.url())
            }
            Self::Kafka(kafka) => format!("type = \"kafka\"\nbrokers = [\"{}\"]", kafka.address()),
        }
    }

    fn config(&self, pbx: &Simulator, dir: &Path) -> String {
        format!(
            "drain_timeout = \"2s\"\n[sources.pbx1]\nurl = \"{}\"\nusername = \"bridge\"\nresync = false\ndetect_drift = false\npassword = \"p\"\n\
             [sinks.bus]\n{}\nheartbeat = \"1s\"\n[journal]\ndir = \"{}\"\n",
            pbx.url(),
            self.sink(),
            dir.join("journal").display()
        )
    }

    async fn all(&self) -> Stored {
        let of = |id: &str, data: &Value| (id.to_owned(), data["n"].as_u64());
        match self {
            Self::Kafka(kafka) => {
                let events = tokio::task::block_in_place(|| kafka.records(TOPIC, 0, 0));
                let events = events.iter().map(event);
                events.map(|event| of(event["id"].as_str().unwrap(), &event["data"])).collect()
            }
            Self::Nats(nats) => {
                let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
                let Ok(stream) = context.get_stream("cti-bridge").await else { return Vec::new() };
                let count = usize::try_from(stream.cached_info().state.messages).unwrap();
                let config = jetstream::consumer::pull::OrderedConfig::default();
                let messages = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
                let all = messages.take(count).map(|message| {
                    let message = message.unwrap();
                    let id = message.headers.as_ref().unwrap().get("ce-id").unwrap().to_string();
                    of(&id, &serde_json::from_slice(&message.payload).unwrap())
                });
                all.collect().await
            }
        }
    }

    /// Everything, once it holds this number.
    async fn stored(&self, number: u64) -> Stored {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let all = self.all().await;
            if all.iter().any(|(_, n)| *n == Some(number)) {
                return all;
            }
            assert!(Instant::now() < deadline, "{number} does not come: {all:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Nothing twice, and all these numbers in their order.
fn is_once(stored: &Stored, numbers: impl Iterator<Item = u64>) {
    let ids: BTreeSet<&String> = stored.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), stored.len(), "an id comes twice: {stored:?}");
    let found: Vec<u64> = stored.iter().filter_map(|(_, number)| *number).collect();
    assert_eq!(found, numbers.collect::<Vec<_>>());
}

async fn pbx() -> Simulator {
    Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap()
}

async fn sessions(pbx: &Simulator, count: usize) {
    let mut live = pbx.live();
    tokio::time::timeout(Duration::from_secs(30), live.wait_for(|live| *live == count))
        .await
        .unwrap()
        .unwrap();
}

fn emit(pbx: &Simulator, numbers: std::ops::Range<u64>) {
    for number in numbers {
        pbx.emit("extenUpdate", &format!(r#"{{"exten":"201","n":{number}}}"#));
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// `check` of the sink alone.
fn check(dir: &Path, config: &str) -> (Option<i32>, String) {
    let file = dir.join("check.toml");
    std::fs::write(&file, config).unwrap();
    let output = program().args(["check", "--sink", "bus", "--config"]).arg(file).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.code(), text)
}

/// A machine is cloned while it is down; the original starts first, and then the clone, at a PBX of its own.
async fn clone(broker: Broker) {
    let (pbx, other) = (pbx().await, pbx().await);
    let (dir, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let text = broker.config(&pbx, dir.path());
    // Streams and topics are still to be created.
    let (code, said) = tokio::task::block_in_place(|| check(dir.path(), &text));
    assert_eq!(code, Some(0), "{said}");
    let mut bridge = Bridge::start(dir.path(), &text);
    sessions(&pbx, 1).await;
    emit(&pbx, 0..50);
    broker.stored(49).await;
    assert_eq!(bridge.stop().await, Some(0));
    copy(&dir.path().join("journal"), &copied.path().join("journal"));
    let mut bridge = Bridge::start(dir.path(), &text);
    sessions(&pbx, 1).await;
    emit(&pbx, 50..60);
    broker.stored(59).await;

    let text = broker.config(&other, copied.path());
    let (code, said) = tokio::task::block_in_place(|| check(copied.path(), &text));
    assert_eq!(code, Some(85), "{said}");
    for part in ["two bridges run with copies of one journal", "another process sends heartbeats"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (code, said) = tokio::task::block_in_place(|| check(dir.path(), &broker.config(&pbx, dir.path())));
    assert_eq!((code, said.contains("ahead")), (Some(0), false), "{said}");
    let mut clone = Bridge::start(copied.path(), &broker.config(&other, copied.path()));
    // The PBX is quiet: the original shows itself by its heartbeats alone.
    clone.says("two bridges run with copies of one journal").await;
    sessions(&other, 1).await;
    emit(&other, 1_000..1_010);
    emit(&pbx, 60..100);
    is_once(&broker.stored(99).await, 0..100);
    assert_eq!(clone.stop().await, Some(75), "{}", clone.output());
    let told = clone.output();
    assert_eq!(told.matches("two bridges").count(), 1, "{told}");
    for part in ["cti-bridge journal rename", "another process sends heartbeats", "ahead of this journal"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
    is_once(&broker.all().await, 0..100);
}

/// A backup is put back that is older than what the broker has; another process had gone on after it was made.
async fn backup(broker: Broker) {
    let pbx = pbx().await;
    let (dir, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (journal, saved) = (dir.path().join("journal"), kept.path().join("journal"));
    let text = broker.config(&pbx, dir.path());
    let bridge = Bridge::start(dir.path(), &text);
    sessions(&pbx, 1).await;
    emit(&pbx, 0..50);
    broker.stored(49).await;
    copy(&journal, &saved);
    emit(&pbx, 50..60);
    broker.stored(59).await;
    drop(bridge);
    sessions(&pbx, 0).await;
    let bridge = Bridge::start(dir.path(), &text);
    sessions(&pbx, 1).await;
    emit(&pbx, 60..70);
    broker.stored(69).await;
    drop(bridge);
    sessions(&pbx, 0).await;
    std::fs::remove_dir_all(&journal).unwrap();
    copy(&saved, &journal);
    let mut bridge = Bridge::start(dir.path(), &text);
    bridge.says("ahead of this journal").await;
    sessions(&pbx, 1).await;
    emit(&pbx, 70..100);
    is_once(&broker.stored(99).await, 0..100);
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
    assert!(!bridge.output().contains("two bridges"), "{}", bridge.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_is_refused_by_a_stream() {
    clone(Broker::Nats(Nats::start("jetstream: { store_dir: \"$DIR/js\" }").await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_is_refused_by_a_topic() {
    clone(Broker::Kafka(Kafka::start().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_continues_in_a_stream() {
    backup(Broker::Nats(Nats::start("jetstream: { store_dir: \"$DIR/js\" }").await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_continues_in_a_topic() {
    backup(Broker::Kafka(Kafka::start().await)).await;
}

/// One foreign publish with our name, a number that nobody gave, and `adopt` to get past it.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_id_is_refused_and_adopted_as_one_message() {
    let (pbx, dir) = (pbx().await, tempfile::tempdir().unwrap());
    let broker = Broker::Nats(Nats::start("jetstream: { store_dir: \"$DIR/js\" }").await);
    let Broker::Nats(nats) = &broker else { unreachable!() };
    let text = broker.config(&pbx, dir.path());
    let mut bridge = Bridge::start(dir.path(), &text);
    sessions(&pbx, 1).await;
    emit(&pbx, 0..10);
    let stored = broker.stored(9).await;
    let journal = stored[0].0.split('-').next().unwrap();
    let client = async_nats::connect(nats.url()).await.unwrap();
    let mut headers = async_nats::HeaderMap::new();
    let forged = format!("{journal}-{}", u64::MAX);
    for (name, value) in [
        ("ce-id", forged.as_str()),
        ("ce-source", "/cti/pbx1"),
        ("ce-type", "cti.event.extenUpdate.v1"),
        ("ce-time", "2026-01-01T00:00:00.000000Z"),
    ] {
        headers.insert(name, value);
    }
    let context = jetstream::new(client);
    let subject = "cti.v1.pbx1.event.extenUpdate.201";
    let at =
        context.publish_with_headers(subject, headers, "{}".into()).await.unwrap().await.unwrap().sequence;
    tokio::time::sleep(SILENCE).await;
    let (code, said) = tokio::task::block_in_place(|| check(dir.path(), &text));
    assert_eq!((code, said.contains("two bridges")), (Some(85), true), "{said}");
    emit(&pbx, 10..20);
    bridge.says("two bridges run with copies of one journal").await;
    assert_eq!(bridge.stop().await, Some(75), "{}", bridge.output());
    assert!(bridge.output().contains(&format!("adopt = \\\"#{at}\\\"")), "{}", bridge.output());

    let adopt = format!("[sinks.bus]\nadopt = \"#{at}\"\n");
    let mut bridge = Bridge::start(dir.path(), &text.replace("[sinks.bus]\n", &adopt));
    sessions(&pbx, 1).await;
    emit(&pbx, 20..30);
    is_once(&broker.stored(29).await, 0..30);
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
}
