//! Model test: the journal under disk failures, kills and power failures in any order.

use std::collections::{BTreeSet, HashMap};

use event::SinkId;
use event::{LossReason, Record, Seq, SourceId};
use jiff::Timestamp;
use proptest::prelude::*;

use journal_kit::{
    faulty_fs::{Faults, FaultyFs, Survives, Syncs, Writes},
    run::{Run, disk, numbers},
};

/// Expected state of the journal.
struct Model {
    disk: FaultyFs,
    run: Option<Run>,
    next: u64,
    /// Content of every number that was read.
    given: HashMap<(String, SourceId, Seq), (Timestamp, String)>,
    /// By journal: if the name is lost too, a new journal starts with new numbers.
    newest: HashMap<(String, SourceId), Seq>,
    /// Events that must survive a kill, and those that must survive a power failure.
    alive: BTreeSet<u64>,
    written: BTreeSet<u64>,
    durable: BTreeSet<u64>,
    settled: [BTreeSet<u64>; 2],
    held: [Vec<Record>; 2],
    faults: Faults,
    failed_syncs: u64,
    /// Whether the disk may have holes: their records are pending, uncounted, until a cursor passes the
    /// place.
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

    /// The pages of a failed sync may disappear at once, or at the next boot although they can be read until
    /// then.
    fn note_failed_syncs(&mut self) {
        if self.disk.failed_syncs() > self.failed_syncs {
            self.failed_syncs = self.disk.failed_syncs();
            self.written = self.durable.clone();
            self.torn = true;
        }
    }

    fn restart(&mut self) {
        // Readers and sessions end with their process.
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
            // Maintenance runs once a second and records as soon as the disk permits that numbers are
            // uncertain.
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
            // A reboot makes a read-only disk writable again.
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
        assert_eq!(
            self.run().lost(SinkId(0), LossReason::Disk) + self.run().lost(SinkId(1), LossReason::Disk),
            0
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// No number is reused. Synced records survive a power failure, written ones a kill; records in memory
    /// only are written as soon as the disk works again.
    #[test]
    fn random_faults_reuse_no_number_and_lose_no_synced_record(
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
