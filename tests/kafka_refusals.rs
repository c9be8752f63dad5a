//! What a Kafka broker refuses: a message for what it is, or anything for a reason of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![cfg(feature = "kafka")]

#[path = "support/kafka.rs"]
mod kafka;
#[path = "support/topic.rs"]
mod topic;

use std::time::{Duration, Instant};

use cti_bridge::{
    event::SourceId,
    sink::{Options, Outcome},
};
use kafka::{Kafka as Broker, free_port};
use tokio::{sync::OnceCell, task::JoinHandle};
use topic::{Line, config, number, stored, whole};

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
    let all = (0..3).map(|source| line.context.journal.ledger(0, SourceId(source)));
    all.fold((0, 0), |(dead, pending), (ledger, waiting)| (dead + ledger.dead_lettered, pending + waiting))
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn delivered(line: &Line) {
    until("not everything is delivered", || counts(line).1 == 0).await;
}

async fn ends(line: &Line, running: JoinHandle<Outcome>) {
    line.context.stop.drain();
    assert_eq!(running.await.unwrap(), Outcome::Drained);
}

/// While the broker is stopped the client sends five batches; most of them are larger than the topic takes by then, and
/// some are not.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_behind_a_refused_batch_is_stored() {
    let broker = Broker::start().await;
    let settings = ["compression=none", "properties.linger.ms=0"];
    for round in 0..4 {
        let name = format!("lowered{round}");
        let mut line = Line::new(config(&broker.address(), &name, &settings));
        // A producer that has stored nothing yet is not known to the broker.
        let is_new = round % 2 == 1;
        if !is_new {
            line.append(50, 0);
        }
        let running = line.run(options());
        until("no link is open", || line.is_active()).await;
        delivered(&line).await;
        broker.set(&name, "max.message.bytes", "20000").await;
        broker.stop();
        line.append(48, 4_000);
        for _ in 0..20 {
            line.append(1, 12_000);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        line.append(16, 4_000);
        tokio::time::sleep(Duration::from_millis(300)).await;
        line.append(100, 0);
        broker.cont();
        delivered(&line).await;
        assert_eq!(counts(&line), (0, 0), "a healthy event was refused for good");
        ends(&line, running).await;
        let sent = line.sent;
        assert_eq!(whole(&stored(&broker, &name, 1), sent), 0);
    }
}
