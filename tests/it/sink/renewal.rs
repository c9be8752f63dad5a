//! Secrets and certificates that are read again reach a sink's driver: when it tries, and what becomes of an open link.

use std::{
    collections::VecDeque,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use cti_bridge::{
    event::{Notice, Position, SinkId, SourceId},
    journal::Journal,
    retry::Range,
    route::{Plan, Rules},
    sink::{
        Acked, Context, Driver, Link, Options, Outcome, Outgoing, Sink, SinkError, Tail, config::Config,
        stdout,
    },
};
use tokio::{task::JoinHandle, time::Instant};

/// What a broker is like, and what it has seen.
#[derive(Debug, Default)]
struct Seen {
    refuses: bool,
    /// Takes events and acknowledges none.
    silent: bool,
    /// Its connections are cut.
    cut: bool,
    opened: Vec<Instant>,
    renewed: usize,
    stored: Vec<Position>,
}

#[derive(Debug, Clone, Default)]
struct Broker(Arc<Mutex<Seen>>);

struct Connection {
    broker: Broker,
    sent: VecDeque<Position>,
}

impl Broker {
    fn with<T>(&self, call: impl FnOnce(&mut Seen) -> T) -> T {
        call(&mut self.0.lock().unwrap())
    }

    fn opened(&self) -> usize {
        self.with(|seen| seen.opened.len())
    }
}

impl Sink for Broker {
    type Link = Connection;

    async fn open(&self) -> Result<(Connection, Tail), SinkError> {
        self.with(|seen| {
            seen.opened.push(Instant::now());
            if seen.refuses {
                return Err(SinkError::Operator("credentials refused".into()));
            }
            Ok((Connection { broker: self.clone(), sent: VecDeque::new() }, Tail::Unknown))
        })
    }

    fn renew(&mut self, _: &Config) {
        self.with(|seen| seen.renewed += 1);
    }
}

impl Link for Connection {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        self.sent.extend(batch.iter().filter_map(|outgoing| outgoing.position));
        Ok(())
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        let Some(through) = self.sent.back().copied().filter(|_| !self.broker.with(|seen| seen.silent))
        else {
            return pending().await;
        };
        self.broker.with(|seen| seen.stored.extend(self.sent.drain(..)));
        Ok(Acked { through, refused: None })
    }

    fn is_cut_off(&self) -> bool {
        self.broker.with(|seen| seen.cut)
    }

    async fn close(self) {}
}

struct Scene {
    context: Context,
    broker: Broker,
    running: JoinHandle<Outcome>,
}

impl Scene {
    fn start(broker: Broker) -> Self {
        let journal = Journal::memory(64 << 20, &["a".to_owned()], &["sink".to_owned()]);
        let context = Context::new("test", journal, ["sink".to_owned()].into());
        let plan = Plan::new(context.journal.id(), Arc::clone(&context.sources), Rules::default());
        let hour = Range { from: Duration::from_hours(1), to: Duration::from_hours(1) };
        let options = Options { heartbeat: None, backoff: hour, answer: None, ..Options::default() };
        let running = tokio::spawn(Driver::new(&context, SinkId(0), plan, options).run(broker.clone()));
        Self { context, broker, running }
    }

    fn append(&self, count: u64) {
        for _ in 0..count {
            self.context.journal.notice(SourceId(0), &Notice::Started { version: "test" });
        }
    }

    fn announce(&self) {
        let kind = stdout::config::Config { format: stdout::config::Format::Json };
        self.context.renewals.announce("sink", Config::new(None, kind));
    }

    /// Waits until so many links were asked for. Time is paused.
    async fn opened(&self, count: usize) {
        let waited = tokio::time::timeout(Duration::from_secs(5), async {
            while self.broker.opened() < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{} links opened, not {count}", self.broker.opened()));
    }

    async fn drained(self) -> Vec<Position> {
        self.context.stop.drain();
        assert_eq!(self.running.await.unwrap(), Outcome::Drained);
        self.broker.with(|seen| seen.stored.clone())
    }
}

fn once(stored: &[Position]) -> bool {
    stored.windows(2).all(|pair| pair[0] < pair[1])
}

#[tokio::test(start_paused = true)]
async fn a_call_to_retry_ends_the_wait_of_a_failing_sink() {
    let broker = Broker::default();
    broker.with(|seen| seen.refuses = true);
    let scene = Scene::start(broker);
    scene.opened(1).await;
    scene.append(3);
    scene.broker.with(|seen| seen.refuses = false);
    scene.context.retry.fire();
    scene.opened(2).await;
    assert_eq!(scene.drained().await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn new_secrets_end_the_wait_of_a_failing_sink() {
    let broker = Broker::default();
    broker.with(|seen| seen.refuses = true);
    let scene = Scene::start(broker);
    scene.opened(1).await;
    scene.append(3);
    scene.broker.with(|seen| seen.refuses = false);
    scene.announce();
    scene.opened(2).await;
    assert_eq!(scene.broker.with(|seen| seen.renewed), 1);
    assert_eq!(scene.drained().await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn new_secrets_wait_for_messages_in_flight() {
    let scene = Scene::start(Broker::default());
    scene.opened(1).await;
    scene.broker.with(|seen| seen.silent = true);
    scene.append(10);
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.announce();
    scene.append(10);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(scene.broker.opened(), 1, "what is in flight could arrive behind what the next link sends");
    scene.broker.with(|seen| seen.silent = false);
    // The link is woken by what it is in trouble for at the latest.
    scene.opened(2).await;
    assert_eq!(scene.broker.with(|seen| seen.renewed), 1);
    let stored = scene.drained().await;
    assert!(stored.len() == 20 && once(&stored), "{stored:?}");
}

#[tokio::test(start_paused = true)]
async fn new_secrets_replace_a_link_that_is_cut_off_at_once() {
    let scene = Scene::start(Broker::default());
    scene.opened(1).await;
    scene.broker.with(|seen| (seen.silent, seen.cut) = (true, true));
    scene.append(10);
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.announce();
    scene.opened(2).await;
    scene.broker.with(|seen| (seen.silent, seen.cut) = (false, false));
    assert_eq!(scene.drained().await.len(), 10);
}
