//! The examples for consumers, killed again and again: nothing is handled twice, out of order or skipped.
#![cfg(all(feature = "nats", feature = "kafka"))]

mod call_records;

use std::{collections::BTreeMap, path::Path, time::Duration};

use async_nats::jetstream;
use futures_util::StreamExt as _;
use pbx_simulator::{Account, Flow, Options, Simulator, Source};
use serde_json::{Value, json};

use crate::support::{
    bridge::Bridge,
    consumer::{Consumer, fold},
    kafka::{self, Kafka},
    nats::Nats,
};

const JETSTREAM: &str = "jetstream: { store_dir: \"$DIR/js\" }";
const TOPIC: &str = "cti.events.v1";
const KILLS: usize = 5;

/// A busy office.
async fn pbx() -> Simulator {
    let source = Source::Calls(Flow { rate: 30.0, payload_bytes: None });
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

/// The columns of a wallboard behind each queue's name, by queue.
fn rows(board: &str) -> BTreeMap<String, Vec<String>> {
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words[0].parse::<u32>().is_ok().then(|| {
            (words[0].to_owned(), words[words.len() - 7..].iter().map(|word| (*word).to_owned()).collect())
        })
    };
    board.lines().filter(|line| !line.is_empty()).filter_map(row).collect()
}

/// Waiting callers, completed and abandoned calls of a queue, as the wallboard writes them.
fn numbers(queue: &Value) -> [String; 3] {
    let word = |name: &str| queue[name].as_str().unwrap().to_owned();
    let waiting = queue["waitingCallers"].as_object().unwrap().len();
    [waiting.to_string(), word("completedCallsCount"), word("abandonedCallsCount")]
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_consumers_survive_kills() {
    let (pbx, nats, dir) = (pbx().await, Nats::start(JETSTREAM).await, tempfile::tempdir().unwrap());
    let sink = format!("type = \"nats\"\nmode = \"jetstream\"\nservers = [\"{}\"]", nats.url());
    let bridge = Bridge::start(dir.path(), &config(&pbx, &sink, dir.path()));
    bridge.says(r#""stream":"cti-bridge""#).await;
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
            ("  if (sequence <= view.seen) return;", "  "),
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

    let board = rows(&consumer("wallboard.py", &[]).prints(&["--once"]));
    let shown: Vec<_> = board.values().map(|row| [row[0].clone(), row[5].clone(), row[6].clone()]).collect();
    let state = fold(&events);
    let queues = state.iter().filter(|(entity, _)| entity.starts_with("queueUpdate "));
    assert_eq!(shown, queues.map(|(_, queue)| numbers(queue)).collect::<Vec<_>>());
    assert!(!shown.is_empty());
}

/// (sequence, `ctiprev`, `ctigap`), type, subject, data.
type Event<'a> = ((u64, u64, u64), &'a str, &'a str, Value);

/// Publishes events as the bridge would. Returns all that are stored.
async fn publish(nats: &Nats, events: &[Event<'_>]) -> Vec<Value> {
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let config = jetstream::stream::Config {
        name: "cti-bridge".to_owned(),
        subjects: vec!["cti.v1.>".to_owned()],
        ..Default::default()
    };
    context.get_or_create_stream(config).await.unwrap();
    for ((sequence, previous, gap), name, subject, data) in events {
        let (class, slug) = name.split_once('.').unwrap();
        let numbers = [("sequence", sequence), ("ctiprev", previous), ("ctigap", gap)];
        let mut headers = async_nats::HeaderMap::new();
        for (name, number) in numbers {
            headers.insert(format!("ce-{name}"), format!("{number:020}"));
        }
        let texts = [
            ("id", format!("abcdefgh23-{sequence}")),
            ("type", format!("cti.{name}.v1")),
            ("source", "/cti/pbx1".to_owned()),
            ("specversion", "1.0".to_owned()),
            ("time", "2026-11-24T10:00:00.123456Z".to_owned()),
            ("datacontenttype", "application/json".to_owned()),
            ("subject", (*subject).to_owned()),
        ];
        for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            headers.insert(format!("ce-{name}"), text);
        }
        let (slug, entity) = (slug.replace('.', "=2E"), subject.split('/').next_back().unwrap());
        let entity = if entity.is_empty() { "_" } else { entity };
        let to = format!("cti.v1.pbx1.{class}.{slug}.{entity}");
        let sent = context.publish_with_headers(to, headers, data.to_string().into()).await.unwrap();
        sent.await.unwrap();
    }
    stored(nats).await
}

fn queue(name: &str, waiting_since: &[i64]) -> Value {
    let member = |paused| json!({ "loggedIn": true, "paused": paused });
    let callers = waiting_since.iter().enumerate();
    let callers = callers.map(|(number, since)| (number.to_string(), json!({ "waitingTime": since })));
    json!({
        "name": name,
        "members": { "201": member(false), "202": member(false), "203": member(false) },
        "waitingCallers": callers.collect::<serde_json::Map<_, _>>(),
        "completedCallsCount": "18",
        "abandonedCallsCount": "2",
    })
}

fn complete() -> Value {
    json!({ "failed": [] })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wallboard_shows_the_newest_state_and_what_was_missed() {
    let nats = Nats::start(JETSTREAM).await;
    let now = jiff::Timestamp::now().as_millisecond();
    let agent = |logged_in, paused| json!({ "loggedIn": logged_in, "paused": paused });
    let gone = |queue| json!({ "event": "queueUpdate", "subject": format!("queue/{queue}") });
    let events = [
        ((1, 0, 1), "bridge.resync.completed", "", complete()),
        ((2, 1, 1), "event.queueUpdate", "queue/401", queue("Support", &[now - 125_000, now - 5_000])),
        ((3, 2, 1), "event.queueUpdate", "queue/402", queue("Sales", &[])),
        ((4, 3, 1), "event.queueMemberUpdate", "queue/401/member/202", agent(true, true)),
        ((5, 4, 1), "event.queueMemberUpdate", "queue/401/member/203", agent(false, false)),
        ((6, 5, 1), "event.extenUpdate", "extension/201", json!({ "status": "busy" })),
        ((7, 6, 1), "bridge.vanished", "", gone(402)),
        ((8, 7, 1), "bridge.vanished", "", gone(403)),
    ];
    publish(&nats, &events).await;
    let wallboard = Consumer::new("wallboard.py", "NATS_URL", &nats.url());
    let board = wallboard.prints(&["--once"]);
    assert!(!board.contains("events were missed"), "{board}");
    let rows = rows(&board);
    assert_eq!(rows.keys().collect::<Vec<_>>(), ["401"]);
    assert!(rows["401"][1].starts_with("2:"), "{board}");
    assert_eq!([&rows["401"][..1], &rows["401"][2..]].concat(), ["2", "2", "1", "1", "18", "2"], "{board}");
    publish(&nats, &[((9, 8, 9), "event.extenUpdate", "extension/201", json!({ "status": "online" }))]).await;
    assert!(wallboard.prints(&["--once"]).contains("events were missed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_consumers_notice_what_is_lost() {
    let nats = Nats::start(JETSTREAM).await;
    let consumer = |program| Consumer::new(program, "NATS_URL", &nats.url());
    let consumers = [consumer("nats_consumer.py"), consumer("nats-consumer.ts")];
    let gap = json!({ "reason": "crashed", "from": null, "mayHaveMissed": ["extenUpdate"] });
    let online = json!({ "status": "online" });
    let gone = json!({ "event": "extenUpdate", "subject": "extension/203" });
    let lost = json!({ "count": 3, "reason": "quota" });
    // An event, what is said about it, and whether it leaves the state stale.
    let steps = [
        (((1, 0, 1), "bridge.gap", "", gap), "missing since the beginning: crashed", true),
        (((2, 1, 1), "bridge.resync.completed", "", complete()), "", false),
        (((3, 2, 1), "event.extenUpdate", "extension/203", online.clone()), "", false),
        (((4, 3, 1), "bridge.vanished", "", gone), "", false),
        (((5, 4, 5), "bridge.lost", "", lost), "3 events were lost: quota", true),
        (((30, 5, 5), "bridge.resync.completed", "", complete()), "", false),
        (((50, 40, 5), "event.extenUpdate", "extension/202", online), "are missing in the stream", true),
        (((51, 50, 5), "bridge.resync.completed", "", complete()), "", false),
    ];
    for (event, said, is_stale) in steps {
        let events = publish(&nats, &[event]).await;
        for consumer in &consumers {
            consumer.finish(events.last().unwrap()).await;
            assert!(consumer.output().contains(said), "not {said:?}, but {}", consumer.output());
            let expected = if is_stale { Err("the state is stale".to_owned()) } else { Ok(()) };
            assert_eq!(consumer.verdict(&events), expected, "{said}");
        }
    }
}

#[test]
fn the_typescript_examples_pass_the_type_check() {
    let consumer = Consumer::new("nats-consumer.ts", "NATS_URL", "");
    consumer.type_checks(&["kafka-consumer.ts"]);
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
        consumer("kafka_consumer.py", &[("        if sequence <= view[\"seen\"]:", "        if False:")]);
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
