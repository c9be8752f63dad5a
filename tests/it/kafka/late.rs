//! Messages of a dead Kafka producer that arrive after its successor has sent the same.
#![cfg(feature = "kafka")]

use cti_bridge::sink::{Options, Outcome};
use tokio::task::JoinHandle;

use crate::support::{
    delaying_proxy::DelayingProxy,
    kafka::{Kafka as Broker, free_port},
    topic::{Line, config, stored, whole},
    wait::until,
};

/// A topic, the way to it, and a line with 300 events that are delivered and 300 of which some are kept on the way.
async fn some_are_kept(settings: &[&str]) -> (Broker, DelayingProxy, Line, JoinHandle<Outcome>) {
    for _ in 0..5 {
        let behind = free_port();
        let late = DelayingProxy::to(format!("127.0.0.1:{behind}")).await;
        let broker = Broker::start_behind(late.port(), behind).await;
        let mut line = Line::new(config(&late.address(), "late", settings));
        line.append(300, 0);
        let running = line.run(Options { answer: None, ..Options::default() });
        line.delivered().await;
        late.keep();
        line.append(100, 0);
        until("nothing is sent", || late.kept() > 1000 || line.is_delivered()).await;
        if late.kept() > 1000 {
            // The client has them, and waits with them for an answer to the first.
            line.append(200, 0);
            return (broker, late, line, running);
        }
        // On a busy machine it had given up its connection just before, and a later one keeps nothing.
        running.abort();
    }
    panic!("the client never keeps its connection");
}

/// The broker has no reason to refuse them: they go on right after the last of their producer. So after a crash amid an
/// outage of the network events may come again, behind newer ones; consumers know them by `source` and `id`.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_producers_batch_arrives_after_its_successors() {
    let (broker, late, mut line, running) = some_are_kept(&[]).await;
    running.abort();
    let _ = running.await;
    line.drain().await;
    let before = stored(&broker, "late", 1);
    assert_eq!(whole(&before, 600), 0, "something arrived by itself");
    late.hand_on().await;
    let after = stored(&broker, "late", 1);
    assert!((1..=300).contains(&whole(&after, 600)), "{} records", after[0].len());
    let (again, first) = (&after[0][600..], &after[0][300..]);
    assert!(again.iter().zip(first).all(|(again, first)| again == first), "others, or in another order");
    // What stands at the end is old, and not taken for where to go on.
    line.append(60, 0);
    line.drain().await;
    let more = stored(&broker, "late", 1);
    assert_eq!(more[0].len(), after[0].len() + 60);
    assert_eq!(whole(&more, 660), whole(&after, 600), "more was sent twice");
}

/// Its own attempts again bear the numbers of the first, whatever connection they come by.
#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_lives_stores_nothing_twice() {
    let (broker, late, line, running) = some_are_kept(&["properties.socket.timeout.ms=2000"]).await;
    until("it does not try again", || line.is_delivered()).await;
    late.hand_on().await;
    assert_eq!(whole(&stored(&broker, "late", 1), 600), 0);
    line.context.stop.drain();
    assert_eq!(running.await.unwrap(), Outcome::Drained);
}
