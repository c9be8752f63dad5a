//! How an outage of a sink is reported: once, from its start, until there is proof that it is over.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use cti_bridge::{
    event::{Notice, Position, SinkId, SourceId},
    health::{Health, State, Trouble},
    journal::Journal,
    route::{Plan, Rules},
    sink::{Acked, Context, Driver, Link, Options, Outgoing, Sink, SinkError, Tail},
};
use tokio::task::JoinHandle;

/// Takes connections and events, and acknowledges them unless it is full, as `/dev/full` is.
#[derive(Debug, Clone, Default)]
struct Broker {
    full: Arc<AtomicBool>,
    /// Ends each link with a refusal once it has acknowledged something.
    refuses: Arc<AtomicBool>,
    opened: Arc<AtomicU32>,
}

struct Connection {
    broker: Broker,
    acknowledged: bool,
    sent: VecDeque<Position>,
}

impl Sink for Broker {
    type Link = Connection;

    async fn open(&self) -> Result<(Connection, Tail), SinkError> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok((Connection { broker: self.clone(), acknowledged: false, sent: VecDeque::new() }, Tail::Unknown))
    }
}

impl Link for Connection {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        self.sent.extend(batch.iter().filter_map(|outgoing| outgoing.position));
        Ok(())
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        let Some(through) = self.sent.back().copied() else { return std::future::pending().await };
        if self.broker.full.load(Ordering::Relaxed) {
            return Err(SinkError::Again(format!("no room for {} events", self.sent.len()).into()));
        }
        if self.broker.refuses.load(Ordering::Relaxed) {
            if std::mem::replace(&mut self.acknowledged, true) {
                return Err(SinkError::again(Trouble::Refused, "a batch is refused"));
            }
            let through = self.sent.pop_front().unwrap();
            return Ok(Acked { through, refused: None });
        }
        self.sent.clear();
        Ok(Acked { through, refused: None })
    }

    async fn close(self) {}
}

fn start(broker: &Broker) -> (Context, JoinHandle<()>) {
    let journal = Journal::memory(64 << 20, &["a".to_owned()], &["sink".to_owned()]);
    let context = Context::new("test", journal, ["sink".to_owned()].into());
    let plan = Plan::new(context.journal.id(), Arc::clone(&context.sources), Rules::default());
    let options = Options { heartbeat: None, ..Options::default() };
    let running = Driver::new(&context, SinkId(0), plan, options).run(broker.clone());
    (context, tokio::spawn(async move { drop(running.await) }))
}

fn append(context: &Context) {
    context.journal.notice(SourceId(0), &Notice::Started { version: "test" });
}

fn health(context: &Context) -> Health {
    context.board.snapshot().remove("sink/sink").unwrap()
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_mins(1), async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("not {what}"));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_opens_and_delivers_nothing_is_never_active() {
    let broker = Broker::default();
    broker.full.store(true, Ordering::Relaxed);
    let (context, running) = start(&broker);
    append(&context);
    until("failing", || matches!(health(&context).state, State::Failing { .. })).await;
    let since = health(&context).since;
    let mut states = Vec::new();
    until("tried often", || {
        states.push(health(&context));
        broker.opened.load(Ordering::Relaxed) > 10
    })
    .await;
    assert!(states.iter().all(|health| health.state != State::Active && health.never_active), "{states:?}");
    assert!(states.iter().all(|health| health.since == since), "{states:?}");
    broker.full.store(false, Ordering::Relaxed);
    until("active", || health(&context).state == State::Active).await;
    assert!(!health(&context).never_active);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_has_nothing_to_deliver_is_active_when_it_is_open() {
    let (context, running) = start(&Broker::default());
    until("active", || health(&context).state == State::Active).await;
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn refusals_with_progress_are_not_an_outage() {
    let broker = Broker::default();
    broker.refuses.store(true, Ordering::Relaxed);
    let (context, running) = start(&broker);
    (0..20).for_each(|_| append(&context));
    let mut states = Vec::new();
    until("refused often", || {
        states.push(health(&context).state);
        broker.opened.load(Ordering::Relaxed) > 10
    })
    .await;
    assert!(states.iter().all(|state| !matches!(state, State::Failing { .. })), "{states:?}");
    assert_eq!(states.last(), Some(&State::Active));
    running.abort();
}
