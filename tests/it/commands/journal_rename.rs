//! `journal rename`: a copy gets its own name, and reports what it leaves behind.

use std::{path::Path, process::Command, sync::Arc};

use event::{SinkId, SourceId};
use journal::{Archive, Journal, Options, Unmonitored, fs, rename};

use journal_kit::{begin, close, config, events, names, notice_of, read, settle};

fn open(dir: &Path) -> Journal {
    let config = Options { dir: dir.to_owned(), ..config() };
    let opened = Journal::open(
        &config,
        Arc::new(fs::Disk),
        &names(&["a", "b"]),
        &names(&["x", "y"]),
        Arc::new(Unmonitored),
    );
    let (journal, recovery) = opened.unwrap();
    assert_eq!(recovery.notes, Vec::<String>::new());
    journal
}

fn program(dir: &Path) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cti-bridge"));
    let output = command.args(["journal", "rename", "--dir"]).arg(dir).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.success(), text)
}

#[test]
fn a_renamed_journal_begins_empty_and_its_numbers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    events(&mut begin(&journal, "a"), "e", 10, 10);
    events(&mut begin(&journal, "b"), "e", 5, 10);
    let mut reader = journal.reader(SinkId(0));
    let records = read(&mut reader);
    settle(&mut reader, &records[..13]);
    let (old, newest) = (journal.id(), journal.newest(SourceId(0)).0);
    let (refused, text) = program(dir.path());
    assert!(!refused && text.contains("another cti-bridge uses the journal"), "{text}");
    drop(reader);
    close(journal);

    let (ok, text) = program(dir.path());
    assert!(ok, "{text}");
    let left = |sink: &str, source: &str, from: usize| {
        let of = records[from..].iter().filter(|record| names(&["a", "b"])[record.source.index()] == source);
        let numbers: Vec<u64> = of.map(|record| record.seq.0).collect();
        let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
        format!(
            "undelivered: sink {sink}, source {source}: {} records, numbers {first} to {last}\n",
            numbers.len()
        )
    };
    for line in [left("x", "b", 13), left("y", "a", 0), left("y", "b", 0)] {
        assert!(text.contains(&line), "{line}{text}");
    }
    assert!(!text.contains("sink x, source a") && text.contains("`instance`"), "{text}");
    let aside = Archive::open(&dir.path().join("renamed").join(old.as_str())).unwrap();
    assert_eq!((aside.journal, aside.records().count()), (old, records.len()));

    let journal = open(dir.path());
    assert_ne!(journal.id(), old);
    let mut live = begin(&journal, "a");
    events(&mut live, "e", 1, 10);
    let fresh = read(&mut journal.reader(SinkId(1)));
    assert_eq!(notice_of(&fresh[0]).0, "gap", "nothing of the old one is left to be sent");
    assert!(fresh.iter().all(|record| record.seq > newest));
    drop(live);
    close(journal);

    // As often as anybody likes.
    let again = rename(dir.path()).unwrap();
    assert_eq!(again.undelivered.len(), 2, "{again:?}");
    assert!(rename(&dir.path().join("nowhere")).is_err() && !dir.path().join("nowhere").exists());
}
