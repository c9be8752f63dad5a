//! A process with a journal on a disk that may fail.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cti_bridge::{
    event::{Body, LossReason, RawEvent, Record, SinkId, SourceId},
    health::{Board, State},
    journal::{Journal, Live, Opened, Reader, Settled, config::Disk},
};
use jiff::Timestamp;

use super::{DIR, RUNTIME, config, faulty_fs::FaultyFs};

pub(crate) const SOURCES: [SourceId; 2] = [SourceId(0), SourceId(1)];

/// One process on the disk: sources a and b, sinks x and y.
pub(crate) struct Run {
    pub(crate) lives: Vec<Live>,
    pub(crate) readers: [Reader; 2],
    pub(crate) journal: Journal,
    pub(crate) board: Board,
    pub(crate) notes: Vec<String>,
}

impl Run {
    pub(crate) fn open(disk: &FaultyFs, memory: usize) -> Self {
        let config = Disk { memory, ..config() };
        let board = Board::default();
        let health = board.component("journal".to_owned());
        let names = |names: [&str; 2]| names.map(str::to_owned);
        let opened = Journal::open(&config, disk.process(), &names(["a", "b"]), &names(["x", "y"]), health);
        let (journal, recovery) = opened.unwrap_or_else(|error| panic!("it was refused: {error}"));
        let readers = [journal.reader(SinkId(0)), journal.reader(SinkId(1))];
        Self { lives: Vec::new(), readers, journal, board, notes: recovery.notes }
    }

    /// Events of both sources, by their numbers.
    pub(crate) fn events(&mut self, numbers: std::ops::Range<u64>, size: usize) {
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

    pub(crate) fn read(&mut self, sink: usize, most: usize) -> Vec<Record> {
        let reader = &mut self.readers[sink];
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut records = Vec::new();
        while records.len() < most && !reader.at_end() {
            RUNTIME.block_on(reader.read(most - records.len(), &mut records));
            assert!(Instant::now() < deadline, "the reader stands still after {}", records.len());
        }
        records
    }

    pub(crate) fn settle(&mut self, sink: usize, records: &[Record]) {
        let settled = records.iter().map(|it| (it.position, it.source, it.seq, Settled::Published));
        self.readers[sink].settle(settled);
    }

    pub(crate) fn failure(&self) -> Option<String> {
        match &self.board.snapshot()["journal"].state {
            State::Failing { reason } => Some(reason.clone()),
            State::Active | State::Pending => None,
        }
    }

    pub(crate) fn lost(&self, sink: SinkId, reason: LossReason) -> u64 {
        let of = |source| self.journal.ledger(sink, source).0.lost.get(&reason).copied().unwrap_or_default();
        SOURCES.into_iter().map(of).sum()
    }

    pub(crate) fn adds_up(&self) {
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

pub(crate) fn frame(number: u64, size: usize) -> RawEvent {
    let text = format!("42[\"e\",{number},\"{}\"]", "x".repeat(size));
    let end = u32::try_from(text.len()).unwrap() - 1;
    let attachments = (0..number % 3).map(|n| Bytes::from(vec![7; usize::try_from(n).unwrap()])).collect();
    RawEvent { at: Timestamp::now(), bytes: text.into(), name: 4..5, args: 7..end, argc: 2, attachments }
}

pub(crate) fn number(record: &Record) -> Option<u64> {
    let Body::Event(frame) = &record.body else { return None };
    let args = frame.args();
    std::str::from_utf8(&args).unwrap().split(',').next().unwrap().parse().ok()
}

pub(crate) fn numbers(records: &[Record]) -> Vec<u64> {
    records.iter().filter_map(number).collect()
}

pub(crate) fn disk(seed: u64) -> FaultyFs {
    FaultyFs::new(seed, Path::new(DIR))
}
