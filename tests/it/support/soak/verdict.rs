//! Checks the invariants after a soak.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write as _,
    time::Duration,
};

use super::{
    RECOVERY, Settings,
    account::{PASSWORD, TOTP},
    fault_injector::InjectedFault,
    process::Sample,
    stored::{Gap, Stored},
};

/// The maximum transit time of an event, in microseconds, on a busy machine: events in transit when a connection broke
/// were sent up to this long before the gap.
const TRANSIT: u64 = 1_000_000;
/// The number of samples during which a process grows to its working size.
const WARM_UP: usize = 30;

pub(crate) struct Verdict {
    pub(crate) settings: Settings,
    pub(crate) faults: Vec<InjectedFault>,
    /// The time of each probe, in Unix microseconds.
    pub(crate) sent: Vec<u64>,
    pub(crate) stored: Stored,
    /// The PBX's own state at the end.
    pub(crate) state: BTreeMap<(String, String), String>,
    /// The time from the end of the faults to a complete resync; `None` if there was none.
    pub(crate) resynced: Option<Duration>,
    /// The time until the last probe was stored; `None` if it never was.
    pub(crate) settled: Option<Duration>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) exit: Option<i32>,
    pub(crate) verified: (bool, String),
    pub(crate) log: String,
}

impl Verdict {
    /// The violated invariants, a sentence each.
    pub(crate) fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let mut check = |holds: bool, text: String| {
            if !holds {
                broken.push(text);
            }
        };
        check(!self.log.contains("panicked"), "the log reports a panic".to_owned());
        for secret in [PASSWORD, TOTP] {
            check(!self.log.contains(secret), format!("the log contains {secret}"));
        }
        check(self.exit == Some(0), format!("the bridge ended with {:?}", self.exit));
        check(self.resynced.is_some(), "the state was never read in full".to_owned());
        check(self.settled.is_some(), "the last event was never stored".to_owned());
        check(self.verified.0, format!("verify reports: {}", self.verified.1));
        let stored = &self.stored;
        check(stored.duplicates == 0, format!("{} events are stored twice", stored.duplicates));
        check(stored.out_of_order == 0, format!("{} events are out of order", stored.out_of_order));
        check(stored.misplaced.is_empty(), format!("outside a session: {:?}", first(&stored.misplaced)));
        for lost in ["cti.bridge.lost.v1", "cti.bridge.deadlettered.v1"] {
            check(!stored.notices.contains_key(lost), format!("{lost}: {:?}", stored.notices.get(lost)));
        }
        let unannounced = self.unannounced();
        check(unannounced.is_empty(), format!("missing without a gap: {:?}", first(&unannounced)));
        let silent = self.cuts_without_a_gap();
        check(silent.is_empty(), format!("cuts without a gap: {:?}", first(&silent)));
        let double = stored.gaps.windows(2).filter(|pair| pair[1].from.is_some_and(|from| from < pair[0].to));
        check(double.count() == 0, "two gaps overlap".to_owned());
        let late: Vec<_> =
            self.recoveries().filter(|(_, took)| took.is_none_or(|it| it > RECOVERY)).collect();
        check(late.is_empty(), format!("not live again within {RECOVERY:?}: {:?}", first(&late)));
        let differ = self.differences();
        check(differ.is_empty(), format!("the state folded from the stream differs: {:?}", first(&differ)));
        check(self.state.len() >= 50, format!("the PBX has only {} entities", self.state.len()));
        if let Some((first, last)) = self.memory() {
            check(last <= first + first / 4 + 4_096, format!("memory grew from {first} to {last} KiB"));
        }
        if let Some((first, last)) = self.files() {
            check(last <= first + 8, format!("open files grew from {first} to {last}"));
        }
        broken
    }

    /// The missing probes that no gap covers.
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

    /// The entities whose newest event differs from the PBX's state.
    fn differences(&self) -> Vec<String> {
        let known = &self.stored.state;
        let differ = self.state.iter().filter(|(key, data)| known.get(key) != Some(data));
        differ.map(|(key, data)| format!("{key:?}: {:?} stored, {data} at the PBX", known.get(key))).collect()
    }

    /// The cuts of a live session that lie in no gap's time. As no two gaps overlap, every other cut lies in exactly one.
    fn cuts_without_a_gap(&self) -> Vec<&'static str> {
        let within = |at: u64| {
            let covers = |gap: &Gap| gap.from.is_some_and(|from| from <= at + TRANSIT) && at <= gap.to;
            self.stored.gaps.iter().any(covers)
        };
        self.faults.iter().filter(|fault| fault.cut && !within(fault.began)).map(|fault| fault.name).collect()
    }

    /// The recovery time of each fault of the PBX: from its end to the first later event that is stored.
    fn recoveries(&self) -> impl Iterator<Item = (&'static str, Option<Duration>)> {
        let arrived: Vec<u64> = self.stored.probes.iter().map(|number| self.sent[*number]).collect();
        self.faults.iter().filter(|fault| fault.ended > 0).map(move |fault| {
            let next = arrived.partition_point(|sent| *sent < fault.ended);
            let took = arrived.get(next).map(|sent| Duration::from_micros(sent - fault.ended));
            (fault.name, took)
        })
    }

    /// The first and the last third of the last process's samples, without its warm-up.
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

    /// Medians of a value, one for each eighth of the last process's lifetime.
    fn course(&self, of: impl Fn(&Sample) -> u64) -> Vec<u64> {
        let Some(last) = self.samples.last() else { return Vec::new() };
        let values: Vec<u64> = self.samples.iter().filter(|sample| sample.pid == last.pid).map(of).collect();
        values.chunks(values.len().div_ceil(8)).map(|chunk| median(chunk.to_vec())).collect()
    }

    /// Summarizes the run for people.
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
            stored.duplicates,
            stored.out_of_order,
            self.verified.1.trim()
        );
        let _ = writeln!(
            out,
            "{} probes sent, {} stored, {} missing outside the {} gaps",
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
        let _ = writeln!(out, "memory of the last process, by eighths of its lifetime (KiB): {memory:?}");
        let _ = writeln!(out, "open files likewise: {files:?}");
        let _ = writeln!(out, "events of the bridge: {:?}", stored.notices);
        out
    }
}

/// Whether a gap covers this probe, by its place among the stored ones and by its time.
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
