//! Reloaded rules reach a sink's driver: where in the journal it switches, and when.

use std::{
    collections::{BTreeMap, VecDeque},
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use cti_bridge::{
    event::{Mark, Notice, Position, SinkId, SourceId},
    journal::Journal,
    retry::Range,
    sink::{
        Acked, Context, Driver, Link, NewRules, Options, Outcome, Outgoing, Sink, SinkError, Tail,
        config::Config, stdout,
    },
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

const SOURCES: [&str; 2] = ["a", "b"];
/// The time after which the broker acknowledges.
const LATE: Duration = Duration::from_millis(7);

/// A stored record. Its rules are those whose number is in the URI of its schema.
#[derive(Debug, Clone, PartialEq)]
struct Kept {
    position: Position,
    source: String,
    ty: String,
    rules: u64,
    generation: Option<u64>,
}

#[derive(Debug, Default)]
struct State {
    refuses: bool,
    /// Accepts events and acknowledges none.
    silent: bool,
    opened: usize,
    heartbeats: usize,
    stored: Vec<Kept>,
}

/// A broker whose links hold events back until they are acknowledged: what is in flight when a link ends is lost.
#[derive(Debug, Clone, Default)]
struct Broker {
    state: Arc<Mutex<State>>,
    /// Destinations depend on the rules: with another number another link is needed.
    is_redirected: bool,
}

struct Connection {
    broker: Broker,
    sent: VecDeque<(Instant, Kept)>,
}

impl Broker {
    fn with<T>(&self, call: impl FnOnce(&mut State) -> T) -> T {
        call(&mut self.state.lock().unwrap())
    }
}

impl Sink for Broker {
    type Link = Connection;

    async fn open(&self) -> Result<(Connection, Tail), SinkError> {
        self.with(|state| {
            if state.refuses {
                return Err(SinkError::Operator("connection refused".into()));
            }
            state.opened += 1;
            Ok((Connection { broker: self.clone(), sent: VecDeque::new() }, Tail::Unknown))
        })
    }

    fn redirect(&mut self, _: &Config) -> bool {
        self.is_redirected
    }
}

impl Link for Connection {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        if self.broker.with(|state| state.refuses) {
            return Err(SinkError::Operator("connection cut".into()));
        }
        for outgoing in batch {
            let schema = outgoing.event.schema.unwrap();
            let rules = schema.split('/').nth(3).unwrap().parse().unwrap();
            let data: serde_json::Value = serde_json::from_slice(&outgoing.event.data).unwrap();
            let (Some(position), Mark::Numbered { .. }) = (outgoing.position, outgoing.event.mark) else {
                self.broker.with(|state| state.heartbeats += 1);
                continue;
            };
            let kept = Kept {
                position,
                source: outgoing.event.source.to_owned(),
                ty: outgoing.event.ty.to_owned(),
                rules,
                generation: data["generation"].as_u64(),
            };
            self.sent.push_back((Instant::now() + LATE, kept));
        }
        Ok(())
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        let Some((at, _)) = self.sent.front() else { return pending().await };
        sleep_until(*at).await;
        while self.broker.with(|state| state.silent) {
            if self.broker.with(|state| state.refuses) {
                return Err(SinkError::Operator("connection cut".into()));
            }
            sleep(LATE).await;
        }
        let now = Instant::now();
        let due = self.sent.iter().take_while(|(at, _)| *at <= now).count();
        let due: Vec<Kept> = self.sent.drain(..due).map(|(_, kept)| kept).collect();
        let through = due.last().unwrap().position;
        self.broker.with(|state| state.stored.extend(due));
        Ok(Acked { through, refused: None })
    }

    async fn close(self) {}
}

struct Scene {
    context: Context,
    broker: Broker,
    running: JoinHandle<Outcome>,
}

/// Rules of this number.
fn rules(number: u64, heartbeat: Option<Duration>) -> NewRules {
    let kind = stdout::config::Config { format: stdout::config::Format::Json };
    let dataschema = Some(format!("https://schemas.example/{number}/"));
    NewRules {
        config: Config { dataschema, heartbeat, ..Config::new(None, kind) },
        fingerprint: number.into(),
    }
}

impl Scene {
    fn start(broker: Broker) -> Self {
        let journal = Journal::memory(64 << 20, &SOURCES.map(str::to_owned), &["sink".to_owned()]);
        let context = Context::new("test", journal, ["sink".to_owned()].into());
        let plan = rules(1, None).config.plan(context.journal.id(), Arc::clone(&context.sources));
        let backoff = Range { from: Duration::from_millis(50), to: Duration::from_secs(1) };
        let options = Options { heartbeat: None, backoff, answer: None, ..Options::default() };
        let running = tokio::spawn(Driver::new(&context, SinkId(0), plan, options).run(broker.clone()));
        Self { context, broker, running }
    }

    /// Appends `count` records, in turn for both sources.
    fn append(&self, count: u16) {
        for number in 0..count {
            self.context.journal.notice(SourceId(number % 2), &Notice::Started { version: "test" });
        }
    }

    fn reload(&self, number: u64) {
        self.context.switches.announce("sink", rules(number, None), &self.context.journal);
    }

    fn generation(&self) -> u64 {
        self.context.switches.state("sink").generation
    }

    /// Waits until the driver has switched. Time is paused.
    async fn switched(&self, generation: u64) {
        let waited = timeout(Duration::from_mins(1), async {
            while self.generation() < generation {
                sleep(Duration::from_millis(1)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{:?}", self.context.switches.state("sink")));
    }

    /// Stops the driver. Returns the rules of each generation, after checking that every record arrived once, and that the rules change
    /// with a notice and nowhere else.
    async fn drained(self) -> Vec<u64> {
        self.context.stop.drain();
        let outcome = timeout(Duration::from_mins(1), self.running).await.expect("the stop hangs").unwrap();
        assert_eq!(outcome, Outcome::Drained);
        let stored = self.broker.with(|state| state.stored.clone());
        let end = self.context.journal.stats().sinks[0].next;
        let positions: Vec<Position> = stored.iter().map(|kept| kept.position).collect();
        assert_eq!(positions, (1..end.0).map(Position).collect::<Vec<_>>(), "each once, in order");
        let mut by_source: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for kept in &stored {
            let generations = by_source.entry(&kept.source).or_insert_with(|| vec![1]);
            if let Some(generation) = kept.generation {
                generations.push(kept.rules);
                assert_eq!(generation, generations.len() as u64, "{kept:?}");
            }
            assert_eq!(generations.last(), Some(&kept.rules), "{kept:?}");
        }
        let generations: Vec<_> = by_source.into_values().collect();
        assert_eq!(generations[0], generations[1]);
        generations[0].clone()
    }
}

#[tokio::test(start_paused = true)]
async fn the_notice_is_the_first_record_under_new_rules() {
    for is_redirected in [false, true] {
        let scene = Scene::start(Broker { is_redirected, ..Broker::default() });
        for turn in 0..40 {
            scene.append(600);
            if turn == 20 {
                scene.reload(2);
                scene.append(600);
            }
            sleep(Duration::from_millis(1)).await;
        }
        scene.switched(2).await;
        assert_eq!(scene.broker.with(|state| state.opened), if is_redirected { 2 } else { 1 });
        assert_eq!(scene.drained().await, [1, 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_sink_switches_at_once() {
    let scene = Scene::start(Broker::default());
    sleep(Duration::from_secs(1)).await;
    scene.reload(2);
    timeout(Duration::from_millis(1), scene.switched(2)).await.unwrap();
    assert_eq!(scene.drained().await, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_reload_every_50_ms_loses_and_repeats_nothing() {
    for is_redirected in [false, true] {
        let scene = Scene::start(Broker { is_redirected, ..Broker::default() });
        for turn in 2..202 {
            scene.append(fastrand::u16(..1_000));
            scene.reload(turn);
            for _ in 0..50 {
                scene.append(fastrand::u16(..20));
                sleep(Duration::from_millis(1)).await;
            }
        }
        let generations = scene.drained().await;
        assert!(generations.len() > 100 && generations.last() == Some(&201), "{generations:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn reloads_during_an_outage_become_two() {
    for is_redirected in [false, true] {
        let scene = Scene::start(Broker { is_redirected, ..Broker::default() });
        scene.append(10);
        sleep(Duration::from_secs(1)).await;
        scene.broker.with(|state| (state.refuses, state.silent) = (true, true));
        scene.append(10);
        sleep(Duration::from_secs(1)).await;
        for number in 2..6 {
            scene.reload(number);
            scene.append(10);
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(scene.generation(), 1, "what was appended under the old rules is pending");
        scene.broker.with(|state| (state.refuses, state.silent) = (false, false));
        scene.switched(3).await;
        assert_eq!(scene.drained().await, [1, 2, 5]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_without_pending_events_switches_while_its_broker_is_down() {
    let scene = Scene::start(Broker { is_redirected: true, ..Broker::default() });
    scene.append(10);
    sleep(Duration::from_secs(1)).await;
    scene.broker.with(|state| state.refuses = true);
    scene.context.renewals.announce("sink", rules(1, None).config);
    sleep(Duration::from_secs(1)).await;
    scene.reload(2);
    scene.context.retry.fire();
    scene.switched(2).await;
    scene.broker.with(|state| state.refuses = false);
    assert_eq!(scene.drained().await, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_completes_an_outstanding_switch() {
    for is_redirected in [false, true] {
        let scene = Scene::start(Broker { is_redirected, ..Broker::default() });
        scene.broker.with(|state| state.silent = true);
        scene.append(5_000);
        sleep(Duration::from_secs(1)).await;
        scene.reload(2);
        scene.append(5_000);
        scene.reload(3);
        scene.context.stop.drain();
        sleep(Duration::from_secs(1)).await;
        scene.broker.with(|state| state.silent = false);
        assert_eq!(scene.drained().await, [1, 2, 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_switch_that_can_not_complete() {
    let scene = Scene::start(Broker::default());
    scene.broker.with(|state| state.silent = true);
    scene.append(10);
    sleep(Duration::from_secs(1)).await;
    scene.reload(2);
    scene.context.stop.drain();
    sleep(Duration::from_secs(30)).await;
    scene.context.stop.at_once();
    assert_eq!(scene.running.await.unwrap(), Outcome::Undelivered(12));
    assert_eq!(scene.context.switches.state("sink").generation, 1);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_follow_the_new_interval() {
    let scene = Scene::start(Broker::default());
    let (switches, journal) = (scene.context.switches.clone(), scene.context.journal.clone());
    let reload = |number, heartbeat| switches.announce("sink", rules(number, heartbeat), &journal);
    let count = || scene.broker.with(|state| std::mem::take(&mut state.heartbeats)) / SOURCES.len();
    sleep(Duration::from_secs(20)).await;
    assert_eq!(count(), 0);
    reload(2, Some(Duration::from_secs(5)));
    sleep(Duration::from_secs(21)).await;
    assert_eq!(count(), 5, "the first one at once");
    // Other rules with the same interval don't restart it.
    for number in 3..23 {
        reload(number, Some(Duration::from_secs(5)));
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(count(), 4);
    reload(23, Some(Duration::from_secs(1)));
    sleep(Duration::from_millis(10_500)).await;
    assert_eq!(count(), 11);
    reload(24, None);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(count(), 0);
    scene.drained().await;
}
