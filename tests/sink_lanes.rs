//! A sink whose sources are spread over several lanes: each lane ends wherever its broker was when the link broke, and
//! the next link goes on right after each end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use cti_bridge::{
    event::{JournalId, Mark, Notice, Position, Seq, SourceId},
    health::{Board, State},
    journal::{
        Journal,
        config::{self, Disk, WhenFull},
        fs,
    },
    retry::Range,
    route::{Plan, template::Template},
    shutdown::Stop,
    sink::{
        Acked, Context, Driver, LaneEnd, Link, Options, Outcome, Outgoing, Sink, SinkError, Stored, Tail,
    },
};

/// Two of them share a lane.
const SOURCES: [&str; 4] = ["a", "b", "c", "d"];
const LANES: usize = 3;

fn lane(source: &str) -> usize {
    SOURCES.iter().position(|it| *it == source).unwrap() % LANES
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    source: String,
    journal: JournalId,
    seq: Seq,
    prev: Seq,
    what: String,
}

/// What the broker's lanes hold.
type Lanes = Arc<Mutex<[Vec<Kept>; LANES]>>;

/// A broker whose links break after so many records; none: they hold.
#[derive(Clone)]
struct Broker {
    lanes: Lanes,
    breaks: Arc<dyn Fn() -> Option<usize> + Send + Sync>,
}

struct Connection {
    lanes: Lanes,
    left: Option<usize>,
    acked: VecDeque<Position>,
}

impl Sink for Broker {
    type Link = Connection;

    async fn open(&self) -> Result<(Connection, Tail), SinkError> {
        let ends = |(index, kept): (usize, &Vec<Kept>)| LaneEnd {
            sources: SOURCES.iter().filter(|it| lane(it) == index).map(|it| (*it).to_owned()).collect(),
            newest: kept.last().map(|kept| Stored {
                source: kept.source.clone(),
                journal: kept.journal,
                seq: kept.seq,
            }),
        };
        let tail = Tail::Lanes(self.lanes.lock().unwrap().iter().enumerate().map(ends).collect());
        let (lanes, left) = (Arc::clone(&self.lanes), (self.breaks)());
        Ok((Connection { lanes, left, acked: VecDeque::new() }, tail))
    }
}

impl Link for Connection {
    /// A link that breaks leaves each lane with a beginning of its share, and acknowledges nothing of it.
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        let breaks = self.left.is_some_and(|left| left < batch.len());
        let mut shares: BTreeMap<usize, Vec<Kept>> = BTreeMap::new();
        for outgoing in batch {
            let Mark::Numbered { seq, prev } = outgoing.event.mark else { continue };
            let source = outgoing.names.source_name().to_owned();
            let kept = Kept {
                journal: outgoing.event.journal,
                seq,
                prev,
                what: outgoing.names.ty.clone(),
                source: source.clone(),
            };
            shares.entry(lane(&source)).or_default().push(kept);
        }
        for (lane, share) in shares {
            let stored = if breaks { fastrand::usize(..=share.len()) } else { share.len() };
            self.lanes.lock().unwrap()[lane].extend(share.into_iter().take(stored));
        }
        if breaks {
            return Err(SinkError::Again("cut".to_owned()));
        }
        self.left = self.left.map(|left| left - batch.len());
        self.acked.extend(batch.iter().filter_map(|outgoing| outgoing.position));
        Ok(())
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        // Answers come late, or never.
        match self.acked.pop_front() {
            Some(through) => Ok(Acked { through, refused: None }),
            None => std::future::pending().await,
        }
    }

    async fn close(self) {}
}

struct Bench {
    context: Context,
    lanes: Lanes,
}

impl Bench {
    fn new(journal: Journal) -> Self {
        let context = Context {
            instance: "test".into(),
            sources: journal.sources(),
            journal,
            sinks: Arc::new(["sink".to_owned()]),
            board: Board::default(),
            stop: Stop::default(),
            limit: None,
            retain: Duration::from_mins(15),
            opened: tokio::sync::watch::Sender::new(0),
        };
        Self { context, lanes: Lanes::default() }
    }

    fn append(&self, count: usize) {
        for _ in 0..count {
            let source = SourceId(u16::try_from(fastrand::usize(..SOURCES.len())).unwrap());
            let reason = "x".to_owned();
            let told = Notice::AuthFailed { reason, operator: false, failures: 1, slow: false, retry_in: 5 };
            self.context.journal.notice(source, &told);
        }
    }

    fn driver(&self) -> Driver {
        let plan =
            Plan::new(self.context.journal.id(), Arc::clone(&self.context.sources), Template::default());
        let backoff = Range { from: Duration::from_millis(1), to: Duration::from_millis(2) };
        let options = Options {
            heartbeat: None,
            backoff,
            window: 64,
            batch: 16,
            retain: Duration::from_mins(15),
            ..Options::default()
        };
        Driver::new(&self.context, 0, plan, options)
    }

    fn broker(&self, breaks: impl Fn() -> Option<usize> + Send + Sync + 'static) -> Broker {
        Broker { lanes: Arc::clone(&self.lanes), breaks: Arc::new(breaks) }
    }

    /// Delivers all there is, over links that break or not.
    async fn drain(&mut self, breaks: impl Fn() -> Option<usize> + Send + Sync + 'static) {
        let sink = self.broker(breaks);
        let deadline = std::time::Instant::now() + Duration::from_mins(1);
        loop {
            assert!(std::time::Instant::now() < deadline, "it never ends");
            self.context.stop = Stop::default();
            self.context.stop.drain();
            match self.driver().run(sink.clone()).await {
                Outcome::Drained => return,
                // What waits on a disk is left there when a link breaks during a stop.
                Outcome::Undelivered(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Each source once, in order, without a hole by its `ctiprev`.
    fn is_whole(&self) {
        let mut newest: BTreeMap<String, Seq> = BTreeMap::new();
        for kept in self.lanes.lock().unwrap().iter().flatten() {
            let last = newest.insert(kept.source.clone(), kept.seq).unwrap_or(Seq(0));
            assert_eq!(kept.prev, last, "{kept:?}");
            assert!(kept.seq > last, "{kept:?}");
        }
        let counts = (0..4).map(|source| self.context.journal.ledger(0, SourceId(source)));
        let (published, pending) = counts.fold((0, 0), |(published, pending), (ledger, waiting)| {
            assert_eq!(ledger.received, ledger.settled() + waiting, "{ledger:?}");
            (published + ledger.published, pending + waiting)
        });
        let stored = self.lanes.lock().unwrap().iter().map(Vec::len).sum::<usize>();
        assert_eq!((published, pending), (stored as u64, 0));
    }
}

fn memory() -> Journal {
    Journal::memory(64 << 20, &SOURCES.map(str::to_owned), &["sink".to_owned()])
}

#[tokio::test]
async fn links_that_break_while_the_lanes_are_uneven_store_everything_once() {
    for seed in 0..40 {
        fastrand::seed(seed);
        let mut bench = Bench::new(memory());
        for _ in 0..4 {
            bench.append(200);
            bench.drain(|| (fastrand::u8(..10) > 0).then(|| fastrand::usize(..100))).await;
            bench.is_whole();
        }
        assert_eq!(bench.lanes.lock().unwrap().iter().map(Vec::len).sum::<usize>(), 800, "seed {seed}");
    }
}

#[tokio::test]
async fn a_lane_that_another_journal_wrote_is_refused_though_the_others_are_ours() {
    let mut bench = Bench::new(memory());
    bench.append(100);
    bench.drain(|| None).await;
    bench.lanes.lock().unwrap()[1].last_mut().unwrap().journal = JournalId::draw();
    bench.context.stop = Stop::default();
    let running = tokio::spawn(bench.driver().run(bench.broker(|| None)));
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    let told = loop {
        let state = bench.context.board.snapshot().remove("sink/sink").map(|health| health.state);
        if let Some(State::Failing { reason }) = state {
            break reason;
        }
        assert!(std::time::Instant::now() < deadline, "nothing is said");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(told.contains("was last written by the journal"), "{told}");
    running.abort();
}

fn on_disk(dir: &std::path::Path) -> Journal {
    let config = Disk {
        dir: dir.to_owned(),
        sync: config::Sync::Every(Duration::from_millis(20)),
        max_bytes: Some(1 << 30),
        max_age: None,
        when_full: WhenFull::DropOldest,
        name_quota: 100,
        retain: Duration::from_hours(1),
        memory: 64 << 20,
    };
    let health = Board::default().component("journal".to_owned());
    let opened =
        Journal::open(&config, Arc::new(fs::Disk), &SOURCES.map(str::to_owned), &["sink".to_owned()], health);
    opened.unwrap().0
}

/// Takes the newest records of a lane away, as a broker does that lost what it had not synced.
fn forget(bench: &Bench, lane: usize, count: usize) -> Vec<Kept> {
    let mut lanes = bench.lanes.lock().unwrap();
    let at = lanes[lane].len().saturating_sub(count);
    lanes[lane].split_off(at)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_forgot_gets_it_again_and_the_others_nothing_twice() {
    for seed in 0..10 {
        fastrand::seed(seed);
        let dir = tempfile::tempdir().unwrap();
        let mut bench = Bench::new(on_disk(dir.path()));
        bench.append(300);
        bench.drain(|| None).await;
        for (lane, count) in [(0, 1), (1, 17), (2, usize::MAX)] {
            let forgotten = forget(&bench, lane, count);
            assert!(!forgotten.is_empty());
            bench.drain(|| Some(fastrand::usize(1..200))).await;
            // The notice that tells of it comes after.
            bench.drain(|| None).await;
            let lanes = bench.lanes.lock().unwrap().clone();
            let told = lanes.iter().flatten().filter(|kept| kept.what == "cti.bridge.rewound.v1").count();
            assert!(told > 0, "nothing is said of lane {lane}");
            for kept in &forgotten {
                assert_eq!(
                    lanes[lane].iter().filter(|it| it.seq == kept.seq && it.source == kept.source).count(),
                    1,
                    "{kept:?}"
                );
            }
            bench.is_whole();
        }
    }
}
