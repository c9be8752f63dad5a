//! The real binary killed with -9 again and again; then the stream is read back.
#![cfg(feature = "nats")]

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_nats::jetstream;
use futures_util::{StreamExt as _, future::join_all};
use jiff::{SignedDuration, Timestamp};
use pbx_simulator::{Account, Options, Simulator};
use tokio::time::{sleep, timeout};

use crate::support::{bridge::Bridge, nats::Nats, wait::until};

const BRIDGES: usize = 4;
const ROUNDS: usize = 55;
const PASSWORD: &str = "secret";
/// The longest delay between sending a frame and reading it, or starting a session.
const SLACK: SignedDuration = SignedDuration::from_secs(2);

/// When each number was sent.
type Sent = Arc<Mutex<Vec<Timestamp>>>;

fn config(pbx: &Simulator, nats: &str, name: &str, dir: &Path) -> String {
    format!(
        "instance = \"{name}\"\n[sources.{name}]\nurl = \"{}\"\nusername = \"bridge\"\nresync = false\ndetect_drift = false\npassword = \"{PASSWORD}\"\n\
         [sinks.bus]\ntype = \"nats\"\nservers = [\"{nats}\"]\nmode = \"jetstream\"\nheartbeat = \"off\"\n\
         [journal]\ndir = \"{}\"\n",
        pbx.url(),
        dir.join("journal").display()
    )
}

/// Sends numbered events until it is stopped.
async fn emit(pbx: Arc<Simulator>, sent: Sent) {
    loop {
        let number = {
            let mut sent = sent.lock().unwrap();
            sent.push(Timestamp::now());
            sent.len() - 1
        };
        pbx.emit("extenUpdate", &format!(r#"{{"exten":"201","n":{number}}}"#));
        sleep(Duration::from_millis(2)).await;
    }
}

async fn live(pbx: &Simulator, count: usize) {
    let mut live = pbx.live();
    let reached = live.wait_for(|live| *live == count);
    timeout(Duration::from_secs(30), reached).await.expect("no session in 30 s").unwrap();
}

/// Whether it found half a record at its start: the kill before was amid a write.
fn found_a_torn_write(bridge: &Bridge) -> bool {
    bridge.output().contains("are an incomplete entry and were cut off")
}

/// One bridge, killed `rounds` times; when each number was sent, and how many kills were amid a write.
async fn torment(nats: &str, name: &str, rounds: usize) -> (Vec<Timestamp>, usize) {
    let pbx = Simulator::start(Options::quiet(Account::new("bridge", PASSWORD))).await.unwrap();
    let (pbx, dir) = (Arc::new(pbx), tempfile::tempdir().unwrap());
    let config = config(&pbx, nats, name, dir.path());
    let sent = Sent::default();
    let emitting = tokio::spawn(emit(Arc::clone(&pbx), Arc::clone(&sent)));
    let mut torn = 0;
    for _ in 0..rounds {
        let bridge = Bridge::start(dir.path(), &config);
        // One in eight dies on its way.
        if fastrand::u8(..8) > 0 {
            live(&pbx, 1).await;
        }
        sleep(Duration::from_millis(fastrand::u64(50..300))).await;
        torn += usize::from(found_a_torn_write(&bridge));
        drop(bridge);
        live(&pbx, 0).await;
    }
    let mut bridge = Bridge::start(dir.path(), &config);
    live(&pbx, 1).await;
    let before = sent.lock().unwrap().len();
    until("nothing more is sent", || sent.lock().unwrap().len() > before + 50).await;
    emitting.abort();
    let _ = emitting.await;
    let sent = sent.lock().unwrap().clone();
    arrived(nats, name, sent.len() - 1, &bridge).await;
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
    torn += usize::from(found_a_torn_write(&bridge));
    (sent, torn)
}

/// Waits until the stream holds this number.
async fn arrived(nats: &str, name: &str, number: usize, bridge: &Bridge) {
    let context = jetstream::new(async_nats::connect(nats).await.unwrap());
    let stream = context.get_stream(name).await.unwrap();
    let subject = format!("cti.v1.{name}.event.extenUpdate.201");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Ok(last) = stream.get_last_raw_message_by_subject(&subject).await {
            let data: serde_json::Value = serde_json::from_slice(&last.payload).unwrap();
            if data["n"] == number {
                return;
            }
        }
        assert!(Instant::now() < deadline, "{name}: {number} never arrived: {}", bridge.output());
        sleep(Duration::from_millis(20)).await;
    }
}

struct Stored {
    id: String,
    sequence: u64,
    prev: u64,
    ty: String,
    data: serde_json::Value,
}

async fn stored(nats: &str, name: &str) -> Vec<Stored> {
    let context = jetstream::new(async_nats::connect(nats).await.unwrap());
    let mut stream = context.get_stream(name).await.unwrap();
    let count = stream.info().await.unwrap().state.messages;
    let consumer = jetstream::consumer::pull::OrderedConfig::default();
    let mut messages = stream.create_consumer(consumer).await.unwrap().messages().await.unwrap();
    let mut all = Vec::new();
    for _ in 0..count {
        let message = timeout(Duration::from_secs(20), messages.next()).await.expect("a message is missing");
        let message = message.unwrap().unwrap();
        let headers = message.headers.as_ref().unwrap();
        let header = |name: &str| headers.get(name).unwrap().as_str().to_owned();
        assert_eq!(header("ce-source"), format!("/cti/{name}"));
        all.push(Stored {
            id: header("ce-id"),
            sequence: header("ce-sequence").parse().unwrap(),
            prev: header("ce-ctiprev").parse().unwrap(),
            ty: header("ce-type"),
            data: serde_json::from_slice(&message.payload).unwrap(),
        });
    }
    all
}

/// Nothing twice, in order, no hole.
fn is_a_whole_lane(name: &str, stored: &[Stored]) {
    let mut ids = HashSet::new();
    let mut last = 0;
    for it in stored {
        assert!(ids.insert(&it.id), "{name}: {} is stored twice", it.id);
        assert!(it.sequence > last, "{name}: {} comes after {last}", it.sequence);
        assert_eq!(it.prev, last, "{name}: a hole before {} ({})", it.sequence, it.ty);
        last = it.sequence;
    }
}

/// Every number that is missing was sent in the time of a gap that is announced in its place; how many are.
fn what_is_missing_is_announced(name: &str, stored: &[Stored], sent: &[Timestamp], torn: usize) -> usize {
    // By the next number: the gaps in between.
    let mut gaps: BTreeMap<usize, Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
    let (mut open, mut missing, mut expected, mut certain) = (Vec::new(), Vec::new(), 0, 0);
    for it in stored {
        match it.ty.as_str() {
            "cti.bridge.gap.v1" => {
                let time = |key: &str| it.data[key].as_str().and_then(|text| text.parse().ok());
                let (from, to) = (time("from").unwrap_or(Timestamp::UNIX_EPOCH), time("to").unwrap());
                // Half a record that a kill left.
                certain += usize::from(it.data["certain"] == true);
                assert!(
                    matches!(it.data["reason"].as_str(), Some("started" | "crashed")),
                    "{name}: {}",
                    it.data
                );
                open.push((from, to));
            }
            "cti.event.extenUpdate.v1" => {
                let number = usize::try_from(it.data["n"].as_u64().unwrap()).unwrap();
                assert!(number >= expected, "{name}: {number} comes after {}", expected - 1);
                missing.extend((expected..number).map(|missing| (missing, number)));
                gaps.insert(number, std::mem::take(&mut open));
                expected = number + 1;
            }
            _ => {}
        }
    }
    assert!(
        certain <= torn,
        "{name}: a kill loses nothing for certain but amid a write: {certain} gaps, {torn} such kills"
    );
    assert_eq!(expected, sent.len(), "{name}: the last ones");
    for (number, next) in &missing {
        let (at, gaps) = (sent[*number], &gaps[next]);
        let announced = gaps.iter().any(|(from, to)| *from - SLACK <= at && at <= *to + SLACK);
        assert!(announced, "{name}: {number}, sent at {at}, is missing before {next}; gaps there: {gaps:?}");
    }
    missing.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_kills_store_nothing_twice_and_hide_nothing() {
    let nats = Nats::start("jetstream: { store_dir: \"$DIR/js\" }").await;
    let (url, names) = (nats.url(), ["p", "q", "r", "s"]);
    assert_eq!(names.len(), BRIDGES);
    let sent = join_all(names.map(|name| torment(&url, name, ROUNDS))).await;
    for (name, (sent, torn)) in names.into_iter().zip(sent) {
        let stored = stored(&url, name).await;
        is_a_whole_lane(name, &stored);
        let missing = what_is_missing_is_announced(name, &stored, &sent, torn);
        let gaps = stored.iter().filter(|it| it.ty == "cti.bridge.gap.v1").count();
        assert!(
            gaps > ROUNDS / 2 && missing < sent.len(),
            "{name}: {gaps} gaps, {missing} of {} missing",
            sent.len()
        );
    }
}
