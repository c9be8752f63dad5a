//! The examples for consumers, killed again and again: nothing is handled twice, out of order or skipped.
#![cfg(all(feature = "nats", feature = "kafka"))]

use std::{path::Path, time::Duration};

use async_nats::jetstream;
use futures_util::StreamExt as _;
use pbx_simulator::{Account, Flow, Options, Simulator, Source};
use serde_json::{Value, json};

use crate::support::{
    bridge::Bridge,
    consumer::Consumer,
    kafka::{self, Kafka},
    nats::Nats,
};

const JETSTREAM: &str = "jetstream: { store_dir: \"$DIR/js\" }";
const TOPIC: &str = "cti.events.v1";
const KILLS: usize = 5;

/// A busy office.
async fn pbx() -> Simulator {
    let source = Source::Calls(Flow { rate: 60.0, payload_bytes: None });
    Simulator::start(Options { source, ..Options::quiet(Account::new("bridge", "p")) }).await.unwrap()
}

fn config(pbx: &Simulator, sink: &str, dir: &Path) -> String {
    format!(
        "[sources.pbx1]\nurl = \"{}\"\nusername = \"bridge\"\npassword = \"p\"\n[sinks.bus]\nheartbeat = \"off\"\n{sink}\n\
         [journal]\ndir = \"{}\"\n",
        pbx.url(),
        dir.join("journal").display()
    )
}

/// What consumers stumble over.
fn emit_oddities(pbx: &Simulator) {
    pbx.emit("userMainPresenceUpdate", r#"{"mainPresence":{"username":"zoë o'neill 100%","status":"busy"}}"#);
    pbx.emit("satellite/summary", r#"{"uniqueid":"1.2","summary":"Grüße"}"#);
    pbx.emit("answerWebrtc", r#""201""#);
    pbx.emit("lost", r#"{"count":1}"#);
    pbx.emit("vanished", "null");
    pbx.emit("resync.completed", "0");
}

/// Kills each consumer while the office is busy, ends the day, and lets them read the rest.
async fn torment(pbx: Simulator, mut bridge: Bridge, consumers: &[(&Consumer, usize)]) {
    let mut live = pbx.live();
    tokio::time::timeout(Duration::from_secs(30), live.wait_for(|live| *live == 1)).await.unwrap().unwrap();
    emit_oddities(&pbx);
    let meanwhile = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        pbx.cut(); // a gap
    };
    let killed = consumers.iter().map(|(consumer, kills)| consumer.suffer(*kills));
    tokio::join!(meanwhile, futures_util::future::join_all(killed));
    live.wait_for(|live| *live == 1).await.unwrap();
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
}

fn decoded(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        let hex: Vec<u8> = if byte == b'%' { rest.by_ref().take(2).collect() } else { Vec::new() };
        let hex = u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16);
        bytes.push(hex.unwrap_or(byte));
    }
    String::from_utf8(bytes).unwrap()
}

/// What the stream holds, in the form of structured mode.
async fn stored(nats: &Nats) -> Vec<Value> {
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let stream = context.get_stream("cti-bridge").await.unwrap();
    let count = usize::try_from(stream.cached_info().state.messages).unwrap();
    let config = jetstream::consumer::pull::OrderedConfig::default();
    let messages = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
    let event = |message: Result<jetstream::Message, _>| {
        let message = message.unwrap();
        let mut event = json!({ "data": serde_json::from_slice::<Value>(&message.payload).unwrap() });
        for (name, values) in message.headers.as_ref().unwrap().iter() {
            event[name.to_string().trim_start_matches("ce-")] = decoded(values[0].as_str()).into();
        }
        event
    };
    messages.take(count).map(event).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_consumers_survive_kills() {
    let (pbx, nats, dir) = (pbx().await, Nats::start(JETSTREAM).await, tempfile::tempdir().unwrap());
    let sink = format!("type = \"nats\"\nmode = \"jetstream\"\nservers = [\"{}\"]", nats.url());
    let bridge = Bridge::start(dir.path(), &config(&pbx, &sink, dir.path()));
    bridge.says("created the stream").await;
    let consumer = |program, changes| Consumer::changed(program, "NATS_URL", &nats.url(), changes);
    let python = consumer("nats_consumer.py", &[]);
    let typescript = consumer("nats-consumer.ts", &[]);
    // Acknowledges before it has handled the event.
    let hasty = consumer(
        "nats_consumer.py",
        &[
            ("        await message.ack()\n", ""),
            (
                "        store.accept(",
                "        await message.ack()\n        await connection.flush()\n        await asyncio.sleep(float(os.environ[\"DELAY\"]))\n        store.accept(",
            ),
        ],
    );
    // Keeps no position.
    let forgetful = consumer(
        "nats-consumer.ts",
        &[
            ("  if (sequence <= lane.seen) return;", "  "),
            (
                "  message.ack();",
                "  await new Promise((done) => setTimeout(done, Number(process.env.DELAY) * 1000));\n  message.ack();",
            ),
        ],
    );
    torment(pbx, bridge, &[(&python, KILLS), (&typescript, KILLS), (&hasty, 3), (&forgetful, 3)]).await;
    let events = stored(&nats).await;
    for consumer in [&python, &typescript, &hasty, &forgetful] {
        consumer.finish(events.last().unwrap()).await;
    }
    assert_eq!(python.verdict(&events), Ok(()), "{}", python.output());
    assert_eq!(typescript.verdict(&events), Ok(()), "{}", typescript.output());
    assert!(hasty.verdict(&events).unwrap_err().starts_with("skipped"));
    assert!(forgetful.verdict(&events).unwrap_err().starts_with("handled twice"));
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_consumers_survive_kills() {
    let (pbx, kafka, dir) = (pbx().await, Kafka::start().await, tempfile::tempdir().unwrap());
    let sink = format!("type = \"kafka\"\nbrokers = [\"{}\"]", kafka.address());
    let bridge = Bridge::start(dir.path(), &config(&pbx, &sink, dir.path()));
    let consumer = |program, changes| Consumer::changed(program, "KAFKA_BROKERS", &kafka.address(), changes);
    let python = consumer("kafka_consumer.py", &[]);
    let typescript = consumer("kafka-consumer.ts", &[]);
    // Keeps no position.
    let forgetful =
        consumer("kafka_consumer.py", &[("        if sequence <= lane[\"seen\"]:", "        if False:")]);
    torment(pbx, bridge, &[(&python, KILLS), (&typescript, KILLS), (&forgetful, 2)]).await;
    let records = tokio::task::block_in_place(|| kafka.records(TOPIC, 0, 0));
    let events: Vec<Value> = records.iter().map(kafka::event).collect();
    for consumer in [&python, &typescript, &forgetful] {
        consumer.finish(events.last().unwrap()).await;
    }
    assert_eq!(python.verdict(&events), Ok(()), "{}", python.output());
    assert_eq!(typescript.verdict(&events), Ok(()), "{}", typescript.output());
    assert!(forgetful.verdict(&events).unwrap_err().starts_with("handled twice"));
}
