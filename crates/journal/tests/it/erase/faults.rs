//! Erasure on a failing disk, on damage, and under kills.

use std::path::{Path, PathBuf};

use event::{Body, LossReason, Record, SinkId};
use journal::{Journal, Options, WhenFull};

use journal_kit::{
    DIR, RUNTIME, adds_up, disk,
    faulty_fs::{Faults, FaultyFs, Survives, Syncs, Writes},
    id, open, open_as, read, segments, settle,
};

use super::{NUMBER, deliver, erase, fill, fill_each, holds, is_planted, outcome, planted, small, traces};

#[test]
fn a_kill_between_any_two_steps_of_an_erasure_loses_nothing_else() {
    for power in [None, Some(Survives::Nothing), Some(Survives::Prefix)] {
        let (mut after, mut rewritten) = (1, 0);
        loop {
            let disk = FaultyFs::new(after, Path::new(DIR));
            let (journal, _) = open(&disk, &small());
            fill(&journal, 90, 2_000);
            let mut x = journal.reader(SinkId(0));
            let mut delivered = Vec::new();
            RUNTIME.block_on(x.read(20, &mut delivered));
            settle(&mut x, &delivered);
            let all = read(&mut journal.reader(SinkId(1)));
            journal.sync();
            disk.crash_after(Some(after));
            let result = journal.erase(&is_planted);
            let is_over = !disk.has_crashed();
            disk.crash_after(None);
            match power {
                None => disk.crash(),
                Some(survives) => disk.power_failure(survives),
            }
            drop((x, journal));
            if is_over {
                assert_eq!(result.unwrap().records.iter().sum::<u64>(), 30);
            }
            let (journal, notes) = open(&disk, &small());
            assert_eq!(notes, Vec::<String>::new(), "killed after {after} calls");
            adds_up(&journal);
            if is_over {
                assert_eq!(traces(&disk), Vec::<PathBuf>::new(), "{power:?}");
            }
            // A sink that continues before the erasure is repeated.
            let mut y = journal.reader(SinkId(1));
            let half = read(&mut y);
            settle(&mut y, &half[..50]);
            let again = erase(&journal).records.iter().sum::<u64>();
            rewritten += u64::from(again < 30);
            assert_eq!(traces(&disk), Vec::<PathBuf>::new(), "killed after {after} calls, {power:?}");
            y.rewind();
            deliver(&mut y);
            let rest = deliver(&mut journal.reader(SinkId(0)));
            let kept = |records: &[Record]| {
                records.iter().filter(|it| matches!(it.body, Body::Event(_)) && !is_planted(it)).count()
            };
            assert_eq!(kept(&delivered) + kept(&rest), 60);
            for (sink, planted) in [(SinkId(0), planted(&delivered)), (SinkId(1), planted(&half[..50]))] {
                let [published, filtered, lost] = outcome(&journal, sink);
                assert_eq!(
                    (published + filtered, filtered, lost),
                    (all.len() as u64, 30 - planted, 0),
                    "killed after {after} calls"
                );
            }
            journal.announce_losses();
            assert!(y.at_end(), "a loss is announced");
            after += 1;
            if is_over {
                break;
            }
        }
        assert!(after > 40 && rewritten > 5, "{after} steps, {rewritten}");
    }
}

#[test]
fn a_failing_disk_is_an_error_and_a_second_call_finishes() {
    let work = Faults::default();
    for faults in [
        Faults { writes: Writes::Space(0), ..work },
        Faults { writes: Writes::Space(5_000), ..work },
        Faults { writes: Writes::ReadOnly, ..work },
        Faults { reads_fail: true, ..work },
        Faults { syncs: Syncs::FailOnce, ..work },
    ] {
        let disk = disk();
        let (journal, _) = open(&disk, &small());
        fill(&journal, 90, 2_000);
        let all = read(&mut journal.reader(SinkId(0)));
        disk.set(faults);
        assert!(journal.erase(&is_planted).is_err(), "{faults:?}");
        disk.set(work);
        journal.sync();
        erase(&journal);
        assert_eq!(traces(&disk), Vec::<PathBuf>::new(), "{faults:?}");
        let rest = deliver(&mut journal.reader(SinkId(0)));
        assert_eq!(rest.len(), all.len() - 30);
        assert_eq!(outcome(&journal, SinkId(0)), [rest.len() as u64, 30, 0]);
        adds_up(&journal);
    }
}

#[test]
fn damage_is_repaired_first_and_the_damaged_file_is_reported() {
    let disk = disk();
    let (journal, _) = open(&disk, &small());
    fill(&journal, 300, 1_000);
    deliver(&mut journal.reader(SinkId(0)));
    deliver(&mut journal.reader(SinkId(1)));
    let path = segments(&disk)[1].clone();
    disk.edit(&path, |content| {
        let at = memchr::memmem::find(content, b"201").unwrap();
        content[at] ^= 1;
    });
    let erased = erase(&journal);
    assert_eq!(erased.quarantined, 1);
    let left = traces(&disk);
    assert!(
        left.iter().all(|path| path.starts_with(Path::new(DIR).join("quarantine"))) && left.len() == 1,
        "{left:?}"
    );
    adds_up(&journal);
}

#[test]
fn leftovers_of_segments_are_removed() {
    let disk = disk();
    let (journal, _) = open(&disk, &small());
    fill(&journal, 300, 1_000);
    let stale = segments(&disk)[2].clone();
    let content = disk.files()[&stale].clone();
    deliver(&mut journal.reader(SinkId(0)));
    deliver(&mut journal.reader(SinkId(1)));
    let fs = disk.process();
    // As after a removal that failed, and a copy that was not finished.
    for name in ["000000099999.log", "000000000003.new"] {
        let file = fs.create(&stale.with_file_name(name)).unwrap();
        assert_eq!(file.append(&content).unwrap(), content.len());
    }
    erase(&journal);
    assert_eq!(traces(&disk), Vec::<PathBuf>::new());
}

#[test]
fn a_full_memory_and_disk_keep_the_ledger_exact() {
    // The disk fails after the erasure, and what is in memory only does not fit.
    let disk = disk();
    let (journal, _) = open(&disk, &Options { memory: 60_000, when_full: WhenFull::DropOldest, ..small() });
    fill(&journal, 30, 1_000);
    erase(&journal);
    disk.set(Faults { writes: Writes::Fail, ..Faults::default() });
    fill(&journal, 200, 1_000);
    disk.set(Faults::default());
    journal.sync();
    let mut x = journal.reader(SinkId(0));
    deliver(&mut x);
    journal.announce_losses();
    deliver(&mut x);
    let [_, filtered, lost] = outcome(&journal, SinkId(0));
    assert!(filtered == 10 && lost > 100, "{filtered} {lost}");
    assert!(journal.ledger(SinkId(0), id(&journal, "a")).0.lost.keys().eq([&LossReason::Disk]));
}

#[test]
fn what_is_dropped_after_an_erasure_is_counted_once() {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    for (each, in_flight) in [(3, 0), (1, 0), (1, 7)] {
        let journal = Journal::memory(20_000, &names(&["a", "b"]), &names(&["x", "y"]));
        fill_each(&journal, 12, 1_000, each);
        let mut x = journal.reader(SinkId(0));
        let mut first = Vec::new();
        if in_flight > 0 {
            RUNTIME.block_on(x.read(in_flight, &mut first));
        }
        erase(&journal);
        settle(&mut x, &first);
        fill(&journal, 60, 1_000);
        let [published, filtered, lost] = outcome(&journal, SinkId(0));
        let erased = 12 / each - planted(&first);
        assert!(published == in_flight as u64 && filtered == erased && lost > 40, "{filtered} {lost}");
        let rest = deliver(&mut journal.reader(SinkId(0)));
        deliver(&mut journal.reader(SinkId(1)));
        assert_eq!(outcome(&journal, SinkId(0)), [published + rest.len() as u64, erased, lost]);
        assert_eq!(outcome(&journal, SinkId(1))[1], 12 / each);
        adds_up(&journal);
        assert_eq!([0, 1].map(|sink| journal.reader(SinkId(sink)).pending()), [0, 0]);
    }
}

#[test]
fn matching_dead_letters_are_removed() {
    let disk = disk();
    let (journal, _) = open(&disk, &small());
    assert_eq!(journal.erase_dead_letters(&holds).unwrap(), 0);
    for (name, content) in [("a-1.json", NUMBER), ("a-2.json", "201"), ("a-3.json", NUMBER)] {
        journal.write_dead_letter(name, || content.into());
    }
    assert_eq!(journal.erase_dead_letters(&holds).unwrap(), 2);
    disk.power_failure(Survives::Nothing);
    assert_eq!(traces(&disk), Vec::<PathBuf>::new());
    let (journal, _) = open_as(&disk, &small(), &["a", "b"], &["x", "y"]).unwrap();
    assert_eq!(journal.erase_dead_letters(&holds).unwrap(), 0);
    let memory = Journal::memory(1, &[], &[]);
    assert_eq!(memory.erase_dead_letters(&holds).unwrap(), 0);
}
