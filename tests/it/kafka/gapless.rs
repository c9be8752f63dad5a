//! The behaviour of librdkafka and a broker for a batch that is refused with five requests in flight, which the sink relies on.
#![cfg(feature = "kafka")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext, Message as _, Statistics,
    producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer},
};

use crate::support::{kafka::Kafka as Broker, wait::until};

#[derive(Clone, Default)]
struct Reports {
    numbers: Arc<Mutex<Vec<usize>>>,
    requests: Arc<AtomicI64>,
}

impl ClientContext for Reports {
    fn stats(&self, statistics: Statistics) {
        let requests = statistics.brokers.values().map(|broker| broker.waitresp_cnt).max();
        self.requests.store(requests.unwrap_or_default(), Ordering::Relaxed);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, _: &DeliveryResult<'_>, number: usize) {
        self.numbers.lock().unwrap().push(number);
    }
}

/// Which of eight messages are stored in `topic`, each in a batch of its own. Five are in flight when the first is refused
/// for its size. The producer has stored a message in `known` before.
async fn stored(broker: &Broker, topic: &str, known: &str, gapless: bool) -> Vec<u8> {
    broker.topic(topic, 1, &[("max.message.bytes", "20000")]).await;
    let reports = Reports::default();
    let producer: ThreadedProducer<Reports> = ClientConfig::new()
        .set("bootstrap.servers", broker.address())
        .set("enable.idempotence", "true")
        .set("enable.gapless.guarantee", gapless.to_string())
        .set("max.in.flight.requests.per.connection", "5")
        .set("message.timeout.ms", "0")
        .set("batch.num.messages", "1")
        .set("linger.ms", "0")
        .set("statistics.interval.ms", "50")
        .create_with_context(reports.clone())
        .unwrap();
    let send = |topic: &str, number: u8, size: usize| {
        let payload = vec![number; size];
        let record = BaseRecord::with_opaque_to(topic, usize::from(number)).partition(0);
        producer.send(record.key("").payload(&payload)).map_err(|(error, _)| error).unwrap();
    };
    producer.client().fetch_metadata(Some(topic), Duration::from_secs(5)).unwrap();
    send(known, 0, 1);
    until("the first is not answered", || reports.numbers.lock().unwrap().len() == 1).await;
    broker.stop();
    send(topic, 1, 40_000);
    (2..9).for_each(|number| send(topic, number, 10));
    until("five are not in flight", || reports.requests.load(Ordering::Relaxed) == 5).await;
    broker.cont();
    until("not all are answered", || {
        if producer.client().fatal_error().is_some() {
            producer.purge(PurgeConfig::default().queue());
        }
        reports.numbers.lock().unwrap().len() == 9
    })
    .await;
    broker.records(topic, 0, 0).iter().map(|record| record.payload().unwrap()[0]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_behind_a_rejected_one_are_stored_for_new_producers() {
    let broker = Broker::start().await;
    broker.topic("known", 1, &[]).await;
    // The client numbers what follows again, and sends it: in order, but without the one that was refused.
    assert_eq!(stored(&broker, "a", "a", false).await, [0, 2, 3, 4, 5, 6, 7, 8]);
    // It sends no more. The broker has no number to compare those with that are in flight, and takes them.
    assert_eq!(stored(&broker, "b", "known", true).await, [2, 3, 4, 5]);
    // Why the first message of each partition goes alone.
    assert_eq!(stored(&broker, "c", "c", true).await, [0]);
}
