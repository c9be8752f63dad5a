//! The journal on a failing disk, and after power failures.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use event::SinkId;
use event::{Body, LossReason, Seq};

use journal_kit::{
    faulty_fs::{Faults, Survives, Syncs, Writes},
    run::{Run, SOURCES, disk, numbers},
};

const FAULTS: [Faults; 6] = {
    let none = Faults { writes: Writes::Work, syncs: Syncs::Work, reads_fail: false };
    [
        Faults { writes: Writes::Space(0), ..none },
        Faults { writes: Writes::Space(700), ..none },
        Faults { writes: Writes::ReadOnly, ..none },
        Faults { writes: Writes::Fail, ..none },
        Faults { writes: Writes::Fail, syncs: Syncs::Fail, ..none },
        Faults { syncs: Syncs::Fail, ..none },
    ]
};

#[test]
fn a_failing_disk_stops_no_delivery_and_catches_up_later() {
    for faults in FAULTS {
        let disk = disk(7);
        let mut run = Run::open(&disk, 1 << 20);
        run.events(0..50, 100);
        run.journal.sync();
        assert_eq!(run.failure(), None);
        disk.set(faults);
        run.events(50..100, 100);
        run.journal.sync();
        let reason = run.failure().unwrap_or_else(|| panic!("{faults:?} went unnoticed"));
        assert!(reason.contains("/journal"), "{reason}");
        let records = run.read(0, usize::MAX);
        assert_eq!(numbers(&records), (0..100).collect::<Vec<_>>(), "{faults:?}");
        run.settle(0, &records);
        run.events(100..200, 100);
        run.adds_up();
        disk.set(Faults::default());
        run.journal.sync();
        assert_eq!(run.failure(), None, "{faults:?} lasts");
        disk.crash();
        let mut run = Run::open(&disk, 1 << 20);
        assert_eq!(run.notes, Vec::<String>::new(), "{faults:?}");
        assert_eq!(numbers(&run.read(0, usize::MAX)), (100..200).collect::<Vec<_>>(), "{faults:?}");
        assert_eq!(numbers(&run.read(1, usize::MAX)), (0..200).collect::<Vec<_>>(), "{faults:?}");
        assert_eq!(run.lost(SinkId(1), LossReason::Disk), 0);
        run.adds_up();
    }
}

#[test]
fn records_that_fit_neither_disk_nor_memory_are_announced() {
    for faults in &FAULTS[..5] {
        let disk = disk(8);
        let mut run = Run::open(&disk, 200_000);
        run.events(0..50, 1_000);
        run.journal.sync();
        let mut first = run.read(0, usize::MAX);
        run.settle(0, &first);
        disk.set(*faults);
        run.events(50..1_000, 1_000);
        let held = run.read(0, usize::MAX);
        assert!(numbers(&held).last() == Some(&999), "the newest is there");
        let lost = run.lost(SinkId(0), LossReason::Disk);
        assert_eq!(lost + held.len() as u64, 950, "{faults:?}");
        run.journal.announce_losses();
        // The other sink has not read what is on disk.
        let behind = numbers(&run.read(1, usize::MAX));
        assert_eq!(behind[..50], (0..50).collect::<Vec<_>>(), "{faults:?}");
        run.readers[1].rewind();
        run.adds_up();
        disk.set(Faults::default());
        run.journal.sync();
        disk.crash();
        let mut run = Run::open(&disk, 200_000);
        let mut records = run.read(1, usize::MAX);
        assert_eq!(numbers(&records), behind, "{faults:?}");
        run.settle(1, &records);
        let lost = [lost, run.lost(SinkId(1), LossReason::Disk)];
        assert_eq!(lost[1] + behind.len() as u64, 1_000, "{faults:?}");
        run.journal.announce_losses();
        records.extend(run.read(1, usize::MAX));
        first.extend(records);
        let mut announced = [0, 0];
        for record in &first {
            if let Body::Notice(notice) = &record.body
                && notice.name == "lost"
            {
                let lost: serde_json::Value = serde_json::from_slice(&notice.data).unwrap();
                assert_eq!(lost["reason"], "disk");
                announced[usize::from(lost["sink"] == "y")] += lost["count"].as_u64().unwrap();
            }
        }
        assert_eq!(announced, lost, "{faults:?}");
        assert_eq!(
            [run.lost(SinkId(0), LossReason::Disk), run.lost(SinkId(1), LossReason::Disk)],
            lost,
            "{faults:?}"
        );
        run.adds_up();
    }
}

#[test]
fn a_temporarily_unreadable_disk_loses_nothing() {
    let disk = disk(9);
    let mut run = Run::open(&disk, 1 << 20);
    run.events(0..100, 100);
    run.journal.close();
    drop(run);
    let mut run = Run::open(&disk, 1 << 20);
    disk.set(Faults { reads_fail: true, ..Faults::default() });
    let heal = std::thread::spawn({
        let disk = disk.clone();
        move || {
            let deadline = Instant::now() + Duration::from_secs(20);
            while disk.failed_reads() < 3 {
                assert!(Instant::now() < deadline, "a read that failed is not repeated");
                std::thread::sleep(Duration::from_millis(5));
            }
            disk.set(Faults::default());
        }
    });
    assert_eq!(numbers(&run.read(0, usize::MAX)), (0..100).collect::<Vec<_>>());
    heal.join().unwrap();
    assert_eq!(run.lost(SinkId(0), LossReason::Damaged), 0);
}

/// Cursors are written every second, whether or not the log is synced.
#[test]
fn settled_records_lost_to_a_power_failure_hide_no_pending_ones() {
    let disk = disk(11);
    let mut run = Run::open(&disk, 1 << 20);
    run.events(0..50, 100);
    run.journal.sync();
    let cursor = || disk.files().remove(Path::new("/journal/cursors/x"));
    let before = cursor();
    run.events(50..80, 100);
    let records = run.read(0, usize::MAX);
    run.settle(0, &records);
    let deadline = Instant::now() + Duration::from_secs(20);
    while cursor() == before {
        assert!(Instant::now() < deadline, "no cursor is written");
        std::thread::sleep(Duration::from_millis(20));
    }
    disk.power_failure(Survives::Nothing);
    for _ in 0..2 {
        let mut run = Run::open(&disk, 1 << 20);
        assert!(run.notes.iter().all(|note| note.contains("beyond the end")), "{:?}", run.notes);
        run.events(80..90, 100);
        let records = run.read(0, usize::MAX);
        assert_eq!(run.readers[0].pending(), records.len() as u64);
        run.adds_up();
        disk.crash();
    }
}

#[test]
fn the_gap_lists_numbers_skipped_after_a_power_failure() {
    for survives in [Survives::Nothing, Survives::Prefix, Survives::Anything] {
        let disk = disk(10);
        let mut run = Run::open(&disk, 1 << 20);
        run.events(0..50, 100);
        run.journal.sync();
        run.events(50..100, 100);
        let newest = SOURCES.map(|source| run.journal.newest(source).0);
        assert_eq!(numbers(&run.read(0, usize::MAX)).len(), 100);
        disk.power_failure(survives);
        drop(run);
        let mut run = Run::open(&disk, 1 << 20);
        let kept = numbers(&run.read(0, usize::MAX));
        assert!(kept.len() >= 50 && kept[..50].iter().copied().eq(0..50), "{survives:?}: {kept:?}");
        run.events(100..101, 100);
        for record in run.read(0, usize::MAX) {
            assert!(record.seq > newest[record.source.index()], "{survives:?}: {record:?}");
            if let Body::Notice(notice) = &record.body
                && notice.name == "gap"
            {
                let gap: serde_json::Value = serde_json::from_slice(&notice.data).unwrap();
                let to = gap["skipped"][1].as_u64().expect("nothing was skipped");
                assert_eq!((&gap["reason"], Seq(to + 1)), (&"crashed".into(), record.seq), "{gap}");
                assert!(gap["skipped"][0].as_u64() <= Some(to) && to >= newest[record.source.index()].0);
            }
        }
    }
}

#[test]
fn numbers_held_in_memory_only_are_not_reused_after_a_kill() {
    let mut again = Vec::new();
    // Nothing can be written to a read-only disk; a reboot or the broker's tail reveals the loss.
    let noted = FAULTS[..5].iter().filter(|faults| faults.writes != Writes::ReadOnly);
    for (faults, before) in noted.flat_map(|faults| [(faults, 0), (faults, 10)]) {
        let disk = disk(11);
        let mut run = Run::open(&disk, 1 << 20);
        run.events(0..before, 100);
        run.journal.sync();
        disk.set(*faults);
        run.events(before..20, 100);
        run.journal.sync();
        assert_eq!(numbers(&run.read(0, usize::MAX)).len(), 20);
        let newest = SOURCES.map(|source| run.journal.newest(source).0);
        disk.crash();
        disk.set(Faults::default());
        drop(run);
        let mut run = Run::open(&disk, 1 << 20);
        run.read(0, usize::MAX);
        run.events(20..30, 100);
        if run.read(0, usize::MAX).iter().any(|it| it.seq <= newest[it.source.index()]) {
            again.push((faults, before));
        }
    }
    assert!(again.is_empty(), "given again under {again:#?}");
}
