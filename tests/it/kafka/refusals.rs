//! Refusals of a Kafka broker: because of the message, or because of the broker.
#![cfg(feature = "kafka")]

use std::time::Duration;

use cti_bridge::{
    event::{SinkId, SourceId},
    sink::{Options, Outcome},
};
use serde_json::Value;
use tokio::{sync::OnceCell, task::JoinHandle};

use crate::support::{
    kafka::{Kafka as Broker, free_port},
    topic::{Line, config, number, stored, whole},
    wait::until,
};

/// One broker for the tests that don't hurt it.
async fn broker() -> &'static Broker {
    static BROKER: OnceCell<Broker> = OnceCell::const_new();
    BROKER.get_or_init(Broker::start).await
}

/// Small batches, so that there are many.
fn options() -> Options {
    Options { batch: 16, answer: None, ..Options::default() }
}

fn counts(line: &Line) -> (u64, u64) {
    let all = (0..3).map(|source| line.context.journal.ledger(SinkId(0), SourceId(source)));
    all.fold((0, 0), |(dead, pending), (ledger, waiting)| (dead + ledger.dead_lettered, pending + waiting))
}

async fn ends(line: &Line, running: JoinHandle<Outcome>) {
    line.context.stop.drain();
    assert_eq!(running.await.unwrap(), Outcome::Drained);
}

/// Long enough for five requests to leave; with fewer the test only asks for less. Nothing shows them to us.
const FIVE_REQUESTS: Duration = Duration::from_millis(500);

/// Five requests are in flight, a message each, when the first of them is refused. Were one of the others stored, the end of
/// the partition would say that the first is stored too.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_behind_a_refused_message_is_stored() {
    let broker = Broker::start().await;
    // A producer that has stored nothing yet is not known to the broker, which then takes any number from it.
    for (name, before) in [("known", 50), ("unknown", 0)] {
        broker.topic(name, 1, &[]).await;
        let mut config = config(&broker.address(), name, &["compression=none", "properties.linger.ms=0"]);
        config.properties.insert("batch.num.messages".to_owned(), "1".to_owned());
        let mut line = Line::new(config);
        line.append(before, 0);
        let running = line.run(options());
        until("no link is open", || line.is_active()).await;
        line.delivered().await;
        broker.set(name, "max.message.bytes", "20000").await;
        broker.stop();
        line.append(1, 30_000);
        line.append(40, 0);
        tokio::time::sleep(FIVE_REQUESTS).await;
        broker.cont();
        line.delivered().await;
        assert_eq!(counts(&line), (1, 0), "{name}: it was neither stored nor set aside");
        ends(&line, running).await;
        let events = stored(&broker, name, 1).remove(0);
        assert_eq!(numbers(&events), (0..before).chain(before + 1..before + 41).collect::<Vec<_>>());
    }
}

/// The topic's limit is lowered while large batches wait: each of their events is healthy.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_too_large_by_now_is_sent_in_smaller_ones() {
    let broker = Broker::start().await;
    let mut line = Line::new(config(&broker.address(), "lowered", &["compression=none"]));
    line.append(50, 0);
    let running = line.run(options());
    line.delivered().await;
    broker.set("lowered", "max.message.bytes", "20000").await;
    broker.stop();
    line.append(300, 4_000);
    line.append(100, 12_000);
    broker.cont();
    line.delivered().await;
    assert_eq!(counts(&line), (0, 0), "a healthy event was refused for good");
    ends(&line, running).await;
    assert_eq!(whole(&stored(&broker, "lowered", 1), 450), 0);
}

/// The numbers of the events in a partition, without what the bridge says of itself.
fn numbers(partition: &[Value]) -> Vec<u64> {
    partition.iter().filter(|event| event["type"] == "cti.bridge.connected.v1").map(number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_refuses_timestamps_makes_events_wait() {
    let broker = broker().await;
    let mut line = Line::new(config(&broker.address(), "clock", &[]));
    line.append(50, 0);
    let running = line.run(options());
    line.delivered().await;
    broker.set("clock", "message.timestamp.before.max.ms", "0").await;
    line.append(200, 0);
    line.tells("check the clocks of this machine").await;
    line.tells("`message.timestamp.before.max.ms` and `message.timestamp.after.max.ms`").await;
    broker.set("clock", "message.timestamp.before.max.ms", &i64::MAX.to_string()).await;
    line.append(50, 0);
    line.delivered().await;
    assert_eq!(counts(&line).0, 0);
    ends(&line, running).await;
    assert_eq!(whole(&stored(broker, "clock", 1), 300), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_created_again_gets_what_it_lost() {
    let broker = broker().await;
    broker.topic("again", 2, &[]).await;
    let dir = tempfile::tempdir().unwrap();
    let mut line = Line::on_disk(config(&broker.address(), "again", &[]), dir.path());
    line.append(300, 0);
    let running = line.run(options());
    line.delivered().await;
    broker.delete("again").await;
    until("it is not gone", || broker.end("again", 0).is_none()).await;
    broker.topic("again", 2, &[]).await;
    line.append(60, 0);
    line.delivered().await;
    until("no rewind is announced", || {
        stored(broker, "again", 2).iter().flatten().any(|event| event["type"] == "cti.bridge.rewound.v1")
    })
    .await;
    line.delivered().await;
    ends(&line, running).await;
    let mut all: Vec<u64> = stored(broker, "again", 2).iter().flat_map(|events| numbers(events)).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all, (0..360).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_name_the_topic_and_rejected_ones_are_counted() {
    let broker = broker().await;
    for (topic, letters) in [("narrow", "1000000"), ("deaf", "200")] {
        broker.topic(topic, 1, &[("max.message.bytes", "20000")]).await;
        broker.topic(&format!("{topic}.dlq"), 1, &[("max.message.bytes", letters)]).await;
        let mut line = Line::new(config(&broker.address(), topic, &["compression=none"]));
        line.append(50, 0);
        // As many as would be a link each, were the topic's limit not known.
        line.append(40, 40_000);
        line.append(50, 0);
        line.drain().await;
        let events = stored(broker, topic, 1);
        assert_eq!(numbers(&events[0]), (0..50).chain(90..140).collect::<Vec<_>>());
        assert_eq!(counts(&line), (40, 0));
        let counted = line.context.counters.sink(SinkId(0)).read();
        assert!(counted.opened <= 2, "{} links", counted.opened);
        let letters = stored(broker, &format!("{topic}.dlq"), 1).remove(0);
        if topic == "deaf" {
            assert_eq!((letters.len(), counted.letters_refused), (0, 40));
            continue;
        }
        assert_eq!((letters.len(), counted.letters_refused), (40, 0));
        for letter in &letters {
            assert_eq!(letter["data"]["destination"], "narrow");
            let id = format!("{}-sink", letter["data"]["id"].as_str().unwrap());
            assert_eq!(letter["id"], *id);
            assert_eq!(letter["data"]["payload"]["sees"].as_array().unwrap().len(), 40);
        }
    }
}

/// An account that may not read the topic's limit.
#[tokio::test(flavor = "multi_thread")]
async fn an_undisclosed_limit_is_discovered() {
    let port = free_port();
    let broker = Broker::start_with_acls(port).await;
    let on = [
        "--add",
        "--allow-principal",
        "User:bridge",
        "--topic",
        "secret",
        "--resource-pattern-type",
        "prefixed",
    ];
    let rights =
        ["--operation", "Write", "--operation", "Create", "--operation", "Describe", "--operation", "Read"];
    broker.tool("org.apache.kafka.tools.AclCommand", &[&on[..], &rights].concat()).await;
    broker.topic("secret", 1, &[("max.message.bytes", "20000")]).await;
    let settings =
        ["compression=none", "sasl_mechanism=SCRAM-SHA-512", "username=bridge", "password=bridge-secret"];
    let mut line = Line::new(config(&format!("127.0.0.1:{port}"), "secret", &settings));
    line.append(100, 4_000);
    line.append(1, 40_000);
    line.append(300, 4_000);
    line.append(1, 40_000);
    line.append(100, 4_000);
    line.drain().await;
    assert_eq!(counts(&line), (2, 0));
    let events = stored(&broker, "secret", 1);
    assert_eq!(numbers(&events[0]), (0..100).chain(101..401).chain(402..502).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_full_holds_no_partition_up() {
    let broker = broker().await;
    let settings = ["partitions=4", "properties.queue.buffering.max.messages=8"];
    let mut line = Line::new(config(&broker.address(), "tight", &settings));
    line.append(3_000, 0);
    line.drain().await;
    assert_eq!(whole(&stored(broker, "tight", 4), 3_000), 0);
    assert_eq!(line.context.counters.sink(SinkId(0)).read().opened, 1, "it was given up");
}
