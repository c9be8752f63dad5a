//! `journal erase`: the events that name a number are gone, and the ledger stays exact.

use std::{fs, path::Path, process::Command, sync::Arc};

use bytes::Bytes;
use event::{RawEvent, SinkId, SourceId};
use journal::{Journal, Options, Unmonitored, fs::Disk};
use journal_kit::{begin, close, config, names, read, settle};

const NUMBER: &str = "0721555444";

fn open(dir: &Path) -> Journal {
    let config = Options { dir: dir.join("journal"), ..config() };
    Journal::open(&config, Arc::new(Disk), &names(&["pbx1"]), &names(&["out"]), Arc::new(Unmonitored))
        .unwrap()
        .0
}

/// An `extenUpdate` of a call with this number.
fn call(number: &str) -> RawEvent {
    let text = format!(
        r#"42["extenUpdate",{{"exten":"201","conversations":{{"PJSIP/201-0a>":{{"counterpartNum":"{number}"}}}}}}]"#
    );
    let end = u32::try_from(text.len()).unwrap() - 1;
    let bytes = Bytes::from(text);
    RawEvent {
        at: jiff::Timestamp::now(),
        bytes,
        name: 4..15,
        args: 17..end,
        argc: 1,
        attachments: Box::default(),
    }
}

fn erase(dir: &Path, number: &str) -> (Option<i32>, String) {
    let file = dir.join("config.toml");
    let text = format!(
        "[sources.pbx1]\nurl = \"https://pbx.example\"\nusername = \"u\"\npassword = \"p\"\ncountry_code = \"39\"\n\
         [sinks.out]\ntype = \"stdout\"\n[journal]\ndir = {:?}\n",
        dir.join("journal").display().to_string()
    );
    fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cti-bridge"));
    let output =
        command.args(["journal", "erase", "--number", number, "--config"]).arg(&file).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.code(), text)
}

/// True if a file below this directory holds the text.
fn holds(dir: &Path, text: &str) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, text);
        }
        fs::read(&path).unwrap().windows(text.len()).any(|part| part == text.as_bytes())
    })
}

#[test]
fn events_that_name_a_number_are_erased() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let mut live = begin(&journal, "pbx1");
    for number in [NUMBER, "0721000111", "+39 0721 555 444", "202"] {
        live.event(call(number));
        live.commit();
    }
    journal.write_dead_letter("pbx1-1-out.json", || format!(r#"{{"payload":"{NUMBER}"}}"#).into());
    let (code, text) = erase(dir.path(), "+390721555444");
    assert!(code != Some(0) && text.contains("another cti-bridge uses the journal"), "{text}");
    drop(live);
    close(journal);

    assert!(holds(dir.path(), NUMBER));
    let (code, text) = erase(dir.path(), "+390721555444");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("erased 2 events") && text.contains("1 dead letters"), "{text}");
    assert!(text.contains("what was delivered to the sink out (stdout)"), "{text}");
    assert!(!holds(&dir.path().join("journal"), NUMBER), "the number is still there");

    let journal = open(dir.path());
    let mut reader = journal.reader(SinkId(0));
    let records = read(&mut reader);
    assert!(records.iter().all(|record| !format!("{record:?}").contains("555")), "{records:?}");
    settle(&mut reader, &records);
    let (ledger, pending) = journal.ledger(SinkId(0), SourceId(0));
    assert_eq!((ledger.filtered, ledger.received, pending), (2, ledger.settled(), 0), "{ledger:?}");
}

#[test]
fn a_number_that_is_too_short_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = erase(dir.path(), "201");
    assert!(code == Some(64) && text.contains("give the complete number"), "{text}");
}
