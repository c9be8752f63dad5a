//! A journal on a simulated disk: sources a and b, sinks x and y.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "tests"
)]

mod failure;
pub mod faulty_fs;
pub mod losses;
pub mod office;
pub mod run;
pub mod states;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use event::{Body, Position, RawEvent, Record, Seq, SinkId, SourceId};
use jiff::Timestamp;
use journal::{
    Journal, Live, OpenError, Opened, Options, Reader, Recovery, Settled, Sync, Unmonitored, WhenFull,
};

pub use self::failure::Failure;
use self::faulty_fs::FaultyFs;

pub static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());
pub const DIR: &str = "/journal";
/// Returns options without bounds or expiring retention, which sync on request only.
pub fn config() -> Options {
    Options {
        dir: DIR.into(),
        sync: Sync::Every(Duration::from_hours(1)),
        max_bytes: Some(1 << 30),
        max_age: None,
        when_full: WhenFull::DropOldest,
        name_quota: 100,
        retain: Duration::from_hours(1),
        memory: 64 << 20,
    }
}

pub fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

pub fn open_as(
    disk: &FaultyFs,
    config: &Options,
    sources: &[&str],
    sinks: &[&str],
) -> Result<(Journal, Recovery), OpenError> {
    Journal::open(config, disk.process(), &names(sources), &names(sinks), Arc::new(Unmonitored))
}

/// Opens a journal with sources a and b, sinks x and y, that derives calls from these sources.
pub fn open_deriving(disk: &FaultyFs, config: &Options, calls: &[&str]) -> (Journal, Vec<String>) {
    let (sources, sinks) = (names(&["a", "b"]), names(&["x", "y"]));
    let derivation = office::derivation(calls);
    let (journal, recovery) = Journal::open_with(
        config,
        disk.process(),
        &sources,
        &sinks,
        Arc::new(Unmonitored),
        Some(&derivation),
    )
    .unwrap();
    adds_up(&journal);
    (journal, recovery.notes)
}

/// Opens a journal with sources a and b, sinks x and y.
pub fn open(disk: &FaultyFs, config: &Options) -> (Journal, Vec<String>) {
    let (journal, recovery) = open_as(disk, config, &["a", "b"], &["x", "y"]).unwrap();
    adds_up(&journal);
    (journal, recovery.notes)
}

pub fn disk() -> FaultyFs {
    FaultyFs::new(1, Path::new(DIR))
}

pub fn id(journal: &Journal, name: &str) -> SourceId {
    journal.source(name).unwrap_or_else(|| panic!("no source {name}"))
}

pub fn frame(name: &str, size: usize, attachments: usize) -> RawEvent {
    let text = format!("42[\"{name}\",\"{}\"]", "x".repeat(size));
    let (name_end, end) = (4 + u32::try_from(name.len()).unwrap(), u32::try_from(text.len()).unwrap() - 1);
    let attachments = (0..attachments).map(|n| Bytes::from(vec![u8::try_from(n).unwrap(); size])).collect();
    let args = name_end + 2..end;
    RawEvent { at: Timestamp::now(), bytes: text.into(), name: 4..name_end, args, argc: 1, attachments }
}

/// Starts a session; its `gap` and `connected` come first.
pub fn begin(journal: &Journal, source: &str) -> Live {
    let opened =
        Opened { user: "bridge".into(), profile: None, sees: vec![], privacy: None, may_have_missed: vec![] };
    journal.ingest(id(journal, source)).begin(opened)
}

pub fn events(live: &mut Live, name: &str, count: usize, size: usize) {
    for _ in 0..count {
        live.event(frame(name, size, 0));
        live.commit();
    }
}

/// Reads everything from the reader's position on.
pub fn read(reader: &mut Reader) -> Vec<Record> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut records = Vec::new();
    while !reader.at_end() {
        RUNTIME.block_on(reader.read(256, &mut records));
        assert!(Instant::now() < deadline, "the reader is stalled after {}", records.len());
    }
    for pair in records.windows(2) {
        assert!(pair[0].position < pair[1].position, "{pair:?}");
    }
    records
}

pub fn settle(reader: &mut Reader, records: &[Record]) {
    reader.settle(
        records.iter().map(|record| (record.position, record.source, record.seq, Settled::Published)),
    );
}

/// Checks the ledger identity for two sources and two sinks.
pub fn adds_up(journal: &Journal) {
    for (sink, source) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (ledger, pending) = journal.ledger(SinkId(sink), SourceId(source));
        assert_eq!(ledger.received, ledger.settled() + pending, "sink {sink} source {source}: {ledger:?}");
    }
}

/// Creates a disk with these files.
pub fn disk_of(files: &BTreeMap<PathBuf, Vec<u8>>) -> FaultyFs {
    let disk = disk();
    for (path, content) in files {
        let fs = disk.process();
        fs.create_dir(path.parent().unwrap()).unwrap();
        let file = fs.create(path).unwrap();
        let mut rest = &content[..];
        while !rest.is_empty() {
            rest = &rest[file.append(rest).unwrap()..];
        }
    }
    disk
}

/// Returns what must come out as it went in.
pub fn content(record: &Record) -> (Position, SourceId, Seq, Timestamp, Vec<u8>) {
    let bytes = match &record.body {
        Body::Event(frame) => format!("{:?}", (&frame.bytes, &frame.name, &frame.args, &frame.attachments)),
        Body::Notice(notice) => format!("{notice:?}"),
        Body::Call(call) => format!("{call:?}"),
    };
    (record.position, record.source, record.seq, record.at, bytes.into_bytes())
}

pub fn contents(records: &[Record]) -> Vec<(Position, SourceId, Seq, Timestamp, Vec<u8>)> {
    records.iter().map(content).collect()
}

pub fn notice_of(record: &Record) -> (&str, serde_json::Value) {
    match &record.body {
        Body::Notice(notice) => (&notice.name, serde_json::from_slice(&notice.data).unwrap()),
        Body::Event(frame) => (std::str::from_utf8(&frame.bytes[4..5]).unwrap(), serde_json::Value::Null),
        Body::Call(call) => (&call.step, serde_json::from_slice(&call.data).unwrap()),
    }
}

/// Counts the `lost` notices for a sink by reason.
pub fn announced(records: &[Record], sink: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (what, data) in records.iter().map(notice_of) {
        if what == "lost" && data["sink"] == sink {
            assert!(data["from"].as_u64() <= data["to"].as_u64(), "{data}");
            *counts.entry(data["reason"].as_str().unwrap().to_owned()).or_default() +=
                data["count"].as_u64().unwrap();
        }
    }
    counts
}

pub fn segments(disk: &FaultyFs) -> Vec<PathBuf> {
    let within = Path::new(DIR).join("segments");
    disk.files().into_keys().filter(|path| path.parent() == Some(&within)).collect()
}

pub fn close(journal: Journal) {
    journal.close();
    drop(journal);
}
