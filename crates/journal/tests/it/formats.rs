//! Journals of earlier formats: read and continued, but never appended to.
//!
//! The fixtures were written by releases of the bridge: two sources, eight records, six of them settled by `y`.

use std::path::{Path, PathBuf};

use event::{Body, LossReason, SinkId, SourceId};
use jiff::SignedDuration;

use journal_kit::{
    DIR, adds_up, begin, close, config, disk, events, faulty_fs::FaultyFs, notice_of, office::Office, open,
    open_deriving, read, segments, settle,
};

/// Returns the fixture of an earlier version.
fn golden(version: u8) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/journal-{version}"))
}

/// Returns a disk with a journal of an earlier version. `content` replaces its segment.
fn earlier(version: u8, content: Option<&[u8]>) -> FaultyFs {
    let (disk, golden) = (disk(), golden(version));
    let fs = disk.process();
    for dir in ["", "segments", "cursors"] {
        fs.create_dir(&Path::new(DIR).join(dir)).unwrap();
    }
    for name in ["identity", "cursors/x", "cursors/y", SEGMENT] {
        let file = fs.create(&Path::new(DIR).join(name)).unwrap();
        let content = content.filter(|_| name == SEGMENT).map(<[u8]>::to_vec);
        let content = content.unwrap_or_else(|| std::fs::read(golden.join(name)).unwrap());
        assert_eq!(file.append(&content).unwrap(), content.len());
    }
    disk
}

const SEGMENT: &str = "segments/000000000001.log";

#[test]
fn a_journal_of_an_earlier_version_is_read_and_continued() {
    for version in [1, 2, 3] {
        let disk = earlier(version, None);
        let (journal, notes) = open(&disk, &config());
        assert_eq!(notes, Vec::<String>::new());
        let mut x = journal.reader(SinkId(0));
        let records = read(&mut x);
        let names: Vec<String> = records.iter().map(|it| notice_of(it).0.to_owned()).collect();
        assert_eq!(names, ["started", "started", "gap", "connected", "gap", "connected", "q", "q"]);
        assert!(records.iter().all(|it| !it.unchanged));
        assert_eq!(read(&mut journal.reader(SinkId(1))).len(), 2, "y had settled six");
        settle(&mut x, &records);
        drop(x);
        events(&mut begin(&journal, "a"), "e", 3, 100);
        close(journal);
        let (journal, notes) = open(&disk, &config());
        assert_eq!(notes, Vec::<String>::new());
        assert_eq!(
            read(&mut journal.reader(SinkId(0))).len(),
            6,
            "gap, connected, three events, disconnected"
        );
        assert_eq!(journal.ledger(SinkId(0), SourceId(0)).0.published, 4);
    }
}

#[test]
fn a_segment_of_an_earlier_version_is_rewritten_in_the_current_one() {
    for version in [1, 2, 3] {
        let disk = earlier(version, None);
        let (journal, _) = open(&disk, &config());
        assert_eq!(journal.erase(&|_| true).unwrap().records, [1, 1]);
        assert_eq!(disk.files()[&Path::new(DIR).join(SEGMENT)][8], 4);
        close(journal);
        let (journal, notes) = open(&disk, &config());
        assert_eq!(notes, Vec::<String>::new());
        let mut x = journal.reader(SinkId(0));
        let records = read(&mut x);
        settle(&mut x, &records);
        assert_eq!(records.len(), 6, "the notices");
        assert_eq!(journal.ledger(SinkId(0), SourceId(0)).0.filtered, 1);
        adds_up(&journal);
    }
}

/// An earlier version must refuse what it can't read, so it must not find it under its own version.
#[test]
fn a_segment_of_an_earlier_version_is_not_appended_to() {
    let disk = earlier(3, None);
    let before = disk.files()[&Path::new(DIR).join(SEGMENT)].clone();
    for _ in 0..40 {
        let (journal, notes) = open(&disk, &config());
        assert_eq!(notes, Vec::<String>::new());
        events(&mut begin(&journal, "a"), "e", 1, 100);
        close(journal);
    }
    for (path, content) in disk.files().iter().filter(|(path, _)| path.extension().is_some()) {
        let is_old = path.ends_with(SEGMENT);
        assert_eq!(content[8], if is_old { 3 } else { 4 }, "{path:?}");
        assert!(!is_old || *content == before);
    }
    assert!(disk.files()[&Path::new(DIR).join("identity")].starts_with(b"cti-bridge identity 4 "));
}

#[test]
fn a_damaged_journal_of_version_1_keeps_what_is_intact() {
    let content = std::fs::read(golden(1).join(SEGMENT)).unwrap();
    let mut flipped = content.clone();
    let at = content.windows(9).position(|bytes| bytes == b"connected").unwrap();
    flipped[at] ^= 1;
    let torn = content[..content.len() - 3].to_vec();
    for (content, damaged) in [(torn, 0), (flipped, 1)] {
        let disk = earlier(1, Some(&content));
        for round in 0..2 {
            let (journal, notes) = open(&disk, &config());
            assert_eq!(notes.is_empty(), round == 1, "{notes:?}");
            let mut x = journal.reader(SinkId(0));
            let records = read(&mut x);
            assert_eq!(records.len(), 7, "damaged: {damaged}");
            if round == 1 {
                settle(&mut x, &records);
                assert_eq!(crate::absences::lost(&journal, SinkId(0), "a", LossReason::Damaged), damaged);
                adds_up(&journal);
            }
            drop(x);
            close(journal);
        }
    }
}

/// The first start with the current version begins a segment, and derives into that one only.
#[test]
fn calls_are_derived_behind_a_journal_of_format_3() {
    let disk = earlier(3, None);
    let before = disk.files()[&Path::new(DIR).join(SEGMENT)].clone();
    let mut office = Office::new(1);
    let mut seen = 0;
    for round in 0..3 {
        let (journal, notes) = open_deriving(&disk, &config(), &["a"]);
        assert_eq!(notes, Vec::<String>::new());
        let mut live = begin(&journal, "a");
        office.now += SignedDuration::from_secs(5);
        office.resync(&mut live);
        for _ in 0..50 {
            office.happen(&journal, &mut live);
        }
        if round == 2 {
            office.close(&journal, &mut live);
        }
        let records = read(&mut journal.reader(SinkId(0)));
        assert!(records[..8].iter().all(|record| !matches!(record.body, Body::Call(_))));
        let calls = crate::derived::check(&records, round == 2);
        assert!(calls > seen, "{calls} calls");
        seen = calls;
        disk.crash();
        drop((live, journal));
    }
    let files = disk.files();
    for path in segments(&disk) {
        let is_old = path.ends_with(SEGMENT);
        assert_eq!(files[&path][8], if is_old { 3 } else { 4 }, "{path:?}");
        assert!(!is_old || files[&path] == before);
    }
}
