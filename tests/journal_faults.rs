//! The journal on a disk that fails, and under power failures: checked against a model.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "support/faulty_fs.rs"]
mod faulty_fs;

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::LazyLock,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cti_bridge::{
    event::{Body, LossReason, Record, Seq, SourceId},
    health::{Board, State},
    journal::{
        Journal, Live, Opened, Reader, Settled,
        config::{Disk, Sync, WhenFull},
    },
    socketio::Frame,
};
use faulty_fs::{Faults, FaultyFs, Survives, Syncs, Writes};
use jiff::Timestamp;
use proptest::prelude::*;

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());
const SOURCES: [SourceId; 2] = [SourceId(0), SourceId(1)];

/// One process on the disk: sources a and b, sinks x and y.
struct Run {
    lives: Vec<Live>,
    readers: [Reader; 2],
    journal: Journal,
    board: Board,
    notes: Vec<String>,
}

impl Run {
    fn open(disk: &FaultyFs, memory: usize) -> Self {
        let config = Disk {
            dir: "/journal".into(),
            sync: Sync::Every(Duration::from_hours(1)),
            max_bytes: Some(1 << 30),
            max_age: None,
            when_full: WhenFull::DropOldest,
            name_quota: 100,
            retain: Duration::from_hours(1),
            memory,
        };
        let board = Board::default();
        let health = board.component("journal".to_owned());
        let names = |names: [&str; 2]| names.map(str::to_owned);
        let opened = Journal::open(&config, disk.process(), &names(["a", "b"]), &names(["x", "y"]), health);
        let (journal, recovery) = opened.unwrap_or_else(|error| panic!("it was refused: {error}"));
        let readers = [journal.reader(0), journal.reader(1)];
        Self { lives: Vec::new(), readers, journal, board, notes: recovery.notes }
    }

    /// Events of both sources, by their numbers.
    fn events(&mut self, numbers: std::ops::Range<u64>, size: usize) {
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

    fn read(&mut self, sink: usize, most: usize) -> Vec<Record> {
        let reader = &mut self.readers[sink];
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut records = Vec::new();
        while records.len() < most && !reader.at_end() {
            RUNTIME.block_on(reader.read(most - records.len(), &mut records));
            assert!(Instant::now() < deadline, "the reader stands still after {}", records.len());
        }
        records
    }

    fn settle(&mut self, sink: usize, records: &[Record]) {
        let settled = records.iter().map(|it| (it.position, it.source, it.seq, Settled::Published));
        self.readers[sink].settle(settled);
    }

    fn failure(&self) -> Option<String> {
        match &self.board.snapshot()["journal"].state {
            State::Failing { reason } => Some(reason.clone()),
            State::Active | State::Pending => None,
        }
    }

    fn lost(&self, sink: usize, reason: LossReason) -> u64 {
        let of = |source| self.journal.ledger(sink, source).0.lost.get(&reason).copied().unwrap_or_default();
        SOURCES.into_iter().map(of).sum()
    }

    fn adds_up(&self) {
        for (sink, reader) in self.readers.iter().enumerate() {
            let mut all = 0;
            for source in SOURCES {
                let (ledger, pending) = self.journal.ledger(sink, source);
                assert_eq!(ledger.received, ledger.settled() + pending, "sink {sink}: {ledger:?}");
                all += pending;
            }
            assert_eq!(reader.pending(), all, "sink {sink}");
        }
    }
}

fn frame(number: u64, size: usize) -> Frame {
    let text = format!("42[\"e\",{number},\"{}\"]", "x".repeat(size));
    let end = u32::try_from(text.len()).unwrap() - 1;
    let attachments = (0..number % 3).map(|n| Bytes::from(vec![7; usize::try_from(n).unwrap()])).collect();
    Frame { at: Timestamp::now(), bytes: text.into(), name: 4..5, args: 7..end, argc: 2, attachments }
}

fn number(record: &Record) -> Option<u64> {
    let Body::Event(frame) = &record.body else { return None };
    let args = frame.args();
    std::str::from_utf8(&args).unwrap().split(',').next().unwrap().parse().ok()
}

fn numbers(records: &[Record]) -> Vec<u64> {
    records.iter().filter_map(number).collect()
}

fn disk(seed: u64) -> FaultyFs {
    FaultyFs::new(seed, Path::new("/journal"))
}

const FAULTS: [Faults; 6] = {
    let none = Faults { writes: Writes::Work, syncs: Syncs::Work, reads_fail: false };
    [
        Faults { writes: Writes::Space(0), ..none },
        Faults { writes: Writes::Space(700), ..none },
        Faults { writes: Writes::ReadOnly, ..none },
        Faults { writes: Writes::Fail, ..none },
        Faults { writes: Writes::Fail, syncs: Syncs::Fail, ..none },
        Faults { syncs: Syncs::Fail, ..none },
    ]
};

#[test]
fn a_disk_that_refuses_stops_no_delivery_and_gets_everything_afterwards() {
    for faults in FAULTS {
        let disk = disk(7);
        let mut run = Run::open(&disk, 1 << 20);
        run.events(0..50, 100);
        run.journal.sync();
        assert_eq!(run.failure(), None);
        disk.set(faults);
        run.events(50..100, 100);
        run.journal.sync();
        let reason = run.failure().unwrap_or_else(|| panic!("{faults:?} went unnoticed"));
        assert!(reason.contains("/journal"), "{reason}");
        let records = run.read(0, usize::MAX);
        assert_eq!(numbers(&records), (0..100).collect::<Vec<_>>(), "{faults:?}");
        run.settle(0, &records);
        run.events(100..200, 100);
        run.adds_up();
        disk.set(Faults::default());
        run.journal.sync();
        assert_eq!(run.failure(), None, "{faults:?} lasts");
        disk.crash();
        let mut run = Run::open(&disk, 1 << 20);
        assert_eq!(run.notes, Vec::<String>::new(), "{faults:?}");
        assert_eq!(numbers(&run.read(0, usize::MAX)), (100..200).collect::<Vec<_>>(), "{faults:?}");
        assert_eq!(numbers(&run.read(1, usize::MAX)), (0..200).collect::<Vec<_>>(), "{faults:?}");
        assert_eq!(run.lost(1, LossReason::Disk), 0);
        run.adds_up();
    }
}

#[test]
fn what_neither_disk_nor_memory_holds_is_counted_and_announced() {
    for faults in &FAULTS[..5] {
        let disk = disk(8);
        let mut run = Run::open(&disk, 200_000);
        run.events(0..50, 1_000);
        run.journal.sync();
        let mut first = run.read(0, usize::MAX);
        run.settle(0, &first);
        disk.set(*faults);
        run.events(50..1_000, 1_000);
        let held = run.read(0, usize::MAX);
        assert!(numbers(&held).last() == Some(&999), "the newest is there");
        let lost = [run.lost(0, LossReason::Disk), run.lost(1, LossReason::Disk)];
        assert_eq!(lost[0] + held.len() as u64, 950, "{faults:?}");
        run.journal.announce_losses();
        run.adds_up();
        disk.set(Faults::default());
        run.journal.sync();
        disk.crash();
        let mut run = Run::open(&disk, 200_000);
        first.extend(run.read(1, usize::MAX));
        let mut announced = [0, 0];
        for record in &first {
            if let Body::Notice(told) = &record.body
                && told.what == "lost"
            {
                let told: serde_json::Value = serde_json::from_slice(&told.data).unwrap();
                assert_eq!(told["reason"], "disk");
                announced[usize::from(told["sink"] == "y")] += told["count"].as_u64().unwrap();
            }
        }
        assert_eq!(announced, lost, "{faults:?}");
        assert_eq!([run.lost(0, LossReason::Disk), run.lost(1, LossReason::Disk)], lost, "{faults:?}");
        run.adds_up();
    }
}

#[test]
fn a_disk_that_can_not_be_read_for_a_while_loses_nothing() {
    let disk = disk(9);
    let mut run = Run::open(&disk, 1 << 20);
    run.events(0..100, 100);
    run.journal.close();
    drop(run);
    let mut run = Run::open(&disk, 1 << 20);
    disk.set(Faults { reads_fail: true, ..Faults::default() });
    let heal = std::thread::spawn({
        let disk = disk.clone();
        move || {
            std::thread::sleep(Duration::from_millis(300));
            disk.set(Faults::default());
        }
    });
    assert_eq!(numbers(&run.read(0, usize::MAX)), (0..100).collect::<Vec<_>>());
    heal.join().unwrap();
    assert_eq!(run.lost(0, LossReason::Damaged), 0);
}

#[test]
fn numbers_that_may_have_left_are_skipped_after_a_power_failure_and_the_gap_says_which() {
    for survives in [Survives::Nothing, Survives::Prefix, Survives::Anything] {
        let disk = disk(10);
        let mut run = Run::open(&disk, 1 << 20);
        run.events(0..50, 100);
        run.journal.sync();
        run.events(50..100, 100);
        let newest = SOURCES.map(|source| run.journal.newest(source).0);
        assert_eq!(numbers(&run.read(0, usize::MAX)).len(), 100);
        disk.power_failure(survives);
        drop(run);
        let mut run = Run::open(&disk, 1 << 20);
        let kept = numbers(&run.read(0, usize::MAX));
        assert!(kept.len() >= 50 && kept[..50].iter().copied().eq(0..50), "{survives:?}: {kept:?}");
        run.events(100..101, 100);
        for record in run.read(0, usize::MAX) {
            assert!(record.seq > newest[record.source.index()], "{survives:?}: {record:?}");
            if let Body::Notice(told) = &record.body
                && told.what == "gap"
            {
                let gap: serde_json::Value = serde_json::from_slice(&told.data).unwrap();
                let to = gap["skipped"][1].as_u64().expect("nothing was skipped");
                assert_eq!((&gap["reason"], Seq(to + 1)), (&"crashed".into(), record.seq), "{gap}");
                assert!(gap["skipped"][0].as_u64() <= Some(to) && to >= newest[record.source.index()].0);
            }
        }
    }
}

#[test]
fn numbers_that_only_memory_held_are_not_given_again_after_a_kill() {
    let mut again = Vec::new();
    // Nothing can be noted on a read-only disk; there a reboot, or the broker's tail, tells.
    let noted = FAULTS[..5].iter().filter(|faults| faults.writes != Writes::ReadOnly);
    for (faults, before) in noted.flat_map(|faults| [(faults, 0), (faults, 10)]) {
        let disk = disk(11);
        let mut run = Run::open(&disk, 1 << 20);
        run.events(0..before, 100);
        run.journal.sync();
        disk.set(*faults);
        run.events(before..20, 100);
        run.journal.sync();
        assert_eq!(numbers(&run.read(0, usize::MAX)).len(), 20);
        let newest = SOURCES.map(|source| run.journal.newest(source).0);
        disk.crash();
        disk.set(Faults::default());
        drop(run);
        let mut run = Run::open(&disk, 1 << 20);
        run.read(0, usize::MAX);
        run.events(20..30, 100);
        if run.read(0, usize::MAX).iter().any(|it| it.seq <= newest[it.source.index()]) {
            again.push((faults, before));
        }
    }
    assert!(again.is_empty(), "given again under {again:#?}");
}

/// What the journal must hold to.
struct Model {
    disk: FaultyFs,
    run: Option<Run>,
    next: u64,
    /// Every number that was read, and what it was given to.
    given: HashMap<(String, SourceId, Seq), (Timestamp, String)>,
    /// By journal: one that lost its name as well begins anew, and so do its numbers.
    newest: HashMap<(String, SourceId), Seq>,
    /// Events that must be there; after a kill; after a power failure.
    alive: BTreeSet<u64>,
    written: BTreeSet<u64>,
    durable: BTreeSet<u64>,
    settled: [BTreeSet<u64>; 2],
    held: [Vec<Record>; 2],
    faults: Faults,
    failed_syncs: u64,
    /// The disk may have holes: what is in one waits, uncounted, until its place is passed.
    torn: bool,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Events(u64, usize),
    Read(usize, usize),
    Settle(usize, usize),
    Rewind(usize),
    Sync,
    Announce,
    Fault(Faults),
    Close,
    Kill,
    Power(Survives),
}

fn step() -> impl Strategy<Value = Step> {
    let survives = prop_oneof![Just(Survives::Nothing), Just(Survives::Prefix), Just(Survives::Anything)];
    let writes = prop_oneof![
        Just(Writes::Work),
        Just(Writes::Short),
        (0u64..4_000).prop_map(Writes::Space),
        Just(Writes::ReadOnly),
        Just(Writes::Fail),
    ];
    let syncs = prop_oneof![Just(Syncs::Work), Just(Syncs::FailOnce), Just(Syncs::Fail)];
    prop_oneof![
        8 => (1u64..20, 0usize..1_500).prop_map(|(count, size)| Step::Events(count, size)),
        4 => (0usize..2, 1usize..30).prop_map(|(sink, most)| Step::Read(sink, most)),
        4 => (0usize..2, 1usize..30).prop_map(|(sink, most)| Step::Settle(sink, most)),
        1 => (0usize..2).prop_map(Step::Rewind),
        4 => Just(Step::Sync),
        1 => Just(Step::Announce),
        3 => (writes, syncs).prop_map(|(writes, syncs)| Step::Fault(Faults { writes, syncs, reads_fail: false })),
        2 => Just(Step::Fault(Faults::default())),
        1 => Just(Step::Close),
        2 => Just(Step::Kill),
        2 => survives.prop_map(Step::Power),
    ]
}

impl Model {
    fn new(seed: u64) -> Self {
        let disk = disk(seed);
        let run = Some(Run::open(&disk, 64 << 20));
        Self {
            disk,
            run,
            next: 0,
            given: HashMap::new(),
            newest: HashMap::new(),
            alive: BTreeSet::new(),
            written: BTreeSet::new(),
            durable: BTreeSet::new(),
            settled: [BTreeSet::new(), BTreeSet::new()],
            held: [Vec::new(), Vec::new()],
            faults: Faults::default(),
            failed_syncs: 0,
            torn: false,
        }
    }

    fn run(&mut self) -> &mut Run {
        self.run.as_mut().unwrap()
    }

    fn set(&mut self, faults: Faults) {
        self.faults = faults;
        self.disk.set(faults);
    }

    fn read(&mut self, sink: usize, most: usize) -> Vec<Record> {
        let records = self.run().read(sink, most);
        let id = self.run().journal.id().to_string();
        let mut last = self.held[sink].last().map(|record| record.position);
        for record in &records {
            assert!(last < Some(record.position), "sink {sink}: out of order");
            last = Some(record.position);
            let body = format!("{:?}", record.body);
            let now = (record.at, body);
            if let Some(before) = self.given.get(&(id.clone(), record.source, record.seq)) {
                assert_eq!(*before, now, "{:?} was given twice", record.seq);
            } else {
                let newest = self.newest.entry((id.clone(), record.source)).or_default();
                assert!(record.seq > *newest, "{:?} comes after {newest:?}", record.seq);
                *newest = record.seq;
                self.given.insert((id.clone(), record.source, record.seq), now);
            }
        }
        self.held[sink].extend(records.iter().cloned());
        records
    }

    fn sync(&mut self) {
        let faults = self.disk.faults();
        let works = faults.syncs == Syncs::Work && matches!(faults.writes, Writes::Work | Writes::Short);
        let run = self.run.as_ref().unwrap();
        let fine = works && run.failure().is_none();
        run.journal.sync();
        if fine {
            self.durable = self.alive.clone();
        }
    }

    /// The pages of a sync that failed may be gone at once; or at the next boot, though they are read and synced without
    /// complaint until then.
    fn note_failed_syncs(&mut self) {
        if self.disk.failed_syncs() > self.failed_syncs {
            self.failed_syncs = self.disk.failed_syncs();
            self.written = self.durable.clone();
            self.torn = true;
        }
    }

    fn restart(&mut self) {
        // Readers and sessions of the process that is gone go with it.
        self.run = None;
        self.set(Faults::default());
        self.held = [Vec::new(), Vec::new()];
        self.run = Some(Run::open(&self.disk, 64 << 20));
        let notes = self.run().notes.clone();
        for sink in [0, 1] {
            let records = self.read(sink, usize::MAX);
            let read: BTreeSet<u64> = numbers(&records).into_iter().collect();
            let missing = self.alive.difference(&self.settled[sink]).find(|it| !read.contains(it));
            assert_eq!(missing, None, "sink {sink} misses it; read {read:?}; {notes:?}");
            if !self.torn {
                assert_eq!(
                    self.run().readers[sink].pending(),
                    records.len() as u64,
                    "sink {sink}; {notes:?}"
                );
            }
            self.held[sink].clear();
            self.run().readers[sink].rewind();
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Events(count, size) => {
                let numbers = self.next..self.next + count;
                self.next += count;
                self.run().events(numbers.clone(), size);
                self.alive.extend(numbers);
                if matches!(self.faults.writes, Writes::ReadOnly | Writes::Fail | Writes::Space(0)) {
                    assert!(self.run().failure().is_some(), "{:?} went unnoticed", self.faults);
                }
            }
            Step::Read(sink, most) => drop(self.read(sink, most)),
            Step::Settle(sink, most) => {
                let most = most.min(self.held[sink].len());
                let records: Vec<_> = self.held[sink].drain(..most).collect();
                self.run().settle(sink, &records);
                self.settled[sink].extend(numbers(&records));
            }
            Step::Rewind(sink) => {
                self.held[sink].clear();
                self.run().readers[sink].rewind();
            }
            Step::Sync => self.sync(),
            Step::Announce => self.run().journal.announce_losses(),
            // The keeper passes once a second: it notes that numbers are unsure as soon as the disk lets it.
            Step::Fault(faults)
                if self.faults.writes == Writes::ReadOnly && faults.writes != Writes::ReadOnly =>
            {
                self.set(faults);
                self.sync();
            }
            Step::Fault(faults) => self.set(faults),
            Step::Close => {
                self.set(Faults::default());
                self.sync();
                self.sync();
                self.run().lives.clear();
                self.run().journal.close();
                self.durable = self.alive.clone();
                self.restart();
            }
            // A disk that went read-only is mended by a reboot.
            Step::Kill if self.faults.writes == Writes::ReadOnly => self.step(Step::Power(Survives::Nothing)),
            Step::Kill => {
                self.disk.crash();
                self.note_failed_syncs();
                self.alive = self.written.clone();
                self.restart();
            }
            Step::Power(survives) => {
                self.disk.power_failure(survives);
                self.alive = self.durable.clone();
                self.torn |= survives != Survives::Nothing;
                self.restart();
            }
        }
        self.note_failed_syncs();
        if self.run().failure().is_none() {
            self.written = self.alive.clone();
        }
        self.run().adds_up();
        assert_eq!(self.run().lost(0, LossReason::Disk) + self.run().lost(1, LossReason::Disk), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// No number that was read is given again; what was synced survives a power failure, what was written a kill;
    /// what only memory held is on the disk as soon as that works again.
    #[test]
    fn whatever_fails_nothing_is_given_twice_and_what_was_safe_is_there(
        seed in any::<u64>(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut model = Model::new(seed);
        for step in steps {
            model.step(step);
        }
        for step in [Step::Fault(Faults::default()), Step::Sync, Step::Sync, Step::Power(Survives::Nothing)] {
            model.step(step);
        }
    }
}
