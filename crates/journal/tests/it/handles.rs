//! Number of files that a journal creates and keeps open.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use event::{Record, SinkId};
use journal::{Archive, Journal, Options, Recovery, Unmonitored, fs};

use journal_kit::{begin, config, events, names, read, settle};

/// Opens a journal on the real file system, with segments of 64 KiB.
fn open(dir: &Path) -> (Journal, Recovery) {
    let config = Options { dir: dir.to_owned(), max_bytes: Some(16 * SEGMENT), ..config() };
    Journal::open(&config, Arc::new(fs::Disk), &names(&["a"]), &names(&["x"]), Arc::new(Unmonitored)).unwrap()
}

const SEGMENT: u64 = 64 << 10;

/// Counts the files below a directory that this process has open.
fn open_files(dir: &Path) -> usize {
    let links =
        std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fd.unwrap().path().read_link().ok());
    links.filter(|path| path.starts_with(dir)).count()
}

/// Waits until at most `most` files are open; writing a cursor or syncing a directory briefly opens more.
fn assert_open(dir: &Path, most: usize) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while open_files(dir) > most {
        assert!(Instant::now() < deadline, "{} files are open", open_files(dir));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn segments(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("segments")).unwrap().count()
}

#[test]
fn segments_are_open_while_they_are_read_or_written() {
    let dir = tempfile::tempdir().unwrap();
    let dir = &dir.path().canonicalize().unwrap();
    let (journal, _) = open(dir);
    let mut live = begin(&journal, "a");
    events(&mut live, "extenUpdate", 800, 1024);
    journal.sync();
    assert!(segments(dir) > 10, "{}", segments(dir));
    // The lock and the newest segment.
    assert_open(dir, 2);
    drop(live);
    journal.close();
    drop(journal);

    let archive = Archive::open(dir).unwrap();
    assert_eq!(open_files(dir), 0);
    let archived = archive.entries().map(Result::unwrap).filter(|entry| entry.record().is_some()).count();
    drop(archive);

    let (journal, _) = open(dir);
    assert_open(dir, 2);
    let mut reader = journal.reader(SinkId(0));
    let records = read(&mut reader);
    assert_eq!(records.len(), archived);
    assert_open(dir, 2);
}

#[test]
fn a_crash_loop_does_not_multiply_segments() {
    let dir = tempfile::tempdir().unwrap();
    let mut newest = 0;
    for round in 0..60 {
        let (journal, recovery) = open(dir.path());
        assert_eq!(recovery.notes, [""; 0], "{round}");
        let mut reader = journal.reader(SinkId(0));
        let mut live = begin(&journal, "a");
        events(&mut live, "extenUpdate", 3, 100);
        // Records of an earlier process and of this one.
        let records = read(&mut reader);
        assert!(records.len() >= 5 && records.windows(2).all(|pair| pair[0].seq < pair[1].seq));
        newest = settled(&mut reader, &records, newest);
        journal.sync();
        // Killed, not closed.
    }
    assert!(segments(dir.path()) <= 18, "{}", segments(dir.path()));
}

fn settled(reader: &mut journal::Reader, records: &[Record], newest: u64) -> u64 {
    assert!(records.iter().all(|record| record.seq.0 > newest), "delivered again");
    settle(reader, records);
    records.last().unwrap().seq.0
}

#[test]
fn a_damaged_or_outdated_segment_is_not_continued() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("segments");
    let crash = |sources: &[&str]| {
        let config = Options { dir: dir.path().to_owned(), max_bytes: Some(16 * SEGMENT), ..config() };
        let opened = Journal::open(
            &config,
            Arc::new(fs::Disk),
            &names(sources),
            &names(&["x"]),
            Arc::new(Unmonitored),
        );
        let (journal, recovery) = opened.unwrap();
        events(&mut begin(&journal, "a"), "extenUpdate", 3, 100);
        (segments(dir.path()), recovery.notes, read(&mut journal.reader(SinkId(0))).len())
    };
    let rounds: Vec<usize> = (0..20).map(|_| crash(&["a"]).0).collect();
    assert_eq!(rounds[15..], [16; 5]);
    // An incomplete entry at the end.
    let newest = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let length = std::fs::metadata(&newest).unwrap().len();
    std::fs::File::options().write(true).open(&newest).unwrap().set_len(length - 7).unwrap();
    let (count, notes, _) = crash(&["a"]);
    assert_eq!((count, notes.len()), (17, 1), "{notes:?}");
    let (count, notes, read) = crash(&["a", "b"]);
    assert_eq!((count, notes), (18, vec![]), "its header does not know source b");
    assert!(read > 60, "{read}");
    assert_eq!(crash(&["a", "b"]).0, 18);
}
