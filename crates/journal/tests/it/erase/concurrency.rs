//! Erasure together with appends, readers and compaction.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use event::{Body, Record, SinkId};
use journal::{Options, Sync};

use journal_kit::{RUNTIME, adds_up, begin, disk, open, read, settle};

use super::{NUMBER, call, deliver, erase, fill, is_planted, outcome, planted, small, traces, update};

#[test]
fn appends_and_readers_go_on_during_an_erasure() {
    let disk = disk();
    let options = Options { sync: Sync::Every(Duration::from_millis(5)), ..small() };
    let (journal, _) = open(&disk, &Options { max_bytes: Some(64 << 20), ..options });
    let (is_over, deadline) = (AtomicBool::new(false), Instant::now() + Duration::from_mins(1));
    let received = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut reader = journal.reader(SinkId(0));
            let mut all: Vec<Record> = Vec::new();
            while !(is_over.load(Ordering::Acquire) && reader.is_drained()) {
                assert!(Instant::now() < deadline, "stalled after {}", all.len());
                let mut batch = Vec::new();
                RUNTIME.block_on(reader.read(17, &mut batch));
                settle(&mut reader, &batch);
                all.extend(batch);
            }
            all
        });
        let erasing = scope.spawn(|| {
            let mut count = 0;
            while !is_over.load(Ordering::Acquire) {
                count += erase(&journal).records.iter().sum::<u64>();
            }
            count
        });
        fill(&journal, 3_000, 3_000);
        is_over.store(true, Ordering::Release);
        assert!(erasing.join().unwrap() > 0);
        reading.join().unwrap()
    });
    erase(&journal);
    assert_eq!(traces(&disk), Vec::<PathBuf>::new());
    assert!(received.windows(2).all(|pair| pair[0].position < pair[1].position), "none comes twice");
    let events = |is_meant: bool| {
        received.iter().filter(|it| matches!(it.body, Body::Event(_)) && is_planted(it) == is_meant).count()
            as u64
    };
    assert_eq!(events(false), 2_000);
    let filtered = 1_000 - events(true);
    assert_eq!(outcome(&journal, SinkId(0)), [received.len() as u64, filtered, 0]);
    assert_eq!(journal.stats().sinks[0].erased, filtered);
    let rest = deliver(&mut journal.reader(SinkId(1)));
    assert_eq!(planted(&rest), 0);
    assert_eq!(outcome(&journal, SinkId(1)), [rest.len() as u64, 1_000, 0]);
    adds_up(&journal);
}

/// Compaction rewrites, joins and drops the segments meanwhile.
#[test]
fn erasure_and_compaction_get_along() {
    let disk = disk();
    let options = Options { sync: Sync::Every(Duration::from_millis(1)), memory: 64 << 10, ..small() };
    let (journal, _) = open(&disk, &options);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let erasing = scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                erase(&journal);
            }
        });
        let mut live = begin(&journal, "a");
        for n in 0..3_000 {
            let (exten, number) = ((n % 37).to_string(), if n % 3 == 0 { NUMBER } else { "201" });
            // Some pass without compaction, so that the oldest are dropped.
            let is_state = n % 500 < 400;
            let mut event = update(&exten, number, n, 3_000);
            event.argc = if is_state { 1 } else { 2 };
            live.event(event);
            live.commit();
            if n % 100 == 0 {
                RUNTIME.block_on(live.synced());
            }
        }
        is_over.store(true, Ordering::Release);
        erasing.join().unwrap();
    });
    erase(&journal);
    assert_eq!(traces(&disk), Vec::<PathBuf>::new());
    for sink in [SinkId(0), SinkId(1)] {
        let records = deliver(&mut journal.reader(sink));
        assert_eq!(planted(&records), 0);
        let [published, filtered, lost] = outcome(&journal, sink);
        assert_eq!(
            (published, published + filtered + lost),
            (records.len() as u64, 3_000 + 3),
            "gap, connected, disconnected"
        );
        assert!(filtered > 0 && lost > 0, "{filtered} {lost}");
    }
}

#[test]
fn an_event_after_an_erasure_counts_as_changed() {
    let disk = disk();
    let (journal, _) = open(&disk, &small());
    journal.track_changes(true);
    let mut live = begin(&journal, "a");
    for _ in 0..2 {
        live.event(call(NUMBER, 1, 0));
        live.commit();
    }
    erase(&journal);
    for _ in 0..2 {
        live.event(call(NUMBER, 1, 0));
        live.commit();
    }
    let records = read(&mut journal.reader(SinkId(0)));
    let marks: Vec<bool> = records.iter().filter(|it| is_planted(it)).map(|it| it.unchanged).collect();
    assert_eq!(marks, [false, true]);
}

/// An erased event supersedes nothing.
#[test]
fn the_state_before_an_erased_one_survives_compaction() {
    let disk = disk();
    let (journal, _) = open(&disk, &Options { memory: 64 << 10, ..small() });
    let mut live = begin(&journal, "a");
    let mut append = |exten: &str, number: &str| {
        live.event(update(exten, number, 1, 5_000));
        live.commit();
    };
    append("kept", "201");
    (0..11).for_each(|n| append(&format!("first {n}"), "201"));
    append("kept", NUMBER);
    for _ in 0..150 {
        append("busy", "201");
        journal.sync();
    }
    assert_eq!(erase(&journal).records, [1]);
    for n in 0..150 {
        append(&format!("last {n}"), "201");
        journal.sync();
    }
    let records = read(&mut journal.reader(SinkId(0)));
    let count = |exten: &str| {
        let meant = |record: &&Record| matches!(&record.body, Body::Event(event) if memchr::memmem::find(&event.bytes, exten.as_bytes()).is_some());
        records.iter().filter(meant).count()
    };
    assert_eq!((count("kept"), count("first"), count("last")), (1, 11, 150));
    assert!(count("busy") < 10, "{} are left", count("busy"));
}
