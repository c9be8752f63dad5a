//! Erasure of a person's events: nothing of them is left, and the ledgers stay exact.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use event::{Body, LossReason, RawEvent, Record, Seq, SinkId};
use jiff::Timestamp;
use journal::{Cursor, Entry, Erased, Journal, Kind, Options, Reader, Sync, WhenFull};

use journal_kit::{
    DIR, RUNTIME, adds_up, begin, close, config, disk,
    faulty_fs::{Faults, FaultyFs, Survives, Writes},
    id, open, open_as, read, segments, settle,
};

/// The number of the person whose events are erased.
const NUMBER: &str = "+390721000111";

fn call(number: &str, count: u64, size: usize) -> RawEvent {
    update("201", number, count, size)
}

fn update(exten: &str, number: &str, count: u64, size: usize) -> RawEvent {
    let text = format!(
        r#"42["extenUpdate",{{"exten":"{exten}","n":{count},"num":"{number}","pad":"{}"}}]"#,
        "x".repeat(size)
    );
    let args = 17..u32::try_from(text.len()).unwrap() - 1;
    let (at, bytes) = (Timestamp::now(), text.into());
    RawEvent { at, bytes, name: 4..15, args, argc: 1, attachments: Box::default() }
}

fn holds(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, NUMBER.as_bytes()).is_some()
}

fn is_planted(record: &Record) -> bool {
    matches!(&record.body, Body::Event(event) if holds(&event.bytes))
}

fn erase(journal: &Journal) -> Erased {
    journal.erase(&is_planted).unwrap()
}

fn planted(records: &[Record]) -> u64 {
    records.iter().filter(|it| is_planted(it)).count() as u64
}

/// Returns the files that hold the number.
fn traces(disk: &FaultyFs) -> Vec<PathBuf> {
    disk.files().into_iter().filter(|(_, content)| holds(content)).map(|(path, _)| path).collect()
}

/// Appends events of both sources, every third of which is planted.
fn fill(journal: &Journal, count: u64, size: usize) {
    fill_each(journal, count, size, 3);
}

/// Appends events of source a, and some of b between them; every `each`th is planted.
fn fill_each(journal: &Journal, count: u64, size: usize, each: u64) {
    let (mut a, mut b) = (begin(journal, "a"), begin(journal, "b"));
    for n in 0..count {
        let live = if n % 5 == 0 { &mut b } else { &mut a };
        live.event(call(if n % each == 0 { NUMBER } else { "201" }, n, size));
        live.commit();
    }
}

/// Options with segments of 64 KiB.
fn small() -> Options {
    Options { max_bytes: Some(1 << 20), ..config() }
}

/// Returns published, filtered and lost records of both sources.
fn outcome(journal: &Journal, sink: SinkId) -> [u64; 3] {
    let mut sum = [0; 3];
    for source in ["a", "b"] {
        let (ledger, pending) = journal.ledger(sink, id(journal, source));
        assert_eq!(ledger.received, ledger.settled() + pending, "{ledger:?}");
        let outcome = [ledger.published, ledger.filtered, ledger.lost.values().sum()];
        sum.iter_mut().zip(outcome).for_each(|(sum, count)| *sum += count);
    }
    sum
}

fn deliver(reader: &mut Reader) -> Vec<Record> {
    let records = read(reader);
    settle(reader, &records);
    assert!(reader.is_drained());
    records
}

#[test]
fn erased_events_are_gone_and_count_as_filtered() {
    let disk = disk();
    let (journal, _) = open(&disk, &small());
    fill(&journal, 300, 1_000);
    let mut x = journal.reader(SinkId(0));
    let all = deliver(&mut x);
    assert!(segments(&disk).len() > 3 && traces(&disk).len() > 3);
    let erased = erase(&journal);
    assert_eq!(erased.records.iter().sum::<u64>(), 100);
    assert_eq!(erased.records, [80, 20]);
    assert!(erased.segments > 3 && erased.bytes > 100_000, "{erased:?}");
    assert_eq!((erased.quarantined, erased.renamed), (0, 0));
    assert_eq!(traces(&disk), Vec::<PathBuf>::new());
    assert_eq!(erase(&journal), Erased::default(), "nothing is left");

    let mut y = journal.reader(SinkId(1));
    let rest = deliver(&mut y);
    assert_eq!((planted(&all), planted(&rest), rest.len()), (100, 0, all.len() - 100));
    assert_eq!(outcome(&journal, SinkId(0)), [all.len() as u64, 0, 0]);
    assert_eq!(outcome(&journal, SinkId(1)), [rest.len() as u64, 100, 0]);
    assert!(y.gone().iter().all(|gone| *gone == Seq(0)), "consumers see no hole");
    let stats = journal.stats().sinks;
    assert_eq!([stats[0].erased, stats[1].erased], [0, 100]);
    journal.announce_losses();
    assert!(x.at_end() && y.at_end(), "no loss is announced");
    drop((x, y));
    close(journal);
    let (journal, notes) = open(&disk, &small());
    assert_eq!(notes, Vec::<String>::new());
    assert_eq!(outcome(&journal, SinkId(1)), [rest.len() as u64, 100, 0]);
    adds_up(&journal);
}

#[test]
fn notices_are_never_erased_and_neighbours_share_an_absence() {
    let place = tempfile::tempdir().unwrap();
    let options = Options { dir: place.path().join("j"), ..config() };
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let open = || {
        let fs = std::sync::Arc::new(journal::fs::Disk);
        let monitor = std::sync::Arc::new(journal::Unmonitored);
        Journal::open(&options, fs, &names(&["a", "b"]), &names(&["x", "y"]), monitor).unwrap().0
    };
    let journal = open();
    fill(&journal, 50, 10);
    let before = read(&mut journal.reader(SinkId(0)));
    let erased = journal.erase(&|_| true).unwrap();
    assert_eq!(erased.records.iter().sum::<u64>(), 50);
    let after = read(&mut journal.reader(SinkId(0)));
    assert!(after.iter().all(|it| matches!(it.body, Body::Notice(_))));
    assert_eq!(after.len(), before.len() - 50);
    close(journal);
    let archive = journal::Archive::open(&options.dir).unwrap();
    let entries: Vec<Entry> = archive.entries().map(Result::unwrap).collect();
    let absences: Vec<_> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Absence(absence) if absence.kind == Kind::Erased => Some(absence),
            _ => None,
        })
        .collect();
    assert_eq!((absences.len(), absences[0].count()), (1, 50), "{entries:?}");
    assert_eq!(absences[0].ranges.len(), 2);
    let journal = open();
    assert_eq!(deliver(&mut journal.reader(SinkId(0))).len(), after.len());
    assert_eq!(outcome(&journal, SinkId(0)), [after.len() as u64, 50, 0]);
}

#[test]
fn a_journal_in_memory_is_erased_too() {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let journal = Journal::memory(1 << 20, &names(&["a", "b"]), &names(&["x", "y"]));
    fill(&journal, 30, 10);
    let mut x = journal.reader(SinkId(0));
    let mut first = Vec::new();
    RUNTIME.block_on(x.read(9, &mut first));
    let before = journal.stats().memory;
    assert_eq!(erase(&journal).records, [8, 2]);
    assert!(journal.stats().memory < before);
    settle(&mut x, &first);
    let rest = deliver(&mut x);
    assert_eq!(planted(&rest), 0);
    assert_eq!(outcome(&journal, SinkId(0)), [(first.len() + rest.len()) as u64, 10 - planted(&first), 0]);
    let all = deliver(&mut journal.reader(SinkId(1)));
    assert_eq!(outcome(&journal, SinkId(1)), [all.len() as u64, 10, 0]);
    assert_eq!(journal.stats().memory, 0);
}

/// A sink that has read ahead, has events in flight, or goes back, gets each event at most once more.
#[test]
fn events_in_flight_settle_once_and_those_read_ahead_are_dropped() {
    for (in_flight, each) in [(1, 3), (7, 3), (40, 3), (7, 1), (70, 1)] {
        for breaks in [false, true] {
            let disk = disk();
            let (journal, _) = open(&disk, &small());
            fill_each(&journal, 120, 1_000, each);
            close(journal);
            let (journal, _) = open(&disk, &small());
            let mut x = journal.reader(SinkId(0));
            let mut first = Vec::new();
            while first.len() < in_flight {
                // From disk, which is read in chunks.
                RUNTIME.block_on(x.read(in_flight - first.len(), &mut first));
            }
            erase(&journal);
            if breaks {
                // The broker has accepted some.
                settle(&mut x, &first[..in_flight / 2]);
                first.truncate(in_flight / 2);
                x.rewind();
            }
            settle(&mut x, &first);
            let rest = deliver(&mut x);
            assert_eq!(planted(&rest), 0, "{in_flight} in flight");
            let published = (first.len() + rest.len()) as u64;
            assert_eq!(outcome(&journal, SinkId(0)), [published, 120 / each - planted(&first), 0]);
            adds_up(&journal);
        }
    }
}

/// Moves a sink's cursor back, as for a broker that has lost acknowledged events.
fn rewind(journal: &Journal, reader: &mut Reader, to: &Record) {
    let sources = RUNTIME.block_on(journal.source_cursors_at(to.position)).unwrap();
    let (mut sources, cursor) = (sources.unwrap(), reader.rewind());
    for (source, old) in sources.iter_mut().zip(&cursor.sources) {
        source.ledger = old.ledger.clone();
        source.gone = if old.gone <= source.last { old.gone } else { Seq(0) };
        source.ledger.take_back(old.count - source.count);
    }
    reader.forget(Cursor { next: to.position, sources, ..cursor });
}

#[test]
fn a_rewind_over_erased_events_counts_each_record_once() {
    for delivers_before in [true, false] {
        let disk = disk();
        let (journal, _) = open(&disk, &small());
        fill(&journal, 300, 1_000);
        let mut x = journal.reader(SinkId(0));
        let all = read(&mut journal.reader(SinkId(1)));
        if delivers_before {
            deliver(&mut x);
        }
        erase(&journal);
        if !delivers_before {
            deliver(&mut x);
        }
        let kept: Vec<&Record> = all.iter().filter(|it| !is_planted(it)).collect();
        for to in [kept[0], kept[100], kept[kept.len() - 1]] {
            rewind(&journal, &mut x, to);
            let again = deliver(&mut x);
            assert_eq!(again.len(), kept.iter().filter(|it| it.position >= to.position).count());
            let [published, filtered, lost] = outcome(&journal, SinkId(0));
            assert_eq!((published + filtered, lost), (all.len() as u64, 0));
        }
        journal.sync();
        disk.crash();
        let (journal, _) = open(&disk, &small());
        let [published, filtered, lost] = outcome(&journal, SinkId(0));
        assert_eq!((published + filtered, lost), (all.len() as u64, 0));
    }
}

#[test]
fn appends_and_readers_go_on_during_an_erasure() {
    let disk = disk();
    let options = Options { sync: Sync::Every(Duration::from_millis(5)), ..small() };
    let (journal, _) = open(&disk, &Options { max_bytes: Some(64 << 20), ..options });
    let (is_over, deadline) = (AtomicBool::new(false), Instant::now() + Duration::from_secs(60));
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
        Faults { syncs: journal_kit::faulty_fs::Syncs::FailOnce, ..work },
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
fn delivered_segments_that_are_only_retained_are_rewritten_too() {
    let disk = disk();
    let (journal, _) = open(&disk, &small());
    fill(&journal, 300, 1_000);
    let all = deliver(&mut journal.reader(SinkId(0)));
    deliver(&mut journal.reader(SinkId(1)));
    journal.sync();
    let before = segments(&disk).len();
    assert_eq!(erase(&journal).records, [80, 20]);
    assert_eq!((traces(&disk), segments(&disk).len()), (vec![], before));
    assert_eq!(outcome(&journal, SinkId(0)), [all.len() as u64, 0, 0]);
    let mut x = journal.reader(SinkId(0));
    rewind(&journal, &mut x, &all[10]);
    assert_eq!(planted(&deliver(&mut x)), 0);
}

#[test]
fn what_is_dropped_after_an_erasure_is_counted_once() {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let journal = Journal::memory(20_000, &names(&["a", "b"]), &names(&["x", "y"]));
    fill(&journal, 12, 1_000);
    erase(&journal);
    fill(&journal, 60, 1_000);
    let [published, filtered, lost] = outcome(&journal, SinkId(0));
    assert!(published == 0 && filtered == 4 && lost > 40, "{filtered} {lost}");
    deliver(&mut journal.reader(SinkId(0)));
    deliver(&mut journal.reader(SinkId(1)));
    assert_eq!(outcome(&journal, SinkId(0))[1..], [4, lost]);
    assert_eq!(outcome(&journal, SinkId(1))[1..], [4, lost]);
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
