//! Whose tail is it? What a broker's lanes end with, against a journal that may be a copy, put back from a backup, or hard
//! to read.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use cti_bridge::{
    event::{Seq, SinkId, SourceId},
    health::State,
    shutdown::Stop,
};
use jiff::{SignedDuration, Timestamp};

use crate::support::{
    lanes::{Bench, By, Kept, LANES, forget, keeping, on_disk, opened},
    wait::until,
};
use journal_kit::faulty_fs::{Faults, FaultyFs};

const WAYS: [By; 3] = [By::Nothing, By::Source, By::Entity];

/// What the driver says when it can't go on; it has stored nothing until then.
async fn refused(bench: &mut Bench) -> String {
    let before = bench.lanes.lock().unwrap().clone();
    bench.context.stop = Stop::default();
    let running = tokio::spawn(bench.driver().run(bench.broker(|| None)));
    let mut reason = None;
    until("nothing is said", || {
        let state = bench.context.board.snapshot().remove("sink/sink").map(|health| health.state);
        if let Some(State::Failing { reason: told }) = state {
            reason = Some(told);
        }
        reason.is_some()
    })
    .await;
    running.abort();
    let _ = running.await;
    assert_eq!(*bench.lanes.lock().unwrap(), before, "it wrote all the same");
    reason.unwrap()
}

/// Of all sources: published, and waiting.
fn counts(bench: &Bench) -> (u64, u64) {
    let all = (0..4).map(|source| bench.context.journal.ledger(SinkId(0), SourceId(source)));
    all.fold((0, 0), |(published, waiting), (ledger, pending)| {
        (published + ledger.published, waiting + pending)
    })
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(path, target).unwrap();
        }
    }
}

/// Every event once in each lane it belongs to, in order, and no hole by its `ctiprev`.
fn is_in_order(bench: &Bench) {
    let mut stored: BTreeMap<(String, Seq), usize> = BTreeMap::new();
    let mut everywhere = BTreeSet::new();
    for lane in bench.lanes.lock().unwrap().iter() {
        let mut newest: BTreeMap<&str, Seq> = BTreeMap::new();
        for kept in lane {
            let last = newest.insert(&kept.source, kept.seq).unwrap_or_default();
            assert!(kept.seq > last, "twice, or out of order: {kept:?} after {last:?}");
            assert!(kept.prev <= last, "a hole before {kept:?}, after {last:?}");
            let id = (kept.source.clone(), kept.seq);
            if bench.by == By::Entity && kept.subject.is_none() {
                everywhere.insert(id.clone());
            }
            *stored.entry(id).or_default() += 1;
        }
    }
    for (id, count) in &stored {
        assert_eq!(*count, if everywhere.contains(id) { LANES } else { 1 }, "{id:?}");
    }
}

/// The highest number of any source.
fn newest(bench: &Bench) -> u64 {
    (0..4).map(|source| bench.context.journal.newest(SourceId(source)).0.0).max().unwrap()
}

/// How many different events the lanes hold.
fn stored(bench: &Bench) -> usize {
    let lanes = bench.lanes.lock().unwrap();
    lanes.iter().flatten().map(|kept| (&kept.source, kept.seq)).collect::<BTreeSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_journal_repeats_and_loses_nothing() {
    for (seed, by) in (0..24).zip(WAYS.into_iter().cycle()) {
        fastrand::seed(seed);
        let (dir, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut bench = Bench::new(by, on_disk(dir.path()));
        bench.append(200);
        bench.drain(|| None).await;
        bench.context.journal.sync();
        // What waits in the backup is delivered later, by the process that goes on, or by its successor.
        bench.append(60);
        copy(dir.path(), backup.path());
        if seed % 2 == 0 {
            bench = bench.reopened(|| on_disk(dir.path()));
        }
        bench.append(40);
        bench.drain(|| None).await;
        let before = stored(&bench);
        let newest = newest(&bench);
        let mut bench = bench.reopened(|| {
            // A backup is not put back within a moment of the start: numbers follow the clock.
            while u64::try_from(Timestamp::now().as_microsecond()).unwrap() < newest + (1 << 17) {
                std::thread::yield_now();
            }
            std::fs::remove_dir_all(dir.path()).unwrap();
            copy(backup.path(), dir.path());
            on_disk(dir.path())
        });
        // What this process has appended is not there, whatever the end is; and links break before the first answer.
        bench.append(50);
        bench.drain(|| (fastrand::u8(..4) > 0).then(|| fastrand::usize(..40))).await;
        is_in_order(&bench);
        // A gap and a notice of the session for each source.
        assert_eq!(stored(&bench), before + 50 + 8, "seed {seed}");
        assert_eq!(counts(&bench).1, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_beside_the_running_one_is_rejected() {
    for by in WAYS {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut bench = Bench::new(by, on_disk(dir.path()));
        bench.append(100);
        bench.drain(|| None).await;
        bench.append(20);
        bench.context.journal.sync();
        copy(dir.path(), other.path());
        bench.append(20);
        bench.drain(|| None).await;
        let mut twin = Bench::new(by, on_disk(other.path()));
        (twin.lanes, twin.rival) = (bench.lanes.clone(), bench.rival.clone());
        *twin.rival.lock().unwrap() = Some("it grows".to_owned());
        twin.append(30);
        let before = counts(&twin);
        let told = refused(&mut twin).await;
        for part in ["two bridges", "cti-bridge journal rename", "it grows", "instance", "adopt = "] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert_eq!(counts(&twin), before);
        bench.append(20);
        bench.drain(|| None).await;
        bench.is_whole();

        // Nobody else writes any more: the twin goes on. Now it is the first one that is refused.
        *twin.rival.lock().unwrap() = None;
        twin.drain(|| None).await;
        is_in_order(&twin);
        assert_eq!(counts(&twin).1, 0);
        bench.append(1);
        let told = refused(&mut bench).await;
        assert!(told.contains("two bridges"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_number_is_rejected_and_moves_no_cursor() {
    for by in WAYS {
        let dir = tempfile::tempdir().unwrap();
        let mut bench = Bench::new(by, on_disk(dir.path()));
        bench.append(100);
        bench.drain(|| None).await;
        for forged in [Some(u64::MAX), Some(u64::MAX - 1), None] {
            // The next one that is to be given, too.
            let forged = forged.unwrap_or_else(|| bench.context.journal.newest(SourceId(0)).0.0 + 1);
            let last = bench.lanes.lock().unwrap()[0].last().unwrap().clone();
            let fake = Kept { seq: Seq(forged), source: "a".to_owned(), ..last };
            bench.lanes.lock().unwrap()[0].push(fake);
            bench.append(1);
            let told = refused(&mut bench).await;
            assert!(told.contains(&format!("-{forged} (#1)")) && told.contains("adopt = \"#1\""), "{told}");
            forget(&bench, 0, 1);
            let next = |source| bench.context.journal.newest(SourceId(source)).0;
            assert!((0..4).all(|source| next(source) < Seq(u64::MAX / 2)), "numbers went on above it");
            bench.drain(|| None).await;
        }
        bench.is_whole();
    }
}

/// By the record, and by the cursor's note when the record is gone.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_our_number_that_is_another_one_is_refused() {
    for by in WAYS {
        for retain in [Duration::from_hours(1), Duration::ZERO] {
            let dir = tempfile::tempdir().unwrap();
            let mut bench = Bench::new(by, keeping(dir.path(), retain));
            bench.append(100);
            bench.drain(|| None).await;
            let mut bench = bench.reopened(|| keeping(dir.path(), retain));
            bench.context.journal.sync();
            let lane = bench.lanes.lock().unwrap().iter().position(|lane| !lane.is_empty()).unwrap();
            let ours = bench.lanes.lock().unwrap()[lane].last().unwrap().clone();
            let later = ours.time + SignedDuration::from_micros(1);
            let others = [
                Kept { time: later, ..ours.clone() },
                Kept { what: "cti.event.x.v1".to_owned(), ..ours.clone() },
            ];
            for other in others {
                *bench.lanes.lock().unwrap()[lane].last_mut().unwrap() = other;
                let told = refused(&mut bench).await;
                assert!(told.contains("two bridges"), "{told}");
            }
            *bench.lanes.lock().unwrap()[lane].last_mut().unwrap() = ours;
            bench.drain(|| None).await;
            is_in_order(&bench);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_journal_settles_nothing_unsent() {
    for by in WAYS {
        let dir = Path::new("/journal");
        let disk = FaultyFs::new(3, dir);
        let open = |disk: &FaultyFs| opened(dir, Duration::from_hours(1), disk.process());
        let mut bench = Bench::new(by, open(&disk));
        bench.append(100);
        bench.drain(|| None).await;
        bench.append(100);
        bench.context.journal.sync();
        let Bench { lanes, .. } = bench;
        disk.crash();
        let mut bench = Bench { lanes, ..Bench::new(by, open(&disk)) };
        // The broker has lost a little, so that the end has to be searched for.
        forget(&bench, 0, 3);
        let before = counts(&bench);
        disk.set(Faults { reads_fail: true, ..Faults::default() });
        let told = refused(&mut bench).await;
        let id = bench.context.journal.id();
        assert!(told.contains(&format!("can't read the journal {id}")), "{told}");
        assert_eq!(counts(&bench), before);
        disk.set(Faults::default());
        bench.drain(|| None).await;
        bench.drain(|| None).await;
        assert_eq!(counts(&bench).1, 0);
        is_in_order(&bench);
        assert!(stored(&bench) >= 200, "{}", stored(&bench));
    }
}
