//! A process with a journal on a disk that may fail.

use std::sync::Arc;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use event::{Body, LossReason, RawEvent, Record, SinkId, SourceId};
use jiff::Timestamp;
use journal::{Journal, Live, Opened, Options, Reader, Settled};

use super::{DIR, Failure, RUNTIME, config, faulty_fs::FaultyFs};

pub const SOURCES: [SourceId; 2] = [SourceId(0), SourceId(1)];

/// One process on the disk: sources a and b, sinks x and y.
#[derive(Debug)]
pub struct Run {
    pub lives: Vec<Live>,
    pub readers: [Reader; 2],
    pub journal: Journal,
    failure: Failure,
    pub notes: Vec<String>,
}

impl Run {
    pub fn open(disk: &FaultyFs, memory: usize) -> Self {
        let config = Options { memory, ..config() };
        let failure = Failure::default();
        let names = |names: [&str; 2]| names.map(str::to_owned);
        let opened = Journal::open(
            &config,
            disk.process(),
            &names(["a", "b"]),
            &names(["x", "y"]),
            Arc::new(failure.clone()),
        );
        let (journal, recovery) = opened.unwrap_or_else(|error| panic!("it was refused: {error}"));
        let readers = [journal.reader(SinkId(0)), journal.reader(SinkId(1))];
        Self { lives: Vec::new(), readers, journal, failure, notes: recovery.notes }
    }

    /// Appends events of both sources with these numbers.
    pub fn events(&mut self, numbers: std::ops::Range<u64>, size: usize) {
        if self.lives.is_empty() {
            let opened = Opened {
                user: "bridge".into(),
                profile: None,
                sees: vec![],
                privacy: None,
                may_have_missed: vec![],
            };
            self.lives = SOURCES.map(|source| self.journal.ingest(source).begin(opened.clone())).into();
        }
        for number in numbers {
            let live = &mut self.lives[usize::from(number % 3 == 0)];
            live.event(frame(number, size));
            live.commit();
        }
    }

    pub fn read(&mut self, sink: usize, most: usize) -> Vec<Record> {
        let reader = &mut self.readers[sink];
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut records = Vec::new();
        while records.len() < most && !reader.at_end() {
            RUNTIME.block_on(reader.read(most - records.len(), &mut records));
            assert!(Instant::now() < deadline, "the reader is stalled after {}", records.len());
        }
        records
    }

    pub fn settle(&mut self, sink: usize, records: &[Record]) {
        let settled = records.iter().map(|it| (it.position, it.source, it.seq, Settled::Published));
        self.readers[sink].settle(settled);
    }

    pub fn failure(&self) -> Option<String> {
        self.failure.reason()
    }

    pub fn lost(&self, sink: SinkId, reason: LossReason) -> u64 {
        let of = |source| self.journal.ledger(sink, source).0.lost.get(&reason).copied().unwrap_or_default();
        SOURCES.into_iter().map(of).sum()
    }

    pub fn adds_up(&self) {
        for (sink, reader) in (0..).map(SinkId).zip(&self.readers) {
            let mut all = 0;
            for source in SOURCES {
                let (ledger, pending) = self.journal.ledger(sink, source);
                assert_eq!(ledger.received, ledger.settled() + pending, "{sink:?}: {ledger:?}");
                all += pending;
            }
            assert_eq!(reader.pending(), all, "{sink:?}");
        }
    }
}

pub fn frame(number: u64, size: usize) -> RawEvent {
    let text = format!("42[\"e\",{number},\"{}\"]", "x".repeat(size));
    let end = u32::try_from(text.len()).unwrap() - 1;
    let attachments = (0..number % 3).map(|n| Bytes::from(vec![7; usize::try_from(n).unwrap()])).collect();
    RawEvent { at: Timestamp::now(), bytes: text.into(), name: 4..5, args: 7..end, argc: 2, attachments }
}

pub fn number(record: &Record) -> Option<u64> {
    let Body::Event(frame) = &record.body else { return None };
    let args = frame.args();
    std::str::from_utf8(&args).unwrap().split(',').next().unwrap().parse().ok()
}

pub fn numbers(records: &[Record]) -> Vec<u64> {
    records.iter().filter_map(number).collect()
}

pub fn disk(seed: u64) -> FaultyFs {
    FaultyFs::new(seed, Path::new(DIR))
}
