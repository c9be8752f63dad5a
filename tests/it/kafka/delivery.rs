//! The Kafka sink against a real broker that is killed, refuses, and forgets.
#![cfg(feature = "kafka")]

use std::time::{Duration, Instant};

use cti_bridge::{
    event::{SinkId, SourceId},
    sink::{Link as _, Options, Outcome, Sink as _, SinkError, Tail, verify::Checker},
};
use tokio::sync::OnceCell;

use crate::support::{
    kafka,
    kafka::Kafka as Broker,
    topic::{Line, config, number, stored, whole},
};

/// One broker for the tests that don't hurt it.
pub(super) async fn broker() -> &'static Broker {
    static BROKER: OnceCell<Broker> = OnceCell::const_new();
    BROKER.get_or_init(Broker::start).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_producer_resumes_at_the_end_of_each_partition() {
    let broker = broker().await;
    let mut line = Line::new(config(&broker.address(), "spread", &["partitions=4"]));
    line.append(300, 0);
    line.drain().await;
    line.append(300, 0);
    line.drain().await;
    let (link, tail) = line.sink().open().await.unwrap();
    link.close().await;
    let Tail::Partitions(ends) = tail else { panic!("{tail:?}") };
    assert!(ends.iter().filter(|newest| !newest.is_empty()).count() > 1);
    let stored = stored(broker, "spread", 4);
    assert_eq!(whole(&stored, 600), 0);
    assert!(stored.iter().filter(|partition| !partition.is_empty()).count() > 1, "all in one partition");
    for partition in &stored {
        for event in partition {
            assert_eq!(
                event["partitionkey"],
                format!("{}/connected", &event["source"].as_str().unwrap()[5..])
            );
        }
    }
    // As verify sees it.
    let mut checker = Checker::new(None);
    line.sink().read_back(|held| checker.take(held)).await.unwrap();
    assert_eq!((checker.events, checker.finish()), (600, vec![]));
}

/// What was sent and not acknowledged when the driver ended may be there or not: the ends of the partitions tell.
#[tokio::test(flavor = "multi_thread")]
async fn records_in_the_partitions_are_not_sent_again() {
    let broker = broker().await;
    let mut line = Line::new(config(
        &broker.address(),
        "again",
        &["partitions=4", "compression=zstd", "properties.linger.ms=5"],
    ));
    line.append(999, 0);
    for _ in 0..5 {
        let running = line.run(Options { window: 64, batch: 16, ..Options::default() });
        let deadline = Instant::now() + Duration::from_secs(20);
        let before = line.context.journal.ledger(SinkId(0), SourceId(0)).0.published;
        while line.context.journal.ledger(SinkId(0), SourceId(0)).0.published < before + 20 {
            assert!(Instant::now() < deadline, "nothing is delivered");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        running.abort();
        let _ = running.await;
    }
    line.drain().await;
    let again = whole(&stored(broker, "again", 4), 999);
    assert!(again <= 5 * 64, "{again} came again, more than ever was in flight");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_complete_and_apart_from_live_partitions() {
    let broker = broker().await;
    let settings = ["replay_topic=replayed.again"];
    let mut line = Line::new(config(&broker.address(), "replayed", &settings));
    line.append(60, 0);
    line.drain().await;
    let kind = config(&broker.address(), "replayed", &settings);
    let sink = cti_bridge::sink::config::Config::new(None, kind);
    // A journal of its own, as the command has.
    let mut again = Line::new(config(&broker.address(), "replayed", &settings));
    again.append(60, 0);
    let outcome = cti_bridge::sink::replay(again.context.journal.clone(), "sink", &sink).await;
    assert_eq!(outcome, Outcome::Drained);
    let replayed = stored(broker, "replayed.again", 1);
    assert_eq!(whole(&replayed, 60), 0);
    assert!(replayed[0].iter().all(|event| event.get("ctiprev").is_none()));
    assert!(replayed[0].iter().all(|event| event["ctiorigin"] == "replay"), "{:?}", replayed[0].first());
    assert_eq!(whole(&stored(broker, "replayed", 1), 60), 0, "nothing went to the live topic");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_costs_nothing() {
    let mut broker = Broker::start().await;
    let mut line = Line::new(config(&broker.address(), "killed", &[]));
    line.append(500, 0);
    let running = line.run(Options { answer: None, ..Options::default() });
    for _ in 0..2 {
        line.delivered().await;
        broker.kill();
        line.append(500, 0);
        // RefusalReason while the producer still tries.
        line.tells("Connection refused; check `brokers`, the network and whether the cluster is up").await;
        broker.up().await;
        line.append(500, 0);
    }
    line.context.stop.drain();
    assert_eq!(running.await.unwrap(), Outcome::Drained);
    let again = whole(&stored(&broker, "killed", 1), 2_500);
    assert_eq!(again, 0, "the producer lived through it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_the_topic_rejects_becomes_a_dead_letter() {
    let broker = broker().await;
    broker.topic("small", 1, &[("max.message.bytes", "20000")]).await;
    let mut line = Line::new(config(&broker.address(), "small", &["compression=none"]));
    line.append(50, 0);
    line.append(1, 40_000);
    line.append(50, 0);
    line.drain().await;
    let events = stored(broker, "small", 1);
    let numbers: Vec<u64> =
        events[0].iter().filter(|event| event["type"] == "cti.bridge.connected.v1").map(number).collect();
    assert_eq!(numbers, (0..50).chain(51..101).collect::<Vec<_>>());
    let told = events[0].iter().find(|event| event["type"] == "cti.bridge.deadlettered.v1").unwrap();
    assert!(
        told["data"]["reason"].as_str().unwrap().contains("raise `max.message.bytes` of small"),
        "{told}"
    );
    let letters = stored(broker, "small.dlq", 1);
    assert_eq!(letters[0].len(), 1);
    assert_eq!(letters[0][0]["type"], "cti.bridge.deadletter.v1");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_and_missing_topics_are_rejected() {
    let broker = broker().await;
    let refused = |line: &Line| {
        let sink = line.sink();
        async move { sink.open().await.map(|_| ()).unwrap_err() }
    };
    let absent = Line::new(config(&broker.address(), "absent", &["create_topics=false"]));
    let error = refused(&absent).await;
    assert!(matches!(error, SinkError::Operator(_)), "{error:?}");
    assert!(
        format!("{error:#}")
            .contains("create absent, absent.status, absent.dlq, or set `create_topics = true`"),
        "{error}"
    );

    let mut first = Line::new(config(&broker.address(), "taken", &[]));
    first.append(3, 0);
    first.drain().await;
    let second = Line::new(config(&broker.address(), "taken", &[]));
    let running = second.run(Options::default());
    second.tells("was last written by the journal").await;
    running.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_cluster_has_a_remedy() {
    let port = kafka::free_port();
    let line = Line::new(config(&format!("127.0.0.1:{port}"), "away", &[]));
    let running = line.run(Options::default());
    line.tells("Connection refused; check `brokers`, the network and whether the cluster is up").await;
    running.abort();
}
