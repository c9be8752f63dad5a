//! Search for a number: found, lost, skipped, too old, or not assigned; a read error is none of these.

use std::time::Duration;

use event::{Seq, SinkId, SourceId};
use jiff::Timestamp;
use journal::{Journal, Options, Search};

use journal_kit::{
    RUNTIME, begin, close, config, disk, events,
    faulty_fs::{Faults, FaultyFs},
    open, read, segments, settle,
};

const A: SourceId = SourceId(0);

fn search(journal: &Journal, number: u64) -> Search {
    RUNTIME.block_on(journal.search(A, Seq(number))).unwrap()
}

/// Returns a disk with events of both sources from two processes, for a third one that only reads, and the
/// last number of the first process.
fn two_processes() -> (FaultyFs, u64) {
    let disk = disk();
    let (journal, _) = open(&disk, &config());
    events(&mut begin(&journal, "a"), "e", 10, 100);
    let last = journal.newest(A).0.0;
    close(journal);
    let (journal, _) = open(&disk, &config());
    events(&mut begin(&journal, "b"), "e", 3, 100);
    events(&mut begin(&journal, "a"), "damaged", 1, 100);
    events(&mut begin(&journal, "a"), "e", 3, 100);
    close(journal);
    (disk, last)
}

#[test]
fn a_number_is_found_skipped_or_not_assigned_yet() {
    let (disk, last) = two_processes();
    let (journal, _) = open(&disk, &config());
    let records = read(&mut journal.reader(SinkId(0)));
    for record in records.iter().filter(|record| record.source == A) {
        let Search::Found(found) = search(&journal, record.seq.0) else { panic!("{record:?}") };
        assert_eq!((found.position, found.at), (record.position, record.at));
    }
    // Before the first record of the next process, whatever its source.
    let behind = records.iter().find(|record| record.source != A).unwrap().position;
    for skipped in [last + 1, last + 1_000] {
        let found = search(&journal, skipped);
        assert!(matches!(found, Search::Skipped(next) if next == behind), "{skipped}: {found:?}, {behind:?}");
    }
    let (newest, _) = journal.newest(A);
    // Skipped at the start of this process.
    assert!(matches!(search(&journal, newest.0), Search::Skipped(_)));
    for beyond in [newest.0 + 1, u64::MAX] {
        assert!(matches!(search(&journal, beyond), Search::Beyond), "{beyond}");
    }
}

#[test]
fn a_lost_number_resumes_before_the_first_record_above_it() {
    for before_opening in [true, false] {
        let (disk, _) = two_processes();
        let (journal, _) = open(&disk, &config());
        let records = read(&mut journal.reader(SinkId(0)));
        let lost = records
            .iter()
            .position(|record| journal_kit::content(record).4.windows(7).any(|it| it == b"damaged"));
        let (lost, next) = (&records[lost.unwrap()], &records[lost.unwrap() + 1]);
        let damage = || {
            disk.edit(&segments(&disk)[1], |content| {
                let at = content.windows(7).position(|bytes| bytes == b"damaged").unwrap();
                content[at] ^= 1;
            });
        };
        let journal = if before_opening {
            close(journal);
            damage();
            open(&disk, &config()).0
        } else {
            damage();
            journal
        };
        let found = search(&journal, lost.seq.0);
        assert!(matches!(found, Search::Lost(position) if position == next.position), "{found:?}, {next:?}");
        let Search::Found(_) = search(&journal, next.seq.0) else { panic!("{next:?} is behind the damage") };
    }
}

#[test]
fn a_number_that_is_no_longer_retained_is_older() {
    let disk = disk();
    let config = Options { retain: Duration::ZERO, ..config() };
    let (journal, _) = open(&disk, &config);
    events(&mut begin(&journal, "a"), "e", 10, 100);
    let first = journal.newest(A).0;
    for sink in [SinkId(0), SinkId(1)] {
        let mut reader = journal.reader(sink);
        let records = read(&mut reader);
        settle(&mut reader, &records);
    }
    close(journal);
    let (journal, _) = open(&disk, &config);
    events(&mut begin(&journal, "a"), "e", 1, 100);
    journal.sync();
    assert!(matches!(search(&journal, first.0), Search::Older(_)));
}

#[test]
fn a_read_error_is_not_an_answer() {
    let (disk, last) = two_processes();
    let (journal, _) = open(&disk, &config());
    let position = read(&mut journal.reader(SinkId(0)))[3].position;
    disk.set(Faults { reads_fail: true, ..Faults::default() });
    assert!(RUNTIME.block_on(journal.search(A, Seq(last))).is_err());
    assert!(RUNTIME.block_on(journal.since(Timestamp::UNIX_EPOCH)).is_err());
    assert!(RUNTIME.block_on(journal.source_cursors_at(position)).is_err());
    disk.set(Faults::default());
    assert!(matches!(search(&journal, last), Search::Found(_)));
    let cursors = RUNTIME.block_on(journal.source_cursors_at(position)).unwrap().unwrap();
    assert_eq!((cursors[0].count, cursors[1].count), (3, 0));
}
