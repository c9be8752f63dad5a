//! Limits of a NATS server and its stream that change while the bridge is connected, and dead letters.
#![cfg(feature = "nats")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::jetstream;
use cti_bridge::{
    app::config::load_with,
    config::{Assignment, Flags},
    event::{Notice, SinkId, SourceId},
    journal::Journal,
    retry::Range,
    route::{Plan, Rules},
    sink::{
        Bridge, Context, Driver, Options, Outcome,
        nats::{JetStream, Nats as Core, config::Config},
    },
};
use futures_util::StreamExt as _;
use tokio::task::JoinHandle;

use crate::support::nats::Nats;

const JETSTREAM: &str = "jetstream: { store_dir: \"$DIR/js\" }";

struct Line {
    context: Context,
    config: Config,
}

impl Line {
    fn new(nats: &Nats, settings: &[&str]) -> Self {
        let source =
            ["url=http://127.0.0.1:1", "username=u", "password=p"].map(|set| format!("sources.a.{set}"));
        let sink = [format!("servers=[\"{}\"]", nats.url()), "type=nats".to_owned()];
        let sink = sink.into_iter().chain(settings.iter().map(|set| (*set).to_owned()));
        let set = source.into_iter().chain(sink.map(|set| format!("sinks.s.{set}")));
        let set = set.chain(["journal.dir=unused".to_owned()]);
        let set = set.map(|set| set.parse::<Assignment>().unwrap()).collect();
        let config = load_with(&Flags { set, ..Flags::default() }, []).unwrap().config;
        let config = config.sinks["s"].of::<Config>().unwrap();
        let sources: Arc<[String]> = Arc::new(["a".to_owned()]);
        let sinks: Arc<[String]> = Arc::new(["sink".to_owned()]);
        let journal = Journal::memory(64 << 20, &sources, &sinks);
        Self { context: Context::new("phones", journal, sinks), config: config.clone() }
    }

    fn run(&self) -> JoinHandle<Outcome> {
        let plan = Plan::new(self.context.journal.id(), Arc::clone(&self.context.sources), Rules::default());
        let backoff = Range { from: Duration::from_millis(5), to: Duration::from_millis(100) };
        let driver = Driver::new(
            &self.context,
            SinkId(0),
            plan,
            Options { heartbeat: None, backoff, ..Options::default() },
        );
        match self.config.mode {
            cti_bridge::sink::nats::config::Mode::Core => tokio::spawn(driver.run(Core::new(&self.config))),
            cti_bridge::sink::nats::config::Mode::JetStream => {
                let bridge = Bridge { instance: "phones", sources: &self.context.sources };
                tokio::spawn(driver.run(JetStream::new(&self.config, bridge)))
            }
        }
    }

    fn append(&self, size: usize) -> u64 {
        let reason = "x".repeat(size);
        let notice = Notice::AuthFailed {
            reason: cti_bridge::event::AuthFailure::CredentialsRefused,
            detail: reason,
            operator: false,
            failures: 1,
            slow: false,
            retry_in: 5,
        };
        self.context.journal.notice(SourceId(0), &notice).0
    }

    /// Events that are published, dead letters, and events that wait.
    fn counts(&self) -> (u64, u64, u64) {
        let (ledger, pending) = self.context.journal.ledger(SinkId(0), SourceId(0));
        (ledger.published, ledger.dead_lettered, pending)
    }

    async fn delivered(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.counts().2 > 0 {
            assert!(Instant::now() < deadline, "{:?}", self.context.board.snapshot());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Appends events that were too large until one is published, which takes seconds, and not a restart.
    async fn accepted(&self, size: usize) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let (_, dead, _) = self.counts();
            self.append(size);
            self.delivered().await;
            if self.counts().1 == dead {
                return;
            }
            assert!(Instant::now() < deadline, "the limit is never read again");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn links(&self) -> u64 {
        self.context.counters.sink(SinkId(0)).read().opened
    }
}

async fn drained(line: &Line, running: JoinHandle<Outcome>) {
    line.context.stop.drain();
    assert_eq!(running.await.unwrap(), Outcome::Drained);
}

#[tokio::test]
async fn a_raised_stream_limit_is_used() {
    let nats = Nats::start(JETSTREAM).await;
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let config = jetstream::stream::Config {
        name: "phones".to_owned(),
        subjects: vec![
            "cti.v1.a.event.>".to_owned(),
            "cti.v1.a.bridge.>".to_owned(),
            "cti.v1.a.call.>".to_owned(),
        ],
        max_message_size: 2_000,
        ..Default::default()
    };
    context.create_stream(config.clone()).await.unwrap();
    let client = async_nats::connect(nats.url()).await.unwrap();
    let mut letters = client.subscribe("cti.v1.a.dlq.>").await.unwrap();
    client.flush().await.unwrap();
    let line = Line::new(&nats, &["mode=jetstream"]);
    let running = line.run();
    let refused = line.append(4_000);
    line.append(10);
    line.delivered().await;
    assert_eq!(line.counts().1, 1);
    // The stream's limit is none of the letter's.
    let letter = tokio::time::timeout(Duration::from_secs(5), letters.next()).await.unwrap().unwrap();
    let id = format!("{}-{refused}-sink", line.context.journal.id());
    assert_eq!(letter.headers.as_ref().unwrap().get("ce-id").unwrap().as_str(), id);
    assert!(letter.payload.len() > 4_000);
    context.update_stream(jetstream::stream::Config { max_message_size: -1, ..config }).await.unwrap();
    line.accepted(4_000).await;
    assert_eq!(line.links(), 1, "no new link is needed for it");
    drained(&line, running).await;
}

#[tokio::test]
async fn a_raised_server_limit_is_used() {
    for mode in ["core", "jetstream"] {
        let nats = Nats::start(&format!("max_payload: 2048\n{JETSTREAM}")).await;
        let line = Line::new(&nats, &[&format!("mode={mode}")]);
        let running = line.run();
        line.append(4_000);
        line.append(10);
        line.delivered().await;
        assert_eq!(line.counts().1, 1);
        let path = nats.dir().join("nats.conf");
        let raised = std::fs::read_to_string(&path).unwrap().replace("2048", "65536");
        std::fs::write(&path, raised).unwrap();
        nats.signal("HUP");
        line.accepted(4_000).await;
        assert_eq!(line.links(), 2, "{mode}: its client is told of the limit by a new link");
        drained(&line, running).await;
    }
}

#[tokio::test]
async fn a_forbidden_dead_letter_is_counted_and_skipped() {
    let users = "authorization: { users: [ { user: bridge, password: p, permissions: { publish: { deny: \"cti.v1.a.dlq.>\" } } } ] }";
    for mode in ["core", "jetstream"] {
        let nats = Nats::start(&format!("max_payload: 2048\n{JETSTREAM}\n{users}")).await;
        let line = Line::new(&nats, &[&format!("mode={mode}"), "username=bridge", "password=p"]);
        let running = line.run();
        for _ in 0..20 {
            line.append(4_000);
            line.append(10);
        }
        line.delivered().await;
        // Each is announced once.
        assert_eq!(line.counts(), (40, 20, 0), "{mode}");
        drained(&line, running).await;
    }
}
