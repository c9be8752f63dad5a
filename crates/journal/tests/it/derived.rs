//! Derived records: whatever a kill cuts off, each call begins once and ends once.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use calls::{CallEvent, Step, invariants::Checker};
use event::{Body, EncodedCall, Origin, Record, Seq, SinkId};
use jiff::SignedDuration;
use journal::{Journal, Options};

use journal_kit::{
    begin, close, config, disk, disk_of,
    faulty_fs::{Faults, FaultyFs, Writes},
    office::Office,
    open_deriving, read, segments, settle,
};

/// Segments of 16 KiB.
pub(crate) fn small() -> Options {
    Options { max_bytes: Some(256 << 10), ..config() }
}

fn calls_of(records: &[Record]) -> Vec<(Seq, &EncodedCall)> {
    let calls = records.iter().filter_map(|record| match &record.body {
        Body::Call(call) => Some((record.seq, call)),
        Body::Event(_) | Body::Notice(_) => None,
    });
    calls.collect()
}

/// Checks the promises about all calls. Returns their number. `is_over` is true if none goes on.
pub(crate) fn check(records: &[Record], is_over: bool) -> u64 {
    let mut checker = Checker::default();
    for (_, call) in calls_of(records) {
        let step = Step::ALL.into_iter().find(|step| step.name() == call.step).unwrap();
        let event: CallEvent = serde_json::from_slice(&call.data).unwrap();
        checker.take(step, &event);
    }
    let calls = checker.calls;
    assert_eq!(checker.finish(is_over), []);
    calls
}

/// Everything that a disk holds.
pub(crate) fn everything(journal: &Journal) -> Vec<Record> {
    read(&mut journal.reader(SinkId(1)))
}

/// Returns how many records precede what a kill cuts off, with what follows from the last of them.
fn with_derived(records: &[Record], kept: usize) -> usize {
    let mut end = kept;
    while let (Some(before), Some(next)) =
        (end.checked_sub(1).and_then(|last| records.get(last)), records.get(end))
        && matches!(next.body, Body::Call(_))
        && next.at == before.at
    {
        end += 1;
    }
    end
}

/// Ends all calls after a restart.
pub(crate) fn finish(journal: &Journal, office: &mut Office) {
    let mut live = begin(journal, "a");
    office.now += SignedDuration::from_secs(60);
    office.resync(&mut live);
    for _ in 0..10 {
        office.happen(journal, &mut live);
    }
    office.close(journal, &mut live);
}

#[test]
fn derived_records_follow_their_cause_and_count() {
    let disk = disk();
    let (journal, _) = open_deriving(&disk, &small(), &["a"]);
    let mut office = Office::new(1);
    for source in ["a", "b"] {
        let mut live = begin(&journal, source);
        office.resync(&mut live);
        for _ in 0..100 {
            office.happen(&journal, &mut live);
        }
        office.close(&journal, &mut live);
    }
    let records = everything(&journal);
    assert!(check(&records, true) > 10);
    let mut last = BTreeMap::new();
    for record in &records {
        if let Some(last) = last.insert(record.source, record.seq) {
            assert_eq!(record.seq, last.next(), "numbers are dense");
        }
        if let Body::Call(call) = &record.body {
            assert_eq!((record.source.0, record.origin, record.session), (0, Origin::Derived, 1));
            assert!(call.cause < record.seq && records.iter().any(|it| it.seq == call.cause));
            let data: serde_json::Value = serde_json::from_slice(&call.data).unwrap();
            assert_eq!(data["call"], *call.key);
        }
    }
    let mut reader = journal.reader(SinkId(0));
    settle(&mut reader, &records);
    let (ledger, pending) = journal.ledger(SinkId(0), event::SourceId(0));
    let of_a = records.iter().filter(|record| record.source.0 == 0).count() as u64;
    assert_eq!((ledger.received, ledger.published, pending), (of_a, of_a, 0));
    close(journal);
}

/// Every byte of the last segments is the last that a killed process has written.
#[test]
fn a_kill_at_any_byte_leaves_each_call_one_end() {
    for seed in 0..3 {
        let disk = disk();
        let (journal, _) = open_deriving(&disk, &small(), &["a"]);
        let mut office = Office::new(seed);
        let mut live = begin(&journal, "a");
        office.resync(&mut live);
        for _ in 0..60 {
            office.happen(&journal, &mut live);
        }
        let full = everything(&journal);
        let (files, paths) = (disk.files(), segments(&disk));
        assert!(paths.len() > 1);
        drop((live, journal));
        for (index, path) in paths.iter().enumerate() {
            // Every byte of one script's end; some of the others.
            let end = files[path].len();
            let is_end = seed == 0 && index + 1 == paths.len();
            let header = u32::from_le_bytes(files[path][12..16].try_into().unwrap()) as usize;
            let start = if is_end { end.saturating_sub(3000).max(header) } else { header };
            for length in (start..end).step_by(if is_end { 3 } else { 397 }) {
                let mut files = files.clone();
                files.retain(|it, _| !paths[index + 1..].contains(it));
                files.get_mut(path).unwrap().truncate(length);
                recovers(&files, &full, seed);
            }
        }
    }
}

pub(crate) fn recovers(files: &BTreeMap<PathBuf, Vec<u8>>, full: &[Record], seed: u64) {
    let disk = disk_of(files);
    let (journal, _) = open_deriving(&disk, &small(), &["a"]);
    let after = everything(&journal);
    let kept =
        after.iter().zip(full).take_while(|(it, was)| (it.position, it.seq) == (was.position, was.seq));
    let expected = &full[..with_derived(full, kept.count())];
    let data = |records: &[Record]| -> Vec<(EncodedCall, jiff::Timestamp)> {
        let at = |seq: Seq| records.iter().find(|record| record.seq == seq).unwrap().at;
        calls_of(records).into_iter().map(|(seq, call)| (call.clone(), at(seq))).collect()
    };
    assert_eq!(data(&after), data(expected));
    let mut office = Office::new(seed + 1000);
    office.now = full.last().unwrap().at;
    finish(&journal, &mut office);
    check(&everything(&journal), true);
}

/// The records are delivered and gone: only heads remain.
#[test]
fn calls_go_on_where_their_records_are_gone() {
    for seed in 0..20 {
        let disk = disk();
        let options = Options { retain: Duration::ZERO, ..small() };
        let mut office = Office::new(seed);
        let mut all: Vec<Record> = Vec::new();
        for round in 0..6 {
            let (journal, notes) = open_deriving(&disk, &options, &["a"]);
            assert_eq!(notes, Vec::<String>::new());
            let mut readers = [SinkId(0), SinkId(1)].map(|sink| journal.reader(sink));
            let mut deliver = || {
                let records = readers.each_mut().map(read);
                readers.iter_mut().zip(&records).for_each(|(reader, records)| settle(reader, records));
                let [records, _] = records;
                all.extend(records);
                journal.sync();
            };
            deliver();
            let mut live = begin(&journal, "a");
            office.now += SignedDuration::from_secs(5);
            office.resync(&mut live);
            for _ in 0..40 + seed {
                office.happen(&journal, &mut live);
            }
            deliver();
            if round == 5 {
                office.close(&journal, &mut live);
                deliver();
                drop(live);
                close(journal);
            } else {
                disk.crash();
                drop((live, journal));
            }
        }
        assert!(segments(&disk).len() < 4);
        assert!(check(&all, true) > 10);
    }
}

#[test]
fn switching_off_ends_open_calls_once() {
    let run = |disk: &FaultyFs, calls: &[&str], office: &mut Office| {
        let (journal, _) = open_deriving(disk, &small(), calls);
        let mut live = begin(&journal, "a");
        office.now += SignedDuration::from_secs(5);
        office.resync(&mut live);
        for _ in 0..50 {
            office.happen(&journal, &mut live);
        }
        drop(live);
        journal
    };
    let disk = disk();
    let mut office = Office::new(7);
    close(run(&disk, &["a", "b"], &mut office));
    let off = run(&disk, &["b"], &mut office);
    let records = everything(&off);
    check(&records, true);
    let (last, calls) = (calls_of(&records).last().unwrap().1.clone(), calls_of(&records).len());
    assert!(last.step == "ended" && memchr::memmem::find(&last.data, b"\"certain\":false").is_some());
    disk.crash();
    drop(off);
    close(run(&disk, &[], &mut office));
    let (on, _) = open_deriving(&disk, &small(), &["a"]);
    assert_eq!(calls_of(&everything(&on)).len(), calls, "nothing is derived while it is off");
    finish(&on, &mut office);
    let records = everything(&on);
    check(&records, true);
    assert!(calls_of(&records).len() > calls);
}

/// Kills at every call of the file system, also amid recovery.
#[test]
fn a_kill_amid_recovery_repeats_nothing() {
    for calls in 0..140 {
        let disk = disk();
        let (journal, _) = open_deriving(&disk, &small(), &["a"]);
        let mut office = Office::new(calls);
        let mut live = begin(&journal, "a");
        office.resync(&mut live);
        for _ in 0..25 {
            office.happen(&journal, &mut live);
        }
        disk.crash();
        drop((live, journal));
        // What follows from the last record is cut off.
        let path = segments(&disk).pop().unwrap();
        disk.edit(&path, |content| content.truncate(content.len() - 300));
        disk.crash_after(Some(calls));
        let sources = journal_kit::names(&["a", "b"]);
        let derivation = journal_kit::office::derivation(if calls % 2 == 0 { &["a"] } else { &[] });
        let monitor = std::sync::Arc::new(journal::Unmonitored);
        drop(Journal::open_with(&small(), disk.process(), &sources, &sources, monitor, Some(&derivation)));
        disk.crash_after(None);
        disk.crash();
        let (journal, _) = open_deriving(&disk, &small(), &["a"]);
        finish(&journal, &mut office);
        check(&everything(&journal), true);
    }
}

/// The disk fails for a while.
#[test]
fn calls_go_on_while_the_disk_fails() {
    for seed in 0..10 {
        let disk = disk();
        let (journal, _) = open_deriving(&disk, &small(), &["a"]);
        let mut office = Office::new(seed);
        let mut live = begin(&journal, "a");
        office.resync(&mut live);
        for round in 0..4 {
            for _ in 0..20 {
                office.happen(&journal, &mut live);
            }
            let writes = if round % 2 == 0 { Writes::Fail } else { Writes::Work };
            disk.set(Faults { writes, ..Faults::default() });
            journal.sync();
        }
        disk.set(Faults::default());
        journal.sync();
        disk.crash();
        drop((live, journal));
        let (journal, _) = open_deriving(&disk, &small(), &["a"]);
        finish(&journal, &mut office);
        check(&everything(&journal), true);
    }
}

#[test]
fn an_erasure_removes_calls_from_records_and_heads() {
    let disk = disk();
    let (journal, _) = open_deriving(&disk, &small(), &["a"]);
    let mut office = Office::new(3);
    let mut live = begin(&journal, "a");
    office.resync(&mut live);
    for _ in 0..120 {
        office.happen(&journal, &mut live);
    }
    office.close(&journal, &mut live);
    let holds = |text: &[u8]| memchr::memmem::find(text, b"0721000111").is_some();
    let is_meant = move |record: &Record| match &record.body {
        Body::Event(event) => holds(&event.bytes),
        Body::Call(call) => holds(&call.data),
        Body::Notice(_) => false,
    };
    let within = |disk: &FaultyFs| disk.files().iter().filter(|(_, content)| holds(content)).count();
    assert!(within(&disk) > 2);
    journal.erase(&is_meant).unwrap();
    assert_eq!(within(&disk), 0);
    assert!(!everything(&journal).iter().any(is_meant));
    drop(live);
    disk.crash();
    drop(journal);
    let (journal, notes) = open_deriving(&disk, &small(), &["a"]);
    assert_eq!(notes, Vec::<String>::new());
    finish(&journal, &mut office);
}
