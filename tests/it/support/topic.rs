//! A journal that the real driver delivers to a topic, and the resulting topic.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use cti_bridge::{
    app::config::load_with,
    config::{Assignment, Flags},
    event::{Notice, SinkId, SourceId},
    health::{Board, State},
    journal::{self, Journal, Sync, WhenFull, fs},
    retry::Range,
    route::{Plan, Rules},
    shutdown::Stop,
    sink::{
        Context, Driver, Options, Outcome,
        kafka::{Kafka, config::Config},
    },
};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::{
    kafka::{Kafka as Broker, event},
    wait::until,
};

/// Sources that map to different ones of four partitions.
pub(crate) const SOURCES: [&str; 3] = ["a", "b", "c"];

pub(crate) fn config(brokers: &str, topic: &str, settings: &[&str]) -> Config {
    let source = ["url=http://127.0.0.1:1", "username=u", "password=p"].map(|set| format!("sources.a.{set}"));
    let sink = [
        "type=kafka".to_owned(),
        format!("brokers=[\"{brokers}\"]"),
        format!("topic={topic}"),
        format!("status_topic={topic}.status"),
        format!("dlq_topic={topic}.dlq"),
    ];
    let sink = sink.into_iter().chain(settings.iter().map(|set| (*set).to_owned()));
    let set = source.into_iter().chain(sink.map(|set| format!("sinks.s.{set}")));
    let set = set.chain(["journal.dir=unused".to_owned()]);
    let set = set.map(|set| set.parse::<Assignment>().unwrap()).collect();
    let config = load_with(&Flags { set, ..Flags::default() }, []).unwrap().config;
    config.sinks["s"].of::<Config>().unwrap().clone()
}

/// A journal of three sources, and its sink.
pub(crate) struct Line {
    pub(crate) context: Context,
    pub(crate) config: Config,
    pub(crate) sent: u64,
}

impl Line {
    pub(crate) fn new(config: Config) -> Self {
        let sources: Arc<[String]> = SOURCES.map(str::to_owned).into();
        let sinks: Arc<[String]> = Arc::new(["sink".to_owned()]);
        let journal = Journal::memory(64 << 20, &sources, &sinks);
        Self::of(config, journal, sinks)
    }

    /// Creates one on disk that retains delivered records.
    pub(crate) fn on_disk(config: Config, dir: &std::path::Path) -> Self {
        let disk = journal::Options {
            dir: dir.to_owned(),
            sync: Sync::Every(Duration::from_millis(20)),
            max_bytes: Some(1 << 30),
            max_age: None,
            when_full: WhenFull::DropOldest,
            name_quota: 100,
            retain: Duration::from_mins(15),
            memory: 64 << 20,
        };
        let sinks: Arc<[String]> = Arc::new(["sink".to_owned()]);
        let health = Board::default().component("journal".to_owned());
        let opened =
            Journal::open(&disk, Arc::new(fs::Disk), &SOURCES.map(str::to_owned), &sinks, Arc::new(health));
        Self::of(config, opened.unwrap().0, sinks)
    }

    fn of(config: Config, journal: Journal, sinks: Arc<[String]>) -> Self {
        let context = Context { retain: Duration::from_mins(15), ..Context::new("test", journal, sinks) };
        Self { context, config, sent: 0 }
    }

    pub(crate) fn sink(&self) -> Kafka {
        Kafka::new(&self.config, Arc::clone(&self.context.sources))
    }

    pub(crate) fn append(&mut self, count: u64, padding: usize) {
        for number in self.sent..self.sent + count {
            let source = SourceId(u16::try_from(number % 3).unwrap());
            // The size of a single text is bounded, the number of texts is not.
            let sees = vec!["x".repeat(1_000); padding / 1_000];
            let user = "bridge".to_owned();
            let notice = Notice::Connected { session: number, user, profile: None, sees, privacy: None };
            self.context.journal.notice(source, &notice);
        }
        self.sent += count;
    }

    pub(crate) fn run(&self, options: Options) -> JoinHandle<Outcome> {
        let journal = self.context.journal.id();
        let plan = Plan::new(journal, Arc::clone(&self.context.sources), Rules::default());
        let backoff = Range { from: Duration::from_millis(5), to: Duration::from_millis(100) };
        let options = Options { heartbeat: None, backoff, ..options };
        tokio::spawn(Driver::new(&self.context, SinkId(0), plan, options).run(self.sink()))
    }

    /// Delivers everything.
    pub(crate) async fn drain(&mut self) {
        let running = self.run(Options::default());
        self.context.stop.drain();
        assert_eq!(running.await.unwrap(), Outcome::Drained);
        self.context.stop = Stop::default();
    }

    pub(crate) fn is_delivered(&self) -> bool {
        (0..3).all(|source| self.context.journal.ledger(SinkId(0), SourceId(source)).1 == 0)
    }

    /// Waits until everything is delivered or dead-lettered.
    pub(crate) async fn delivered(&self) {
        until("not everything is delivered", || self.is_delivered()).await;
    }

    pub(crate) fn is_active(&self) -> bool {
        self.context.board.snapshot().get("sink/sink").is_some_and(|health| health.state == State::Active)
    }

    /// Waits until the sink is active.
    pub(crate) async fn activates(&self) {
        until("the sink is not active", || self.is_active()).await;
    }

    pub(crate) async fn tells(&self, text: &str) -> State {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let state = self.context.board.snapshot().remove("sink/sink").map(|health| health.state);
            if let Some(State::Failing { reason }) = &state
                && reason.contains(text)
            {
                return state.unwrap();
            }
            assert!(Instant::now() < deadline, "never reported {text:?}, but {state:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

pub(crate) fn number(event: &Value) -> u64 {
    event["data"]["session"].as_u64().unwrap()
}

/// The events of all partitions, each in stored order.
pub(crate) fn stored(broker: &Broker, topic: &str, partitions: i32) -> Vec<Vec<Value>> {
    let read = |partition| broker.records(topic, partition, 0).iter().map(event).collect();
    tokio::task::block_in_place(|| (0..partitions).map(read).collect())
}

/// Asserts that all events are stored, the first copy of each in order. Returns the number of duplicates.
pub(crate) fn whole(partitions: &[Vec<Value>], count: u64) -> usize {
    let (mut seen, mut again) = (HashSet::new(), 0);
    for partition in partitions {
        let mut last = HashMap::new();
        for event in partition {
            let id = event["id"].as_str().unwrap().to_owned() + event["source"].as_str().unwrap();
            if !seen.insert(id) {
                again += 1;
                continue;
            }
            let before = last.insert(event["source"].to_string(), number(event));
            assert!(before.is_none_or(|before| before < number(event)), "{event}");
        }
    }
    assert_eq!(seen.len() as u64, count);
    again
}
