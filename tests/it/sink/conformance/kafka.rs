//! Kafka in the suite: a topic of its own for each bench.

use std::sync::OnceLock;

use cti_bridge::{
    app::config::load_with,
    config::{Assignment, Flags},
    sink::kafka,
};

use super::*;

/// One broker for all; each bench has topics of its own.
async fn broker() -> &'static crate::support::kafka::Kafka {
    static BROKER: tokio::sync::OnceCell<crate::support::kafka::Kafka> = tokio::sync::OnceCell::const_new();
    BROKER.get_or_init(crate::support::kafka::Kafka::start).await
}

struct Topics {
    config: kafka::config::Config,
    /// Offsets read so far, by topic.
    read: [i64; 2],
    broker: &'static crate::support::kafka::Kafka,
}

fn config(broker: &crate::support::kafka::Kafka, number: usize) -> kafka::config::Config {
    let source = ["url=http://127.0.0.1:1", "username=u", "password=p"].map(|set| format!("sources.a.{set}"));
    let sink = [
        "type=kafka".to_owned(),
        format!("brokers=[\"{}\"]", broker.address()),
        format!("topic=events{number}"),
        format!("status_topic=status{number}"),
        format!("dlq_topic=dlq{number}"),
    ]
    .map(|set| format!("sinks.s.{set}"));
    let dir = "journal.dir=unused".to_owned();
    let set = source.into_iter().chain(sink).chain([dir]);
    let set = set.map(|set| set.parse::<Assignment>().unwrap()).collect();
    let config = load_with(&Flags { set, ..Flags::default() }, []).unwrap().config;
    config.sinks["s"].of::<kafka::config::Config>().unwrap().clone()
}

impl Bench for Topics {
    type Sink = kafka::Kafka;

    async fn start() -> Self {
        static NEXT: OnceLock<std::sync::atomic::AtomicUsize> = OnceLock::new();
        let next = NEXT.get_or_init(Default::default);
        let number = next.fetch_add(1, Ordering::Relaxed);
        let broker = broker().await;
        let config = config(broker, number);
        let mut bench = Self { config, read: [0, 0], broker };
        // Opening makes the topics.
        bench.sink().open().await.unwrap().0.close().await;
        assert!(bench.arrived().await.is_empty());
        bench
    }

    fn sink(&self) -> kafka::Kafka {
        kafka::Kafka::new(&self.config, Arc::new(["a".to_owned(), "b".to_owned()]))
    }

    fn config(&self) -> Config {
        Config::new(None, self.config.clone())
    }

    async fn arrived(&mut self) -> Vec<Value> {
        let topics = [self.config.topics.events.clone(), self.config.topics.status.clone()];
        let (broker, from) = (self.broker, self.read);
        let read = tokio::task::spawn_blocking(move || {
            [0, 1].map(|index| broker.records(&topics[index], 0, from[index]))
        });
        let read = read.await.unwrap();
        for (offset, records) in self.read.iter_mut().zip(&read) {
            *offset = records.last().map_or(*offset, |last| {
                use rdkafka::Message as _;
                last.offset() + 1
            });
        }
        read.iter().flatten().map(crate::support::kafka::event).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka() {
    Box::pin(all::<Topics>()).await;
}
