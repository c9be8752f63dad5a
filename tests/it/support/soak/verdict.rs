//! What must hold after all of it.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write as _,
    time::Duration,
};

use super::{
    RECOVERY, Settings,
    account::{PASSWORD, TOTP},
    hands::Happened,
    process::Sample,
    stored::{Gap, Stored},
};

/// What was on its way when a line broke was sent before the last event that arrived was read: in microseconds, on a
/// machine that does other things too.
const TRANSIT: u64 = 1_000_000;
/// The first samples of a process show it growing to its working size.
const WARM_UP: usize = 30;

pub(crate) struct Verdict {
    pub(crate) settings: Settings,
    pub(crate) faults: Vec<Happened>,
    /// When each probe was sent, in microseconds.
    pub(crate) sent: Vec<u64>,
    pub(crate) stored: Stored,
    /// The PBX's own state at the end.
    pub(crate) state: BTreeMap<(String, String), String>,
    /// How long it took until all of the state was read, when everything was well again; none if it never was.
    pub(crate) resynced: Option<Duration>,
    /// How long the last probe took to be stored; none if it never was.
    pub(crate) settled: Option<Duration>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) exit: Option<i32>,
    pub(crate) verified: (bool, String),
    pub(crate) log: String,
}

impl Verdict {
    /// Everything that does not hold, a sentence each.
    pub(crate) fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let mut check = |holds: bool, text: String| {
            if !holds {
                broken.push(text);
            }
        };
        check(!self.log.contains("panicked"), "the log tells of a panic".to_owned());
        for secret in [PASSWORD, TOTP] {
            check(!self.log.contains(secret), format!("the log shows {secret}"));
        }
        check(self.exit == Some(0), format!("the bridge ended with {:?}", self.exit));
        check(self.resynced.is_some(), "the state was never read in full".to_owned());
        check(self.settled.is_some(), "the last event was never stored".to_owned());
        check(self.verified.0, format!("verify says: {}", self.verified.1));
        let stored = &self.stored;
        check(stored.again == 0, format!("{} are stored twice", stored.again));
        check(stored.back == 0, format!("{} are out of order", stored.back));
        check(stored.formless.is_empty(), format!("out of form: {:?}", first(&stored.formless)));
        for lost in ["cti.bridge.lost.v1", "cti.bridge.deadlettered.v1"] {
            check(!stored.notices.contains_key(lost), format!("{lost}: {:?}", stored.notices.get(lost)));
        }
        let unannounced = self.unannounced();
        check(unannounced.is_empty(), format!("missing outside every gap: {:?}", first(&unannounced)));
        let silent = self.cuts_without_a_gap();
        check(silent.is_empty(), format!("cuts that no gap tells of: {:?}", first(&silent)));
        let double = stored.gaps.windows(2).filter(|pair| pair[1].from.is_some_and(|from| from < pair[0].to));
        check(double.count() == 0, "two gaps tell of the same time".to_owned());
        let late: Vec<_> =
            self.recoveries().filter(|(_, took)| took.is_none_or(|it| it > RECOVERY)).collect();
        check(late.is_empty(), format!("not live again within {RECOVERY:?}: {:?}", first(&late)));
        let differ = self.differences();
        check(differ.is_empty(), format!("the state folded from the stream differs: {:?}", first(&differ)));
        check(self.state.len() >= 50, format!("the PBX has but {} entities", self.state.len()));
        if let Some((first, last)) = self.memory() {
            check(last <= first + first / 4 + 4_096, format!("memory grew from {first} to {last} KiB"));
        }
        if let Some((first, last)) = self.files() {
            check(last <= first + 8, format!("open files grew from {first} to {last}"));
        }
        broken
    }

    /// Probes that are missing outside of every gap.
    fn unannounced(&self) -> Vec<usize> {
        let stored: HashSet<usize> = self.stored.probes.iter().copied().collect();
        let missing = (0..self.sent.len()).filter(|number| !stored.contains(number));
        missing
            .filter(|number| {
                let covers = |gap: &Gap| covers(gap, *number, self.sent[*number], &self.stored.probes);
                !self.stored.gaps.iter().any(covers)
            })
            .collect()
    }

    /// Entities whose newest event is not what the PBX shows.
    fn differences(&self) -> Vec<String> {
        let known = &self.stored.state;
        let differ = self.state.iter().filter(|(key, data)| known.get(key) != Some(data));
        differ.map(|(key, data)| format!("{key:?}: {:?} stored, {data} at the PBX", known.get(key))).collect()
    }

    /// Cuts of a live session that lie within the time of no gap. As no two gaps overlap, each of the others lies in one.
    fn cuts_without_a_gap(&self) -> Vec<&'static str> {
        let within = |at: u64| {
            let covers = |gap: &Gap| gap.from.is_some_and(|from| from <= at + TRANSIT) && at <= gap.to;
            self.stored.gaps.iter().any(covers)
        };
        self.faults.iter().filter(|fault| fault.cut && !within(fault.began)).map(|fault| fault.name).collect()
    }

    /// After each fault of the PBX: until the first event that was sent after its end and is stored.
    fn recoveries(&self) -> impl Iterator<Item = (&'static str, Option<Duration>)> {
        let arrived: Vec<u64> = self.stored.probes.iter().map(|number| self.sent[*number]).collect();
        self.faults.iter().filter(|fault| fault.ended > 0).map(move |fault| {
            let next = arrived.partition_point(|sent| *sent < fault.ended);
            let took = arrived.get(next).map(|sent| Duration::from_micros(sent - fault.ended));
            (fault.name, took)
        })
    }

    /// The samples of the last process, warmed up: the first third and the last.
    fn thirds(&self) -> Option<(&[Sample], &[Sample])> {
        let pid = self.samples.last()?.pid;
        let begin = self.samples.iter().position(|sample| sample.pid == pid)?;
        let samples = self.samples[begin..].get(WARM_UP..)?;
        let third = samples.len() / 3;
        (third > 0).then(|| (&samples[..third], &samples[samples.len() - third..]))
    }

    fn memory(&self) -> Option<(u64, u64)> {
        let (first, last) = self.thirds()?;
        let middle = |samples: &[Sample]| median(samples.iter().map(|sample| sample.memory).collect());
        Some((middle(first), middle(last)))
    }

    fn files(&self) -> Option<(usize, usize)> {
        let (first, last) = self.thirds()?;
        let middle = |samples: &[Sample]| median(samples.iter().map(|sample| sample.files).collect());
        Some((middle(first), middle(last)))
    }

    /// Medians of what a sample tells, one per eighth of the last process's time.
    fn course(&self, of: impl Fn(&Sample) -> u64) -> Vec<u64> {
        let Some(last) = self.samples.last() else { return Vec::new() };
        let values: Vec<u64> = self.samples.iter().filter(|sample| sample.pid == last.pid).map(of).collect();
        values.chunks(values.len().div_ceil(8)).map(|chunk| median(chunk.to_vec())).collect()
    }

    /// What happened, for people.
    pub(crate) fn summary(&self) -> String {
        let mut out = String::new();
        let stored = &self.stored;
        let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
        for fault in &self.faults {
            *by_name.entry(fault.name).or_default() += 1;
        }
        // Writing to a string can't fail.
        let _ = writeln!(out, "seed {}, {:?}", self.settings.seed, self.settings.length);
        let _ = writeln!(out, "{} faults:", self.faults.len());
        for (name, count) in by_name {
            let _ = writeln!(out, "  {count:5} {name}");
        }
        let _ = writeln!(
            out,
            "{} messages stored, {} twice, {} out of order; verify: {}",
            stored.messages,
            stored.again,
            stored.back,
            self.verified.1.trim()
        );
        let _ = writeln!(
            out,
            "{} probes sent, {} stored, {} missing outside of the {} gaps",
            self.sent.len(),
            stored.probes.len(),
            self.unannounced().len(),
            stored.gaps.len()
        );
        let _ = writeln!(
            out,
            "{} entities of the PBX's state, {} differ in the state folded from the stream",
            self.state.len(),
            self.differences().len()
        );
        let mut took: Vec<Duration> = self.recoveries().filter_map(|(_, took)| took).collect();
        took.sort();
        if let (Some(middle), Some(longest)) = (took.get(took.len() / 2), took.last()) {
            let _ = writeln!(out, "live again after a fault's end: median {middle:?}, longest {longest:?}");
        }
        let memory = self.course(|sample| sample.memory);
        let files = self.course(|sample| sample.files as u64);
        let _ = writeln!(out, "memory of the last process, by eighths of its time (KiB): {memory:?}");
        let _ = writeln!(out, "open files likewise: {files:?}");
        let _ = writeln!(out, "events of the bridge: {:?}", stored.notices);
        out
    }
}

/// Whether a gap tells of this number: by its place among the stored ones, and by the time it was sent.
fn covers(gap: &Gap, number: usize, sent: u64, stored: &[usize]) -> bool {
    let after = gap.place.checked_sub(1).is_none_or(|before| stored[before] < number);
    let before = stored.get(gap.place).is_none_or(|next| number < *next);
    after && before && gap.from.is_none_or(|from| from <= sent + TRANSIT) && sent <= gap.to
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

fn first<T>(all: &[T]) -> (usize, &[T]) {
    (all.len(), &all[..all.len().min(5)])
}
