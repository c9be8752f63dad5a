//! A change of what a sink hides: the real binary finds its own events again, and continues after them.
#![cfg(all(feature = "nats", feature = "kafka"))]

use std::{
    collections::BTreeMap, fmt::Write as _, fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration,
};

use async_nats::jetstream;
use futures_util::StreamExt as _;
use pbx_simulator::{Account, Options, Simulator};
use serde_json::{Value, json};

use crate::support::{
    bridge::{Bridge, program},
    kafka::{self, Kafka},
    nats::Nats,
};

const JETSTREAM: &str = "jetstream: { store_dir: \"$DIR/js\" }";

/// The settings of one start after another, and the attribute `ctiredacted` of what they publish.
const STARTS: [(&str, &str, Option<&str>); 6] = [
    ("profile = \"clear\"", "", None),
    ("profile = \"strict\"\nkey_file = \"key-a\"", "key-a", Some("strict:")),
    ("profile = \"strict\"\nkey_file = \"key-b\"", "key-b", Some("strict:")),
    ("profile = \"clear\"", "", None),
    ("profile = \"outside\"", "", Some("outside")),
    ("names = \"drop\"\nkey_file = \"key-a\"", "key-a", Some("custom:")),
];

/// An event whose name is personal data.
const ODD: &str = "call 0721000111";

enum Broker {
    Nats(Nats),
    Kafka(Kafka),
}

impl Broker {
    fn settings(&self) -> String {
        match self {
            Self::Nats(nats) => {
                format!("type = \"nats\"\nmode = \"jetstream\"\nservers = [\"{}\"]", nats.url())
            }
            Self::Kafka(kafka) => format!("type = \"kafka\"\nbrokers = [\"{}\"]", kafka.address()),
        }
    }

    /// Everything that is stored: attributes and data.
    async fn stored(&self) -> Vec<Value> {
        match self {
            Self::Nats(nats) => stream(nats).await,
            Self::Kafka(kafka) => {
                let records = tokio::task::block_in_place(|| kafka.records("cti.events.v1", 0, 0));
                records.iter().map(kafka::event).collect()
            }
        }
    }

    /// Waits until this many events of the PBX are stored.
    async fn holds(&self, count: usize) -> Vec<Value> {
        let deadline = std::time::Instant::now() + Duration::from_mins(1);
        loop {
            let events = of_pbx(self.stored().await);
            if events.len() >= count {
                return events;
            }
            assert!(std::time::Instant::now() < deadline, "{} of {count} events are stored", events.len());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn stream(nats: &Nats) -> Vec<Value> {
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let Ok(stream) = context.get_stream("cti-bridge").await else { return vec![] };
    let count = stream.cached_info().state.messages;
    let config = jetstream::consumer::pull::OrderedConfig::default();
    let mut messages = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
    let mut events = Vec::new();
    for _ in 0..count {
        let message = messages.next().await.unwrap().unwrap();
        let mut event = json!({ "data": serde_json::from_slice::<Value>(&message.payload).unwrap(), "nats": message.subject.as_str() });
        for (name, values) in message.headers.as_ref().unwrap().iter() {
            if let Some(attribute) = name.to_string().strip_prefix("ce-") {
                event[attribute] = values[0].as_str().into();
            }
        }
        events.push(event);
    }
    events
}

fn of_pbx(events: Vec<Value>) -> Vec<Value> {
    events
        .into_iter()
        .filter(|event| event["type"].as_str().is_some_and(|ty| ty.starts_with("cti.event.")))
        .collect()
}

fn config(pbx: &Simulator, broker: &Broker, privacy: &str, dir: &Path) -> String {
    let (pbx, sink, journal) = (pbx.url(), broker.settings(), dir.join("journal"));
    format!(
        "[log]\nlevel = \"trace\"\n[sources.pbx1]\nurl = \"{pbx}\"\nusername = \"bridge\"\nresync = false\ndetect_drift = false\n\
         country_code = \"39\"\npassword = \"p\"\n[sinks.bus]\n{sink}\nheartbeat = \"off\"\n[sinks.bus.privacy]\n{privacy}\n\
         [journal]\ndir = \"{}\"\n",
        journal.display()
    )
}

fn emit(pbx: &Simulator, number: usize) {
    let args = format!(
        r#"{{"exten":"201","name":"Ada Neri","username":"ada","n":{number},"conversations":{{"x":{{"counterpartNum":"0721000111","counterpartName":"Rossi"}}}}}}"#
    );
    pbx.emit("extenUpdate", &args);
}

async fn changes_keep_the_tail(broker: Broker) {
    let pbx = Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut ids = BTreeMap::from([(String::new(), String::new())]);
    for name in ["key-a", "key-b"] {
        let output =
            program().args(["privacy", "key", "--file"]).arg(dir.path().join(name)).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, id) = text.trim().rsplit_once(' ').unwrap();
        ids.insert(name.to_owned(), id.to_owned());
        let mode = fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let (mut sent, mut outputs) = (0, String::new());
    for (at, (privacy, ..)) in STARTS.iter().enumerate() {
        let mut bridge = Bridge::start(dir.path(), &config(&pbx, &broker, privacy, dir.path()));
        let mut live = pbx.live();
        tokio::time::timeout(Duration::from_secs(30), live.wait_for(|live| *live == 1))
            .await
            .unwrap()
            .unwrap();
        for number in sent..sent + 20 {
            emit(&pbx, number);
        }
        // The last event of the stream is one whose type differs between the profiles.
        pbx.emit(ODD, "{\"n\":1}");
        sent += 20;
        broker.holds(sent + at + 1).await;
        if at % 2 == 0 {
            assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
        } else {
            bridge.signal("-KILL");
            bridge.exit().await;
        }
        writeln!(outputs, "{}", bridge.output()).unwrap();
        if privacy.contains("strict") {
            let shown = bridge.output();
            assert!(!shown.contains("0721000111") && !shown.contains("Neri"), "{shown}");
        }
        tokio::time::timeout(Duration::from_secs(30), live.wait_for(|live| *live == 0))
            .await
            .unwrap()
            .unwrap();
    }
    let events = broker.holds(sent + STARTS.len()).await;
    let numbers: Vec<_> = events
        .iter()
        .filter(|event| event["data"].get("exten").is_some())
        .map(|event| event["data"]["n"].clone())
        .collect();
    assert_eq!(
        numbers,
        (0..sent).map(Value::from).collect::<Vec<_>>(),
        "something is lost, twice or out of order: {outputs}"
    );
    for (number, event) in events.iter().enumerate() {
        let (_, key, label) = STARTS[number / 21];
        let label = label.map(|label| format!("{label}{}", ids[key]));
        let is_odd = event["data"].get("exten").is_none();
        // The single setting leaves a name alone that is no word: it is a number.
        assert_eq!(event["ctiredacted"].as_str(), label.as_deref(), "{event}");
        if is_odd {
            let ty = if label.is_some() { "cti.event.xxx.v1" } else { "cti.event.call=200721000111.v1" };
            assert_eq!(event["type"], ty);
        }
        if label.as_deref().is_some_and(|label| label.starts_with("strict")) {
            let text = event.to_string();
            for hidden in ["0721000111", "Neri", "Rossi", "\"ada\""] {
                assert!(!text.contains(hidden), "{text}");
            }
        }
    }
    let arguments = ["verify", "--sink", "bus", "--config"];
    let verified = program().args(arguments).arg(dir.path().join("config.toml")).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_stays_ours_whatever_is_hidden() {
    changes_keep_the_tail(Broker::Nats(Nats::start(JETSTREAM).await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_stays_ours_whatever_is_hidden() {
    changes_keep_the_tail(Broker::Kafka(Kafka::start().await)).await;
}
