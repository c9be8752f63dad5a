//! Stopping a driver: in time, and without blocking the runtime, whatever its link, its reader or the
//! journal's disk do.

use std::{
    collections::VecDeque,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use cti_bridge::{
    event::{Notice, Position, SinkId, SourceId},
    health::Board,
    journal::Journal,
    retry::Range,
    route::{Plan, Rules},
    shutdown::Stop,
    sink::{Acked, Context, Driver, Link, Options, Outcome, Outgoing, Sink, SinkError, Tail},
};
use tokio::time::{Instant, sleep, timeout};

use journal_kit::{
    config, disk,
    faulty_fs::{Faults, FaultyFs, Writes},
    names,
};

/// Runs a test on a thread of its own: a loop that never yields can't be timed out from within its runtime.
fn isolated<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    run_on(tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build(), test);
}

fn run_on<F: Future<Output = ()>>(
    runtime: std::io::Result<tokio::runtime::Runtime>,
    test: impl FnOnce() -> F + Send + 'static,
) {
    let runtime = runtime.unwrap();
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        runtime.block_on(test());
        done.send(()).unwrap();
        runtime.shutdown_background();
    });
    match ended.recv_timeout(Duration::from_secs(20)) {
        Ok(()) => {}
        Err(RecvTimeoutError::Timeout) => panic!("the runtime is kept from everything else"),
        Err(RecvTimeoutError::Disconnected) => panic!("the test failed: see above"),
    }
}

/// What a broker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Work,
    /// Refuses connections.
    Refuse,
    /// Lets a connection attempt wait for ever.
    HangOpen,
    /// Takes a connection, and no batch.
    HangSend,
    /// Takes everything and acknowledges nothing, and its link says so.
    Trouble,
    /// Has lost all that it had.
    Forget,
}

/// A broker whose behaviour can be changed.
#[derive(Debug, Clone)]
struct Broker {
    does: Arc<Mutex<Does>>,
    stored: Arc<Mutex<Vec<Position>>>,
    attempts: Arc<AtomicU32>,
}

struct Connection {
    broker: Broker,
    sent: VecDeque<Position>,
}

impl Broker {
    fn new(does: Does) -> Self {
        Self { does: Arc::new(Mutex::new(does)), stored: Arc::default(), attempts: Arc::default() }
    }

    fn set(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    fn does(&self) -> Does {
        *self.does.lock().unwrap()
    }

    fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }

    async fn tried(&self, times: u32) {
        while self.attempts() < times {
            sleep(Duration::from_millis(1)).await;
        }
    }

    fn stored(&self) -> usize {
        self.stored.lock().unwrap().len()
    }
}

impl Sink for Broker {
    type Link = Connection;

    async fn open(&self) -> Result<(Connection, Tail), SinkError> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        match self.does() {
            Does::Refuse => Err(SinkError::Again("refused".into())),
            Does::HangOpen => pending().await,
            does => {
                let tail =
                    if does == Does::Forget { Tail::Partitions(vec![Vec::new()]) } else { Tail::Unknown };
                Ok((Connection { broker: self.clone(), sent: VecDeque::new() }, tail))
            }
        }
    }
}

impl Link for Connection {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        if self.broker.does() == Does::HangSend {
            pending::<()>().await;
        }
        self.sent.extend(batch.iter().filter_map(|outgoing| outgoing.position));
        Ok(())
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        if self.sent.is_empty() || self.broker.does() != Does::Work {
            pending::<()>().await;
        }
        self.broker.stored.lock().unwrap().extend(&self.sent);
        let through = *self.sent.back().unwrap();
        self.sent.clear();
        Ok(Acked { through, refused: None })
    }

    fn trouble(&self) -> Option<SinkError> {
        (self.broker.does() == Does::Trouble).then(|| SinkError::Again("it takes nothing".into()))
    }

    async fn close(self) {}
}

fn context(journal: Journal) -> Context {
    Context::new("test", journal, ["sink".to_owned()].into())
}

fn in_memory() -> Context {
    context(Journal::memory(64 << 20, &names(&["a", "b"]), &names(&["sink"])))
}

/// A context whose journal is on this disk. Its thread works in real time.
fn on(disk: &FaultyFs) -> Context {
    let health = Board::default().component("journal".to_owned());
    let (journal, _) =
        Journal::open(&config(), disk.process(), &names(&["a", "b"]), &names(&["sink"]), Arc::new(health))
            .unwrap();
    context(journal)
}

fn append(context: &Context, count: u64) {
    for number in 0..count {
        let source = SourceId(u16::try_from(number % 2).unwrap());
        context.journal.notice(source, &Notice::Started { version: "test" });
    }
}

fn driver(context: &Context, backoff: Range) -> Driver {
    let plan = Plan::new(context.journal.id(), Arc::clone(&context.sources), Rules::default());
    let options = Options { heartbeat: None, backoff, answer: None, ..Options::default() };
    Driver::new(context, SinkId(0), plan, options)
}

fn quick() -> Range {
    Range { from: Duration::from_millis(50), to: Duration::from_millis(100) }
}

fn never() -> Range {
    Range { from: Duration::from_hours(1), to: Duration::from_hours(1) }
}

/// Lets the driver get on with what it does. Time is paused, so this waits for everything that is ready.
async fn settle() {
    sleep(Duration::from_secs(3)).await;
}

#[test]
fn a_stop_with_a_link_in_trouble_leaves_the_runtime_to_others() {
    isolated(|| async {
        let (context, broker) = (in_memory(), Broker::new(Does::Trouble));
        append(&context, 10);
        let running = tokio::spawn(driver(&context, quick()).run(broker.clone()));
        settle().await;
        context.stop.drain();
        // What is in memory waits for the broker, for as long as the drain may take.
        settle().await;
        assert!(!running.is_finished());
        broker.set(Does::Work);
        assert_eq!(running.await.unwrap(), Outcome::Drained);
        assert_eq!(broker.stored(), 10);
    });
}

#[test]
fn a_stop_ends_though_the_counters_never_agree() {
    isolated(|| async {
        let (context, broker) = (in_memory(), Broker::new(Does::Work));
        append(&context, 10);
        let running = tokio::spawn(driver(&context, quick()).run(broker.clone()));
        settle().await;
        // One record that nobody has: as after damage whose owner was taken for another source.
        let mut reader = context.journal.reader(SinkId(0));
        let mut cursor = reader.rewind();
        cursor.sources[0].count -= 1;
        reader.forget(cursor);
        context.stop.drain();
        let outcome = timeout(Duration::from_secs(5), running).await.expect("does not stop").unwrap();
        assert!(matches!(outcome, Outcome::Undelivered(1) | Outcome::Drained), "{outcome:?}");
    });
}

#[test]
fn a_hard_stop_ends_whatever_hangs() {
    for does in [Does::HangOpen, Does::HangSend, Does::Refuse, Does::Trouble] {
        isolated(move || async move {
            let (context, broker) = (in_memory(), Broker::new(does));
            append(&context, 10);
            let running = tokio::spawn(driver(&context, quick()).run(broker.clone()));
            broker.tried(1).await;
            context.stop.drain();
            let at = Instant::now();
            context.stop.at_once();
            assert_eq!(running.await.unwrap(), Outcome::Undelivered(10), "{does:?}");
            assert!(at.elapsed() < Duration::from_secs(2), "{does:?}");
        });
    }
}

#[test]
fn a_hard_stop_ends_a_driver_whose_disk_does_not_answer() {
    // Reading takes real time here.
    run_on(tokio::runtime::Builder::new_multi_thread().enable_all().build(), || async {
        let (disk, broker) = (disk(), Broker::new(Does::Work));
        let mut context = on(&disk);
        append(&context, 10);
        context.stop.drain();
        assert_eq!(driver(&context, quick()).run(broker.clone()).await, Outcome::Drained);
        context.stop = Stop::default();
        broker.set(Does::Forget);
        disk.hang_reads(true);
        append(&context, 10);
        let running = tokio::spawn(driver(&context, quick()).run(broker.clone()));
        broker.tried(2).await;
        context.stop.at_once();
        let outcome = timeout(Duration::from_secs(5), running).await.expect("does not stop").unwrap();
        assert_eq!(outcome, Outcome::Undelivered(10));
        disk.hang_reads(false);
    });
}

#[test]
fn a_stop_during_a_backoff_tries_once_more_and_delivers() {
    isolated(|| async {
        let (context, broker) = (on(&disk()), Broker::new(Does::Refuse));
        append(&context, 10);
        let running = tokio::spawn(driver(&context, never()).run(broker.clone()));
        broker.tried(1).await;
        settle().await;
        broker.set(Does::Work);
        context.stop.drain();
        assert_eq!(running.await.unwrap(), Outcome::Drained);
        assert_eq!((broker.attempts(), broker.stored()), (2, 10));
    });
}

#[test]
fn a_stop_does_not_wait_to_deliver_records_on_disk() {
    for does in [Does::Refuse, Does::HangOpen, Does::Trouble] {
        isolated(move || async move {
            let (context, broker) = (on(&disk()), Broker::new(does));
            append(&context, 10);
            let running = tokio::spawn(driver(&context, never()).run(broker.clone()));
            broker.tried(1).await;
            settle().await;
            let at = Instant::now();
            context.stop.drain();
            assert_eq!(running.await.unwrap(), Outcome::Undelivered(10), "{does:?}");
            assert!(at.elapsed() < Duration::from_secs(5), "{does:?}: {:?}", at.elapsed());
            assert!(broker.attempts() <= 2, "{does:?}: {}", broker.attempts());
        });
    }
}

#[test]
fn disk_failures_are_retried_until_the_drain_ends() {
    let disk = disk();
    let context = on(&disk);
    append(&context, 10);
    disk.set(Faults { writes: Writes::Space(0), ..Faults::default() });
    append(&context, 10);
    assert!(!context.journal.is_durable());
    isolated(move || async move {
        let broker = Broker::new(Does::Refuse);
        let running = tokio::spawn(driver(&context, quick()).run(broker.clone()));
        broker.tried(1).await;
        context.stop.drain();
        sleep(Duration::from_secs(8)).await;
        assert!(broker.attempts() > 10, "{}", broker.attempts());
        broker.set(Does::Work);
        assert_eq!(running.await.unwrap(), Outcome::Drained);
        assert_eq!(broker.stored(), 20);
    });
}

#[test]
fn only_what_a_disk_refused_is_at_risk() {
    let disk = disk();
    let context = on(&disk);
    append(&context, 10);
    assert_eq!((context.journal.is_durable(), context.journal.at_risk(SinkId(0))), (true, None));
    disk.set(Faults { writes: Writes::Space(0), ..Faults::default() });
    append(&context, 7);
    let (reason, count) = context.journal.at_risk(SinkId(0)).unwrap();
    assert!(reason.contains("No space left"), "{reason}");
    assert_eq!((context.journal.is_durable(), count), (false, 7));
    disk.set(Faults::default());
    context.journal.sync();
    assert_eq!((context.journal.is_durable(), context.journal.at_risk(SinkId(0))), (true, None));
}
