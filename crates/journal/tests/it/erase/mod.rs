//! Erasure of a person's events: nothing of them is left, and the ledgers stay exact.

mod concurrency;
mod delivery;
mod faults;

use std::path::PathBuf;

use event::{Body, RawEvent, Record, SinkId};
use jiff::Timestamp;
use journal::{Erased, Journal, Options, Reader};

use journal_kit::{begin, config, faulty_fs::FaultyFs, id, read, settle};

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
