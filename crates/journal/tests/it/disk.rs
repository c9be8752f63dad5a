//! The journal on disk: shutdown, crash and bounds.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use event::{Body, EndReason, LossReason, RawEvent, Seq, SinkId};
use jiff::Timestamp;
use journal::{Journal, OpenError, Options, Unmonitored, WhenFull, fs};

use journal_kit::{
    RUNTIME, adds_up, announced, begin, close, config, contents, disk, events,
    faulty_fs::{Faults, Writes},
    frame, id, names, notice_of, open, open_as, read, segments, settle,
};

#[test]
fn a_stop_and_a_crash_lose_nothing_and_numbers_continue() {
    let disk = disk();
    let mut last: Option<(Seq, String)> = None;
    let mut undelivered = Vec::new();
    for round in 0..6 {
        let (journal, notes) = open(&disk, &config());
        assert_eq!(notes, Vec::<String>::new(), "round {round}");
        let mut reader = journal.reader(SinkId(0));
        let before = read(&mut reader);
        assert_eq!(contents(&before), contents(&undelivered), "round {round}");
        let mut live = begin(&journal, "a");
        events(&mut live, "e", 20, 100);
        let new = read(&mut reader);
        let (what, gap) = notice_of(&new[0]);
        assert_eq!(what, "gap");
        let reason = if round == 0 { "started" } else { ["restarted", "crashed"][(round + 1) % 2] };
        assert_eq!((&gap["reason"], &gap["certain"]), (&reason.into(), &false.into()), "{gap}");
        match &last {
            None => assert_eq!(gap["skipped"], serde_json::Value::Null),
            Some((seq, journal_id)) => {
                // Every process starts above the clock; nothing is lost by that.
                let skipped = serde_json::json!([seq.next(), new[0].seq.0 - 1]);
                assert_eq!((&gap["skipped"], &journal.id().to_string()), (&skipped, journal_id), "{gap}");
                assert_eq!(gap["lastSequence"], seq.0);
            }
        }
        let all = [before, new].concat();
        settle(&mut reader, &all[..all.len() / 2]);
        undelivered = all[all.len() / 2..].to_vec();
        adds_up(&journal);
        if round % 2 == 0 {
            live.end(EndReason::Stopping, String::new());
            undelivered.extend(read(&mut reader));
            journal.close();
        } else {
            // Records that a killed process settled without writing the cursor are delivered again.
            journal.sync();
            disk.crash();
        }
        last = undelivered.last().map(|record| (record.seq, journal.id().to_string()));
    }
    let (journal, _) = open(&disk, &config());
    let (ledger, pending) = journal.ledger(SinkId(0), id(&journal, "a"));
    assert_eq!((pending, ledger.lost.len()), (undelivered.len() as u64, 0), "{ledger:?}");
    assert_eq!(ledger.received, 6 * 22 + 3, "gap, connected, 20 events; three said goodbye");
}

/// After a start no pending record is in memory.
#[test]
fn the_age_of_the_oldest_record_is_known_from_disk_alone() {
    let disk = disk();
    let (journal, _) = open(&disk, &config());
    let mut live = begin(&journal, "a");
    let began = Timestamp::now();
    for step in 1..=100_u64 {
        // Increasing intervals.
        live.event(RawEvent { at: began + Duration::from_secs(step.pow(2)), ..frame("e", 10, 0) });
        live.commit();
    }
    let records = read(&mut journal.reader(SinkId(0)));
    journal.sync();
    disk.crash();
    let mut settled = 0;
    let oldest = |journal: &Journal| journal.stats().sinks[0].oldest.expect("something is pending");
    for next in [50, 98] {
        let (journal, _) = open(&disk, &config());
        settle(&mut journal.reader(SinkId(0)), &records[settled..next]);
        close(journal);
        let (journal, _) = open(&disk, &config());
        let off = oldest(&journal).duration_since(records[next].at).abs().as_secs_f64();
        assert!(off < 0.001, "{off} s off");
        settled = next;
    }
    // Later times are estimated.
    let (journal, _) = open(&disk, &config());
    for (next, seconds_off) in [(99, 5.0), (101, 0.001)] {
        settle(&mut journal.reader(SinkId(0)), &records[settled..next]);
        let off = oldest(&journal).duration_since(records[next].at).abs().as_secs_f64();
        assert!(off < seconds_off, "{off} s off");
        settled = next;
    }
}

#[test]
fn a_slow_sink_delays_no_other_and_each_resumes_at_its_cursor() {
    let disk = disk();
    for round in 1..=3 {
        let (journal, _) = open(&disk, &config());
        let (mut x, mut lives) = (journal.reader(SinkId(0)), [begin(&journal, "a"), begin(&journal, "b")]);
        for live in &mut lives {
            events(live, "e", 50, 50);
        }
        let records = read(&mut x);
        assert_eq!(records.len(), 104);
        settle(&mut x, &records);
        assert_eq!(journal.reader(SinkId(1)).pending(), round * 104);
        adds_up(&journal);
        journal.sync();
        disk.crash();
    }
    let (journal, _) = open(&disk, &config());
    assert_eq!(
        (read(&mut journal.reader(SinkId(0))).len(), read(&mut journal.reader(SinkId(1))).len()),
        (0, 312)
    );
}

#[test]
fn sources_and_sinks_may_come_and_go() {
    let disk = disk();
    let fill = |journal: &Journal, source| events(&mut begin(journal, source), "e", 5, 50);
    let (journal, _) = open_as(&disk, &config(), &["b"], &["y"]).unwrap();
    fill(&journal, "b");
    let first = contents(&read(&mut journal.reader(SinkId(0))));
    assert_eq!(first.len(), 8);
    close(journal);
    // b leaves, a stays; x comes before y.
    let (journal, _) = open_as(&disk, &config(), &["a"], &["x", "y"]).unwrap();
    fill(&journal, "a");
    let (x, y) = (read(&mut journal.reader(SinkId(0))), read(&mut journal.reader(SinkId(1))));
    assert_eq!((x.len(), y.len()), (8, 16), "a new sink starts at the end");
    assert_eq!(contents(&y[..8]), first, "of a source that is gone");
    assert_ne!(x[0].source, first[0].1, "a place is given once");
    close(journal);
    let (journal, notes) = open_as(&disk, &config(), &["a", "b"], &["x", "y"]).unwrap();
    assert_eq!((id(&journal, "a"), id(&journal, "b")), (x[0].source, first[0].1), "{notes:?}");
    fill(&journal, "b");
    let all = read(&mut journal.reader(SinkId(1)));
    assert!(all[16].seq > first[7].2);
    for sink in [SinkId(0), SinkId(1)] {
        for source in ["a", "b"] {
            let (ledger, pending) = journal.ledger(sink, id(&journal, source));
            assert_eq!(ledger.received, ledger.settled() + pending, "{sink:?} {source}");
        }
    }
}

#[test]
fn a_backlog_larger_than_memory_is_read_from_the_disk_in_order() {
    let disk = disk();
    let small = Options { memory: 1 << 20, ..config() };
    for _ in 0..2 {
        let (journal, notes) = open(&disk, &small);
        assert_eq!(notes, Vec::<String>::new());
        if journal.newest(id(&journal, "a")).1 == Seq(0) {
            events(&mut begin(&journal, "a"), "e", 20_000, 1_000);
        }
        let records = read(&mut journal.reader(SinkId(0)));
        assert_eq!(records.len(), 20_003);
        assert!(records.windows(2).all(|pair| pair[1].seq == pair[0].seq.next()));
        adds_up(&journal);
        disk.crash();
    }
}

#[test]
fn a_full_journal_drops_as_configured_and_announces_it() {
    for when_full in [WhenFull::DropOldest, WhenFull::DropNewest] {
        let disk = disk();
        let (bound, memory) = (4 << 20, 1 << 20);
        let (journal, _) = open(&disk, &Options { max_bytes: Some(bound), when_full, memory, ..config() });
        let mut live = begin(&journal, "a");
        events(&mut live, "e", 1_000, 1_000);
        let first = read(&mut journal.reader(SinkId(0)))[0].seq;
        events(&mut live, "e", 9_000, 1_000);
        journal.sync();
        journal.announce_losses();
        let on_disk: usize = disk.files().values().map(Vec::len).sum();
        assert!(on_disk as u64 <= bound * 5 / 4, "{on_disk} bytes");
        let (ledger, pending) = journal.ledger(SinkId(0), id(&journal, "a"));
        let records = read(&mut journal.reader(SinkId(0)));
        assert_eq!((records.len() as u64, ledger.lost.len()), (pending, 1), "{ledger:?}");
        let lost = ledger.lost[&LossReason::JournalFull];
        assert!(lost > 4_000 && pending > 1_000, "{lost} lost, {pending} kept");
        for sink in ["x", "y"] {
            assert_eq!(
                announced(&records, sink),
                [("journal_full".to_owned(), lost)].into(),
                "{when_full:?}"
            );
        }
        let keeps_oldest = when_full == WhenFull::DropNewest;
        assert_eq!(records[0].seq == first, keeps_oldest, "{when_full:?}");
        adds_up(&journal);
    }
}

#[test]
fn a_flood_of_one_name_does_not_evict_another() {
    let disk = disk();
    let (bound, memory) = (8 << 20, 1 << 20);
    let (journal, _) = open(&disk, &Options { max_bytes: Some(bound), name_quota: 25, memory, ..config() });
    let mut live = begin(&journal, "a");
    for _ in 0..200 {
        events(&mut live, "message", 100, 1_000);
        events(&mut live, "extenUpdate", 5, 200);
        // As a session does.
        RUNTIME.block_on(live.synced());
    }
    let mut reader = journal.reader(SinkId(0));
    let mut records = read(&mut reader);
    settle(&mut reader, &records);
    journal.announce_losses();
    records.extend(read(&mut reader));
    let of = |name: &[u8]| {
        records.iter().filter(|it| matches!(&it.body, Body::Event(f) if &*f.name() == name)).count()
    };
    assert_eq!(of(b"extenUpdate"), 1_000);
    let (ledger, _) = journal.ledger(SinkId(0), id(&journal, "a"));
    let lost = ledger.lost[&LossReason::Quota];
    assert_eq!((ledger.lost.len(), of(b"message") as u64 + lost), (1, 20_000), "{ledger:?}");
    assert_eq!(announced(&records, "x"), [("quota".to_owned(), lost)].into());
    adds_up(&journal);
}

#[test]
fn old_records_expire_and_delivered_ones_are_retained() {
    let disk = disk();
    // Segments of 16 KiB.
    let config = || Options { max_bytes: Some(256 << 10), ..config() };
    let fill = |config: &Options| {
        let (journal, _) = open(&disk, config);
        events(&mut begin(&journal, "a"), "e", 100, 100);
        for sink in [SinkId(0), SinkId(1)] {
            let mut reader = journal.reader(sink);
            let records = read(&mut reader);
            settle(&mut reader, &records);
        }
        journal.sync();
        let many = segments(&disk).len();
        close(journal);
        many
    };
    assert!((fill(&config()), fill(&config())).1 > 1, "what was delivered is kept");
    assert_eq!(fill(&Options { retain: Duration::ZERO, ..config() }), 1, "what was delivered is removed");
    let (journal, _) = open(&disk, &Options { max_age: Some(Duration::from_millis(50)), ..config() });
    events(&mut begin(&journal, "a"), "e", 100, 100);
    let deadline = Instant::now() + Duration::from_secs(20);
    while journal.ledger(SinkId(0), id(&journal, "a")).0.lost.get(&LossReason::Expired) < Some(&103) {
        assert!(Instant::now() < deadline, "{:?}", journal.ledger(SinkId(0), id(&journal, "a")));
        std::thread::sleep(Duration::from_millis(20));
        journal.sync();
        adds_up(&journal);
    }
}

#[test]
fn only_one_process_can_open_it_and_only_its_user_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let config = Options { dir: dir.path().join("deep/journal"), ..config() };
    let open =
        || Journal::open(&config, Arc::new(fs::Disk), &names(&["a"]), &names(&["x"]), Arc::new(Unmonitored));
    let (journal, _) = open().unwrap();
    let refused = open();
    assert!(matches!(refused, Err(OpenError::Locked { .. })), "{refused:?}");
    events(&mut begin(&journal, "a"), "e", 10, 10);
    journal.sync();
    let mut left = vec![config.dir.clone()];
    let mut seen = 0;
    while let Some(path) = left.pop() {
        let about = std::fs::metadata(&path).unwrap();
        let mode = about.permissions().mode() & 0o777;
        assert_eq!(mode, if about.is_dir() { 0o700 } else { 0o600 }, "{path:?}");
        if about.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        seen += 1;
    }
    assert!(seen >= 6, "directories, lock, identity, segment, cursor: {seen}");
    let records = contents(&read(&mut journal.reader(SinkId(0))));
    close(journal);
    let (journal, recovery) = open().unwrap();
    assert_eq!((contents(&read(&mut journal.reader(SinkId(0)))), recovery.notes), (records, vec![]));
}

/// A single segment would be dropped as soon as the journal is full again.
#[test]
fn records_in_memory_return_in_segments_of_the_usual_size() {
    let disk = disk();
    let small = Options { max_bytes: Some(1 << 20), ..config() };
    let (journal, _) = open(&disk, &small);
    let mut live = begin(&journal, "a");
    disk.set(Faults { writes: Writes::Fail, ..Faults::default() });
    events(&mut live, "e", 60, 20_000);
    assert!(journal.at_risk(SinkId(0)).is_some(), "the disk refuses");
    disk.set(Faults::default());
    journal.sync();
    assert!(segments(&disk).len() > 10, "{:?}", segments(&disk));
    let newest = journal.newest(id(&journal, "a")).0;
    events(&mut live, "e", 5, 20_000);
    let records = read(&mut journal.reader(SinkId(0)));
    assert!(records.iter().any(|record| record.seq == newest), "the newest outlives a full journal");
    adds_up(&journal);
    disk.crash();
    let (journal, _) = open(&disk, &small);
    assert!(read(&mut journal.reader(SinkId(0))).iter().any(|record| record.seq == newest));
}
