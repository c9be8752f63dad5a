//! Model test: a journal that is too small for its load, under disk failures, kills and power failures.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
};

use event::{LossReason, Position, Record, Seq, SinkId, SourceId};
use journal::{Journal, Live, Options, Reader, WhenFull};
use proptest::prelude::*;

use journal_kit::{
    DIR, RUNTIME, adds_up, begin, config, content,
    faulty_fs::{Faults, FaultyFs, Survives, Syncs, Writes},
    open, settle,
    states::{message, of_name, state},
};

const BOUND: u64 = 256 << 10;
/// Number of extensions per source.
const EXTENSIONS: u64 = 4;

/// Subject of an event: a source and, for state events, one of its extensions.
type About = (usize, Option<u64>);

#[derive(Debug, Clone, Copy)]
enum Step {
    States(u64, usize),
    Messages(u64, usize),
    Read(usize, usize),
    Settle(usize, usize),
    Rewind(usize),
    Sync,
    Announce,
    /// Erases a fifth of the events.
    Erase(u64),
    Fault(Faults),
    Kill,
    Power(Survives),
}

fn step() -> impl Strategy<Value = Step> {
    let survives = prop_oneof![Just(Survives::Nothing), Just(Survives::Prefix)];
    let writes = prop_oneof![
        2 => Just(Writes::Work),
        1 => Just(Writes::Short),
        2 => (0u64..40_000).prop_map(Writes::Space),
        1 => Just(Writes::Fail),
    ];
    let syncs = prop_oneof![3 => Just(Syncs::Work), 1 => Just(Syncs::FailOnce)];
    prop_oneof![
        10 => (1u64..20, 0usize..3_000).prop_map(|(count, size)| Step::States(count, size)),
        5 => (1u64..20, 0usize..3_000).prop_map(|(count, size)| Step::Messages(count, size)),
        4 => (0usize..2, 1usize..40).prop_map(|(sink, most)| Step::Read(sink, most)),
        4 => (0usize..2, 1usize..40).prop_map(|(sink, most)| Step::Settle(sink, most)),
        1 => (0usize..2).prop_map(Step::Rewind),
        6 => Just(Step::Sync),
        1 => Just(Step::Announce),
        1 => (0u64..5).prop_map(Step::Erase),
        1 => (writes, syncs)
            .prop_map(|(writes, syncs)| Step::Fault(Faults { writes, syncs, ..Faults::default() })),
        2 => Just(Step::Fault(Faults::default())),
        1 => Just(Step::Kill),
        1 => survives.prop_map(Step::Power),
    ]
}

/// A running process.
struct Run {
    lives: [Live; 2],
    readers: [Reader; 2],
    journal: Journal,
}

struct Model {
    disk: FaultyFs,
    config: Options,
    run: Option<Run>,
    next: u64,
    about: BTreeMap<u64, About>,
    /// Events that must survive a power failure, unless superseded.
    alive: BTreeSet<u64>,
    durable: BTreeSet<u64>,
    /// Events that an erasure has removed, or may have.
    erased: BTreeMap<u64, bool>,
    settled: [BTreeSet<u64>; 2],
    held: [Vec<Record>; 2],
    given: HashMap<(SourceId, Seq), (Position, Vec<u8>)>,
    /// Whether nothing has failed so far.
    is_exact: bool,
    had_faults: bool,
}

impl Model {
    fn new(seed: u64, when_full: WhenFull, name_quota: u8) -> Self {
        let disk = FaultyFs::new(seed, Path::new(DIR));
        let config = Options { max_bytes: Some(BOUND), when_full, name_quota, ..config() };
        let run = Some(Run::open(&disk, &config));
        Self {
            disk,
            config,
            run,
            next: 0,
            about: BTreeMap::new(),
            alive: BTreeSet::new(),
            durable: BTreeSet::new(),
            erased: BTreeMap::new(),
            settled: Default::default(),
            held: Default::default(),
            given: HashMap::new(),
            is_exact: true,
            had_faults: false,
        }
    }

    fn run(&mut self) -> &mut Run {
        self.run.as_mut().unwrap()
    }

    fn lost(&self, sink: SinkId, reasons: &[LossReason]) -> u64 {
        let journal = &self.run.as_ref().unwrap().journal;
        let of = |source| {
            reasons
                .iter()
                .filter_map(move |of| journal.ledger(sink, source).0.lost.get(of).copied())
                .sum::<u64>()
        };
        of(SourceId(0)) + of(SourceId(1))
    }

    fn append(&mut self, count: u64, size: usize, is_state: bool) {
        for number in self.next..self.next + count {
            let source = usize::from(number % 3 == 0);
            let exten = (number / 3) % EXTENSIONS;
            let before = self.lost(SinkId(0), &[LossReason::Quota, LossReason::JournalFull]);
            let frame =
                if is_state { state(&exten.to_string(), number, size) } else { message(number, size) };
            let live = &mut self.run().lives[source];
            live.event(frame);
            live.commit();
            self.about.insert(number, (source, is_state.then_some(exten)));
            let is_refused = self.config.when_full == WhenFull::DropNewest
                && self.lost(SinkId(0), &[LossReason::Quota, LossReason::JournalFull]) > before;
            if !is_refused {
                self.alive.insert(number);
            }
        }
        self.next += count;
    }

    fn read(&mut self, sink: usize, most: usize) -> Vec<Record> {
        let reader = &mut self.run().readers[sink];
        let mut records = Vec::new();
        let mut tries = 0;
        while records.len() < most && !reader.at_end() {
            RUNTIME.block_on(reader.read(most - records.len(), &mut records));
            tries += 1;
            assert!(tries < 10_000, "the reader is stuck");
        }
        let mut last = self.held[sink].last().map(|record| record.position);
        for record in &records {
            assert!(last < Some(record.position), "sink {sink}: out of order");
            last = Some(record.position);
            let number = numbers(std::slice::from_ref(record)).first().copied();
            assert!(
                number.is_none_or(|number| self.erased.get(&number) != Some(&true)),
                "{number:?} was erased"
            );
            let (position, _, _, _, bytes) = content(record);
            let known = self.given.entry((record.source, record.seq)).or_insert((position, bytes.clone()));
            assert_eq!(known.1, bytes, "{:?} was given twice", record.seq);
        }
        self.held[sink].extend(records.iter().cloned());
        records
    }

    fn settle(&mut self, sink: usize, most: usize) {
        let most = most.min(self.held[sink].len());
        let records: Vec<_> = self.held[sink].drain(..most).collect();
        settle(&mut self.run().readers[sink], &records);
        self.settled[sink].extend(numbers(&records));
    }

    /// A sink misses only superseded events and the oldest that had to be dropped.
    fn check(&self, sink: usize, records: &[Record]) {
        let mut has = self.settled[sink].clone();
        has.extend(numbers(records));
        let missing: Vec<u64> = self.alive.difference(&has).copied().collect();
        if self.config.when_full == WhenFull::DropNewest {
            assert!(missing.is_empty(), "sink {sink}: {missing:?}");
        }
        let oldest = numbers(records).first().copied().unwrap_or(u64::MAX);
        for number in missing {
            let about = self.about[&number];
            // A power failure may leave more than what is guaranteed.
            let later = has.range(number..).chain(self.erased.range(number..).map(|(number, _)| number));
            let is_superseded = later.into_iter().any(|it| self.about[it] == about);
            // Of events without state the oldest are dropped, wherever that is worthwhile.
            let newest = of_name(records, "message").last().copied();
            let is_over_quota = about.1.is_none() && newest > Some(number);
            assert!(
                is_superseded || is_over_quota || number < oldest,
                "sink {sink}: {number} of {about:?} is missing, of {has:?}"
            );
        }
    }

    fn restart(&mut self) {
        self.run = None;
        self.disk.set(Faults::default());
        self.held = Default::default();
        self.run = Some(Run::open(&self.disk, &self.config));
        for sink in [0, 1] {
            let records = self.read(sink, usize::MAX);
            self.check(sink, &records);
            self.held[sink].clear();
            self.run().readers[sink].rewind();
        }
    }

    fn erase(&mut self, rest: u64) {
        let is_meant = |number: u64| number % 5 == rest;
        let matches = |record: &Record| {
            numbers(std::slice::from_ref(record)).first().is_some_and(|number| is_meant(*number))
        };
        let is_done = self.run().journal.erase(&matches).is_ok();
        assert!(is_done || self.had_faults);
        for number in (0..self.next).filter(|number| is_meant(*number)) {
            let known = self.erased.entry(number).or_default();
            *known |= is_done;
            self.alive.remove(&number);
            self.durable.remove(&number);
        }
    }

    fn sync(&mut self) {
        let before = self.disk.failed_syncs();
        self.run().journal.sync();
        if self.disk.faults() == Faults::default() && self.disk.failed_syncs() == before {
            // Twice: the first call writes what was in memory only.
            self.run().journal.sync();
            self.durable = self.alive.clone();
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::States(count, size) => self.append(count, size, true),
            Step::Messages(count, size) => self.append(count, size, false),
            Step::Read(sink, most) => drop(self.read(sink, most)),
            Step::Settle(sink, most) => self.settle(sink, most),
            Step::Rewind(sink) => {
                self.held[sink].clear();
                self.run().readers[sink].rewind();
            }
            Step::Sync => self.sync(),
            Step::Announce => self.run().journal.announce_losses(),
            Step::Erase(rest) => self.erase(rest),
            Step::Fault(faults) => {
                self.is_exact &= faults == Faults::default();
                self.had_faults |= faults != Faults::default();
                self.disk.set(faults);
            }
            Step::Kill => {
                // Records in memory only are lost with the process; the other model covers that.
                self.disk.set(Faults::default());
                self.sync();
                self.is_exact = false;
                self.disk.crash();
                self.restart();
            }
            Step::Power(survives) => {
                self.is_exact = false;
                self.disk.power_failure(survives);
                self.alive = self.durable.clone();
                self.restart();
            }
        }
        let run = self.run.as_ref().unwrap();
        adds_up(&run.journal);
        for (sink, reader) in (0..).map(SinkId).zip(&run.readers) {
            let of = |source| run.journal.ledger(sink, SourceId(source)).1;
            assert_eq!(reader.pending(), of(0) + of(1));
        }
        // Notices are never refused.
        if !self.had_faults && self.config.when_full == WhenFull::DropOldest {
            let within = Path::new(DIR).join("segments");
            let files = self.disk.files().into_iter().filter(|(path, _)| path.parent() == Some(&within));
            let bytes: usize = files.map(|(_, content)| content.len()).sum();
            // An event, a header, and the copy of a segment.
            assert!(bytes as u64 <= BOUND + BOUND / 16 + 8_000, "{bytes} bytes");
        }
    }

    /// Delivers everything.
    fn finish(&mut self) {
        for id in [SinkId(0), SinkId(1)] {
            let sink = id.index();
            self.held[sink].clear();
            self.run().readers[sink].rewind();
            let records = self.read(sink, usize::MAX);
            self.check(sink, &records);
            self.settle(sink, usize::MAX);
            assert!(self.run().readers[sink].is_drained());
            assert_eq!(self.run().readers[sink].pending(), 0);
            let missing = self.alive.difference(&self.settled[sink]).count() as u64;
            // Records dropped before a crash are found missing after it.
            let reasons =
                [LossReason::Quota, LossReason::Superseded, LossReason::JournalFull, LossReason::Damaged];
            let lost = self.lost(id, &reasons);
            assert!(lost >= missing, "sink {sink}: {missing} are missing, {lost} are counted");
            if self.is_exact
                && self.config.when_full == WhenFull::DropOldest
                && self.lost(id, &[LossReason::JournalFull]) == 0
            {
                assert_eq!(lost, missing, "sink {sink}");
            }
            assert_eq!(self.lost(id, &[LossReason::Disk]), 0);
        }
        adds_up(&self.run().journal);
    }
}

impl Run {
    fn open(disk: &FaultyFs, config: &Options) -> Self {
        let (journal, _) = open(disk, config);
        let lives = ["a", "b"].map(|source| begin(&journal, source));
        Self { lives, readers: [journal.reader(SinkId(0)), journal.reader(SinkId(1))], journal }
    }
}

fn numbers(records: &[Record]) -> Vec<u64> {
    let mut numbers = [of_name(records, "extenUpdate"), of_name(records, "message")].concat();
    numbers.sort_unstable();
    numbers
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// Under any fault, the newest state survives, nothing is lost silently, and the bound holds.
    #[test]
    fn a_full_journal_keeps_the_newest_states_and_counts_losses(
        seed in any::<u64>(),
        drops_oldest in prop::bool::weighted(0.8),
        name_quota in prop_oneof![Just(30u8), Just(100)],
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let when_full = if drops_oldest { WhenFull::DropOldest } else { WhenFull::DropNewest };
        let mut model = Model::new(seed, when_full, name_quota);
        for step in steps {
            model.step(step);
        }
        model.step(Step::Fault(Faults::default()));
        model.step(Step::Sync);
        model.step(Step::Power(Survives::Nothing));
        model.finish();
    }
}
