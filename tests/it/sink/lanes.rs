//! A sink with several lanes: each ends wherever its broker was when the link broke, and the next link goes on right after
//! each end. Whether each source has a lane, or is spread over all by entity, with what the bridge says itself in each.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cti_bridge::{
    event::{JournalId, SinkId, SourceId},
    health::State,
    route::{Names, Rules},
    shutdown::Stop,
    sink::{Acked, Link, Outcome, Outgoing, Partitions, Sink, SinkError, Tail},
};

use crate::support::{
    config::{GOOD, Place},
    lanes::{Bench, Broker, By, Connection, Kept, by, forget, keeping, memory, on_disk},
    wait::until,
};

#[tokio::test]
async fn broken_links_with_uneven_partitions_store_everything_once() {
    for seed in 0..80 {
        fastrand::seed(seed);
        let mut bench = Bench::new(by(seed), memory());
        for _ in 0..4 {
            bench.append(200);
            bench.drain(|| (fastrand::u8(..10) > 0).then(|| fastrand::usize(..100))).await;
            bench.is_whole();
        }
        assert_eq!(bench.received(), 4 * 2 + 800, "seed {seed}");
    }
}

/// Drops extension 200, which most events are of.
fn rules() -> Rules {
    let text = "[[sinks.bus.routes]]\nmatch = { entity = \"extension/200\" }\ndrop = true\n";
    let config = Place::new(&format!("{}{text}", GOOD.replace("\"nats\"", "\"stdout\""))).good().config;
    Rules { routes: config.sinks["bus"].routes.clone(), ..Rules::default() }
}

#[tokio::test]
async fn dropped_events_leave_no_hole_in_any_partition() {
    for seed in 0..20 {
        fastrand::seed(seed);
        let dir = tempfile::tempdir().unwrap();
        let mut bench = Bench::new(by(seed), on_disk(dir.path()));
        bench.rules = rules();
        for _ in 0..3 {
            bench.append(200);
            bench.drain(|| (fastrand::u8(..10) > 0).then(|| fastrand::usize(..100))).await;
            bench.is_whole();
            bench = bench.reopened(|| on_disk(dir.path()));
        }
        let lanes = bench.lanes.lock().unwrap();
        let dropped = |kept: &&Kept| kept.subject.as_deref() == Some("extension/200");
        assert_eq!(lanes.iter().flatten().filter(dropped).count(), 0);
        let filtered = |source| bench.context.journal.ledger(SinkId(0), SourceId(source)).0.filtered;
        assert!((0..4).map(filtered).sum::<u64>() > 200, "seed {seed}");
    }
}

/// The reason that the sink fails for.
async fn failing(bench: &Bench) -> String {
    let mut reason = None;
    until("nothing is said", || {
        let state = bench.context.board.snapshot().remove("sink/sink").map(|health| health.state);
        if let Some(State::Failing { reason: told }) = state {
            reason = Some(told);
        }
        reason.is_some()
    })
    .await;
    reason.unwrap()
}

#[tokio::test]
async fn one_partition_of_another_journal_is_enough_to_reject() {
    let mut bench = Bench::new(By::Entity, memory());
    bench.append(100);
    bench.drain(|| None).await;
    bench.lanes.lock().unwrap()[1].last_mut().unwrap().journal = JournalId::draw();
    bench.context.stop = Stop::default();
    let running = tokio::spawn(bench.driver().run(bench.broker(|| None)));
    let told = failing(&bench).await;
    assert!(told.contains("was last written by the journal"), "{told}");
    running.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_lost_events_gets_them_again() {
    for seed in 0..20 {
        fastrand::seed(seed);
        let dir = tempfile::tempdir().unwrap();
        let mut bench = Bench::new(by(seed), on_disk(dir.path()));
        if seed >= 10 {
            bench.rules = rules();
        }
        bench.append(300);
        bench.drain(|| None).await;
        for (lane, count) in [(0, 1), (1, 17), (2, usize::MAX)] {
            let forgotten = forget(&bench, lane, count);
            assert!(!forgotten.is_empty());
            // What each lane had is known to the next process too.
            bench = bench.reopened(|| on_disk(dir.path()));
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

/// What the journal no longer has can't be sent again: it is counted and announced.
#[tokio::test(flavor = "multi_thread")]
async fn losses_the_journal_cannot_replay_are_announced() {
    for seed in 0..8 {
        fastrand::seed(seed);
        let dir = tempfile::tempdir().unwrap();
        let mut bench = Bench::new(by(seed), keeping(dir.path(), Duration::ZERO));
        bench.append(300);
        bench.drain(|| None).await;
        let mut bench = bench.reopened(|| keeping(dir.path(), Duration::ZERO));
        // Every start begins a segment: with this the first one has been delivered, and goes.
        bench.drain(|| None).await;
        let before = bench.lanes.lock().unwrap()[1].len();
        bench.append(100);
        bench.drain(|| None).await;
        bench.context.journal.sync();
        let length = bench.lanes.lock().unwrap()[1].len();
        let forgotten = forget(&bench, 1, length - before + 40);
        bench.drain(|| Some(fastrand::usize(1..200))).await;
        bench.drain(|| None).await;
        let lanes = bench.lanes.lock().unwrap().clone();
        let (gone, back): (Vec<_>, Vec<_>) = forgotten
            .iter()
            .partition(|kept| !lanes[1].iter().any(|it| (&it.source, it.seq) == (&kept.source, kept.seq)));
        assert!(!gone.is_empty() && back.len() >= length - before, "{} and {}", gone.len(), back.len());
        let lost =
            |source| bench.context.journal.ledger(SinkId(0), SourceId(source)).0.lost.values().sum::<u64>();
        assert!((0..4).map(lost).sum::<u64>() >= gone.len() as u64);
        for source in gone.iter().map(|kept| &kept.source) {
            let told =
                lanes.iter().flatten().any(|it| it.source == *source && it.what == "cti.bridge.lost.v1");
            assert!(told, "seed {seed}: nothing is said of {source}");
        }
    }
}

/// As Kafka takes what a dead producer had sent behind what its successor sent: it is older than the lane's newest.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_record_is_not_taken_for_the_end() {
    for seed in 0..20 {
        fastrand::seed(seed);
        let dir = tempfile::tempdir().unwrap();
        let mut bench = Bench::new(by(seed), on_disk(dir.path()));
        bench.append(300);
        bench.drain(|| None).await;
        let mut late = bench.lanes.lock().unwrap().clone();
        for (lane, late) in bench.lanes.lock().unwrap().iter_mut().zip(&mut late) {
            *late = late.split_off(late.len() - fastrand::usize(1..60));
            late.truncate(fastrand::usize(1..=late.len()));
            lane.append(&mut late.clone());
        }
        bench.append(100);
        bench.drain(|| Some(fastrand::usize(1..200))).await;
        for (lane, late) in bench.lanes.lock().unwrap().iter_mut().zip(&late) {
            assert!(lane.iter().all(|kept| kept.what != "cti.bridge.rewound.v1"), "seed {seed}");
            for late in late {
                let last = lane.iter().rposition(|kept| kept == late).unwrap();
                lane.remove(last);
            }
        }
        bench.is_whole();
    }
}

/// A broker that is away, with a link that mends itself.
struct Away(Broker, Arc<AtomicBool>);

struct Patient(Connection, Arc<AtomicBool>);

impl Sink for Away {
    type Link = Patient;

    async fn open(&self) -> Result<(Patient, Tail), SinkError> {
        let (link, tail) = self.0.open().await?;
        Ok((Patient(link, Arc::clone(&self.1)), tail))
    }
}

impl Link for Patient {
    fn partitions(&self, names: &Names) -> Partitions {
        self.0.partitions(names)
    }

    fn trouble(&self) -> Option<SinkError> {
        self.1.load(Ordering::Relaxed).then(|| SinkError::Again("away".into()))
    }

    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        self.0.send(batch).await
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        while self.trouble().is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.0.acked().await
    }

    async fn close(self) {}
}

/// It is asked how it does every second only, and a stop can come in between.
#[tokio::test]
async fn a_stop_after_an_outage_delivers_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(By::Entity, on_disk(dir.path()));
    bench.append(100);
    let away = Arc::new(AtomicBool::new(true));
    let running = tokio::spawn(bench.driver().run(Away(bench.broker(|| None), Arc::clone(&away))));
    assert_eq!(failing(&bench).await, "away");
    away.store(false, Ordering::Relaxed);
    let context = bench.context.clone();
    let waits = |source| context.journal.ledger(SinkId(0), SourceId(source)).1 > 0;
    until("nothing is delivered", || !(0..4).any(waits)).await;
    bench.append(100);
    bench.context.stop.drain();
    assert_eq!(running.await.unwrap(), Outcome::Drained);
    bench.is_whole();
}
