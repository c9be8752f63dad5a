//! Kills a run at each commit in turn, and adds up what came of it.

use std::{fmt, time::Duration};

use pbx_simulator::rehearsal::{Rehearsal, Script};

use super::{Kill, follow};
use crate::verdict::{Flaw, FlawKind, Verdict};

/// Size of the journal of a script, in bytes: its segments have 16 KiB.
const SCRIPT_BYTES: u64 = 256 << 10;
/// Size of the journal of a day.
const DAY_BYTES: u64 = 4 << 20;

/// How the process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// After a commit.
    Whole,
    /// Amid a commit.
    Torn,
    /// Amid a commit, and during the recovery.
    Twice,
    /// After a commit; the next process has a session after a while.
    Later,
    /// The power fails: some commits before are gone.
    Unsynced,
}

impl Manner {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Whole, Self::Torn, Self::Twice, Self::Later, Self::Unsynced];

    /// Returns what a table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "after the commit",
            Self::Torn => "amid the commit",
            Self::Twice => "amid it and the recovery",
            Self::Later => "after it, back later",
            Self::Unsynced => "power failure",
        }
    }

    fn kill(self, after: u64) -> Kill {
        Kill {
            after,
            is_torn: matches!(self, Self::Torn | Self::Twice),
            is_unsynced: self == Self::Unsynced,
            again: (self == Self::Twice).then_some(1 + after * 7 % 40),
            millis: match (self, after % 3) {
                (Self::Later, 0) => 800,
                (Self::Later, 1) => 5_000,
                (Self::Later, _) => 3_600_000,
                _ => 0,
            },
        }
    }
}

/// What came of the kills.
#[derive(Debug, Default)]
pub struct Tally {
    /// The judgements.
    pub verdict: Verdict,
    /// Calls that were going on at the kills.
    pub interrupted: u64,
    /// Calls that have ended.
    pub ended: u64,
    /// Kills after which something was sent that did not reach the journal.
    pub blind: u64,
}

impl Tally {
    /// Kills the process at these commits of a script in turn. As many calls must end as without a kill.
    pub fn script(&mut self, script: Script, seed: u64, manner: Manner, is_wanted: impl Fn(u64) -> bool) {
        self.try_each(script.name(), (seed, SCRIPT_BYTES), manner, &Rehearsal::of(script, seed), is_wanted);
    }

    /// Same as [`Tally::script`], for two minutes with a call every six seconds on average.
    pub fn day(&mut self, seed: u64, manner: Manner, is_wanted: impl Fn(u64) -> bool) {
        let day = Rehearsal::day(seed, Duration::from_secs(6), Duration::from_mins(2));
        self.try_each("day", (seed, DAY_BYTES), manner, &day, is_wanted);
    }

    fn try_each(
        &mut self,
        name: &str,
        (seed, max_bytes): (u64, u64),
        manner: Manner,
        rehearsal: &Rehearsal,
        is_wanted: impl Fn(u64) -> bool,
    ) {
        let whole = follow(&mut rehearsal.clone(), max_bytes, None);
        for after in (1..=whole.commits).filter(|commit| is_wanted(*commit)) {
            let kill = manner.kill(after);
            let mut outcome = follow(&mut rehearsal.clone(), max_bytes, Some(kill));
            // The resync may show calls that are hidden otherwise. Those that come and go meanwhile are never seen.
            let expected = whole.ended..=whole.ended + whole.hidden;
            if kill.millis == 0 && !kill.is_unsynced && !expected.contains(&outcome.ended) {
                let text = format!("{} calls have ended instead of {expected:?}", outcome.ended);
                outcome.verdict.flaws.push(Flaw { kind: FlawKind::Invariant, text });
            }
            let flaws = whole.verdict.flaws.iter().filter(|_| after == 1).cloned();
            outcome.verdict.flaws.extend(flaws);
            for flaw in &mut outcome.verdict.flaws {
                flaw.text = format!("{name} seed {seed}, {} {after}: {}", manner.name(), flaw.text);
            }
            self.verdict.add(outcome.verdict);
            self.interrupted += outcome.interrupted;
            self.ended += outcome.ended;
            self.blind += u64::from(outcome.is_blind);
        }
    }

    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.verdict.add(other.verdict);
        self.interrupted += other.interrupted;
        self.ended += other.ended;
        self.blind += other.blind;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verdict, interrupted, ended, blind } = self;
        #[allow(clippy::cast_precision_loss, reason = "a share for people")]
        let share = verdict.uncertain as f64 * 100.0 / verdict.events.max(1) as f64;
        write!(
            f,
            "{:6} {interrupted:12} {ended:8} {blind:7} {:7} {:7} {share:6.1}%",
            verdict.runs,
            verdict.flaws.len(),
            verdict.events
        )
    }
}
