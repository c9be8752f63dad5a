//! Heads of segments: damaged, missing, of another version, and replaced.

use std::{ops::Range, path::Path, sync::Arc};

use event::{Body, Record, SinkId};
use jiff::SignedDuration;
use journal::{Journal, Live, Options, Unmonitored, fs::Disk};

use journal_kit::{
    DIR, begin, close, config, disk, disk_of,
    faulty_fs::{Faults, FaultyFs, Syncs, Writes},
    names,
    office::{Office, derivation},
    open_deriving, read, segments, settle,
};

use crate::derived::{check, everything, finish, recovers, small};

/// Returns the range of a segment's head.
fn head(content: &[u8]) -> Range<usize> {
    let word = |at: usize| u32::from_le_bytes(content[at..at + 4].try_into().unwrap()) as usize;
    let start = word(12);
    start..start + word(58)
}

fn flip_head(content: &mut [u8], at: usize) {
    let head = head(content);
    content[head][at] ^= 1;
}

/// Lets so many things happen in an office.
fn happen(journal: &Journal, live: &mut Live, office: &mut Office, count: u64) {
    for _ in 0..count {
        office.happen(journal, live);
    }
}

/// Returns a killed process's disk, with a head in each segment, and its office.
fn killed(seed: u64) -> (FaultyFs, Office, Vec<Record>) {
    let disk = disk();
    let (journal, _) = open_deriving(&disk, &small(), &["a"]);
    let mut office = Office::new(seed);
    let mut live = begin(&journal, "a");
    office.resync(&mut live);
    happen(&journal, &mut live, &mut office, 60);
    let records = everything(&journal);
    disk.crash();
    (disk, office, records)
}

#[test]
fn an_older_head_stands_in_for_a_damaged_one() {
    let (disk, _, full) = killed(0);
    let (files, paths) = (disk.files(), segments(&disk));
    assert!(paths.len() > 2);
    let newest = paths.last().unwrap();
    let length = head(&files[newest]).len();
    assert!(length > 100, "nothing goes on");
    // Number of sources, source, length, and the checksum; some of the state.
    let fields = (0..12).chain((12..length - 4).step_by(97)).chain(length - 4..length);
    for at in fields {
        let mut files = files.clone();
        flip_head(files.get_mut(newest).unwrap(), at);
        recovers(&files, &full, 0);
        // The two newest.
        flip_head(files.get_mut(&paths[paths.len() - 2]).unwrap(), 0);
        recovers(&files, &full, 0);
    }
    // A crash while the segment is created: nothing, or a part of its header and its head, is there.
    for end in (0..=head(&files[newest]).end).step_by(61) {
        let mut files = files.clone();
        files.get_mut(newest).unwrap().truncate(end);
        recovers(&files, &full, 0);
    }
}

#[test]
fn calls_are_forgotten_without_an_intact_head_and_a_note_says_so() {
    let flip: fn(&mut Vec<u8>) = |content| flip_head(content, 0);
    let other_version: fn(&mut Vec<u8>) = |content| {
        let head = head(content);
        let (state, sum) = content[head].split_last_chunk_mut::<4>().unwrap();
        // The first byte of the saved state.
        state[8] = 0xff;
        *sum = crc32c::crc32c(state).to_le_bytes();
    };
    let header: fn(&mut Vec<u8>) = |content| content[20] ^= 1;
    for (damage, expected) in [
        (flip, "is damaged: they get no end"),
        (other_version, "saved by another version"),
        (header, "get no end"),
    ] {
        let (disk, mut office, before) = killed(1);
        for path in segments(&disk) {
            disk.edit(&path, damage);
        }
        let (journal, notes) = open_deriving(&disk, &small(), &["a"]);
        assert!(notes.iter().any(|note| note.contains(expected)), "{notes:?}");
        finish(&journal, &mut office);
        let newest = before.last().unwrap().seq;
        let behind: Vec<Record> = everything(&journal).into_iter().filter(|it| it.seq > newest).collect();
        assert!(check(&behind, true) > 0);
        disk.crash();
        drop(journal);
        let (_, notes) = open_deriving(&disk, &small(), &["a"]);
        assert_eq!(notes, Vec::<String>::new());
    }
}

/// Kills at every call of the file system while segments are created, filled and erased from.
#[test]
fn a_kill_while_heads_are_written_leaves_each_call_one_end() {
    let mut has_erased = 0;
    for calls in 1..160 {
        let disk = disk();
        let (journal, _) = open_deriving(&disk, &small(), &["a"]);
        let mut office = Office::new(calls % 5);
        let (mut live, mut other) = (begin(&journal, "a"), begin(&journal, "b"));
        office.resync(&mut live);
        happen(&journal, &mut live, &mut office, 40);
        disk.crash_after(Some(calls));
        has_erased += u64::from(journal.erase(&|_| false).is_ok());
        happen(&journal, &mut live, &mut office, 10);
        happen(&journal, &mut other, &mut Office::new(9), 10);
        disk.crash_after(None);
        disk.crash();
        drop((live, other, journal));
        let (journal, _) = open_deriving(&disk, &small(), &["a"]);
        finish(&journal, &mut office);
        check(&everything(&journal), true);
    }
    assert!((20..140).contains(&has_erased), "{has_erased}");
}

/// Superseded states make room, the files of older segments are replaced, and delivered ones are removed.
#[test]
fn the_newest_head_outlives_compaction_and_retention() {
    for seed in 0..3 {
        let disk = disk();
        let options = Options { max_bytes: Some(512 << 10), retain: std::time::Duration::ZERO, ..config() };
        let mut office = Office::new(seed);
        let mut all = Vec::new();
        for round in 0..4 {
            let (journal, notes) = open_deriving(&disk, &options, &["a"]);
            assert_eq!(notes, Vec::<String>::new());
            let mut x = journal.reader(SinkId(0));
            let mut live = begin(&journal, "a");
            office.now += SignedDuration::from_secs(5);
            office.resync(&mut live);
            for _ in 0..20 {
                happen(&journal, &mut live, &mut office, 15);
                let records = read(&mut x);
                settle(&mut x, &records);
                all.extend(records);
                // y is away: compaction makes room.
                journal.sync();
            }
            if round == 3 {
                office.close(&journal, &mut live);
                all.extend(read(&mut x));
            }
            disk.crash();
            drop((live, x, journal));
        }
        all.sort_by_key(|record| record.seq);
        all.dedup_by_key(|record| record.seq);
        assert!(check(&all, true) > 50);
    }
}

/// What was written is written again, to segments without a head; a new one follows.
#[test]
fn calls_go_on_after_a_failed_sync() {
    for seed in 0..10 {
        let disk = disk();
        let options = Options { retain: std::time::Duration::ZERO, ..small() };
        let (journal, _) = open_deriving(&disk, &options, &["a"]);
        let mut office = Office::new(seed);
        let mut live = begin(&journal, "a");
        office.resync(&mut live);
        let mut readers = [SinkId(0), SinkId(1)].map(|sink| journal.reader(sink));
        let mut all = Vec::new();
        for round in 0..6 {
            happen(&journal, &mut live, &mut office, 20);
            let syncs = if round % 2 == 0 { Syncs::FailOnce } else { Syncs::Work };
            let writes = if round == 4 { Writes::Fail } else { Writes::Work };
            disk.set(Faults { syncs, writes, ..Faults::default() });
            journal.sync();
            disk.set(Faults::default());
            let records = readers.each_mut().map(read);
            readers.iter_mut().zip(&records).for_each(|(reader, records)| settle(reader, records));
            let [records, _] = records;
            all.extend(records);
            journal.sync();
        }
        disk.crash();
        drop((live, readers, journal));
        let (journal, notes) = open_deriving(&disk, &options, &["a"]);
        assert_eq!(notes, Vec::<String>::new());
        finish(&journal, &mut office);
        all.extend(everything(&journal));
        all.sort_by_key(|record| record.seq);
        all.dedup_by_key(|record| record.seq);
        check(&all, true);
    }
}

#[test]
fn a_renamed_journal_forgets_its_calls() {
    let (disk, mut office, before) = killed(2);
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in disk.files() {
        let path = dir.path().join(path.strip_prefix(DIR).unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    journal::rename(dir.path()).unwrap();
    let options = Options { dir: dir.path().to_owned(), ..small() };
    for round in 0..2 {
        let (sources, sinks, calls) = (names(&["a", "b"]), names(&["x", "y"]), derivation(&["a"]));
        let (journal, recovery) = Journal::open_with(
            &options,
            Arc::new(Disk),
            &sources,
            &sinks,
            Arc::new(Unmonitored),
            Some(&calls),
        )
        .unwrap();
        assert_eq!(recovery.notes, Vec::<String>::new());
        if round == 0 {
            finish(&journal, &mut office);
        }
        let records = everything(&journal);
        assert!(records.iter().all(|record| record.seq > before.last().unwrap().seq));
        assert!(check(&records, true) > 0);
        close(journal);
    }
}

/// The number of a call that goes on stays in the newest head, until an erasure after its end.
#[test]
fn an_erasure_leaves_the_number_of_a_call_that_goes_on_in_one_head() {
    const NUMBER: &[u8] = b"0721000111";
    let holds = |text: &[u8]| memchr::memmem::find(text, NUMBER).is_some();
    let is_meant = move |record: &Record| match &record.body {
        Body::Event(event) => holds(&event.bytes),
        Body::Call(call) => holds(&call.data),
        Body::Notice(_) => false,
    };
    let (killed, mut office, _) = killed(3);
    let disk = disk_of(&killed.files());
    // A damaged head may hold anything.
    disk.edit(&segments(&disk)[1], |content| flip_head(content, 0));
    let (journal, _) = open_deriving(&disk, &small(), &["a"]);
    let mut live = begin(&journal, "a");
    office.resync(&mut live);
    journal.erase(&is_meant).unwrap();
    let files = disk.files();
    let found: Vec<_> = files.iter().filter(|(_, content)| holds(content)).collect();
    let [(path, content)] = found[..] else { panic!("{} files", found.len()) };
    assert_eq!(Some(path), segments(&disk).last());
    let head = head(content);
    assert!(holds(&content[head.clone()]) && !holds(&content[head.end..]));
    office.close(&journal, &mut live);
    journal.erase(&is_meant).unwrap();
    assert!(!disk.files().iter().any(|(path, content)| path.starts_with(Path::new(DIR)) && holds(content)));
}
