//! The bridge as far as its journal sees it: the process is killed at each commit in turn, and starts again.
//!
//! A killed process leaves what its commits have written; the last one may be cut off at any byte. The next process opens
//! the journal, may be killed during recovery as well, and begins a session with a gap and a resync.

mod tally;

use std::sync::Arc;

use calls::{Step, invariants::Checker};
use event::{EndReason, Notice, ResyncReason, SinkId, SourceId};
use fastrand::Rng;
use journal::{Journal, Live, Options, Unmonitored};
use journal_kit::{
    begin, config,
    faulty_fs::{FaultyFs, Survives},
    names,
    office::{derivation, resync_completed},
    open_deriving, read, segments,
};
use pbx_simulator::rehearsal::{PastKind, Rehearsal, Sent};

pub use self::tally::{Manner, Tally};
use crate::{
    bridge::{Bridge, frame, timestamp},
    judge::judge,
    verdict::{FlawKind, Verdict},
};

/// A kill.
#[derive(Debug, Clone, Copy)]
pub struct Kill {
    /// Number of commits before it.
    pub after: u64,
    /// The last of them was cut off at a random byte.
    pub is_torn: bool,
    /// The power failed: what was not synced is gone. Every eighth commit is synced.
    pub is_unsynced: bool,
    /// Calls of the file system until the next process is killed as well, during its recovery; `None` if it is not.
    pub again: Option<u64>,
    /// Milliseconds until a process has a session again.
    pub millis: i64,
}

/// What a run has left in the journal.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The judgement. If it is blind, it covers the promises about calls only.
    pub verdict: Verdict,
    /// Something was sent that did not reach the journal.
    pub is_blind: bool,
    /// Number of commits.
    pub commits: u64,
    /// Calls that were going on at the kill.
    pub interrupted: u64,
    /// Calls that have ended.
    pub ended: u64,
    /// Calls that were shown by no event. A snapshot may show them.
    pub hidden: u64,
}

/// The process has been killed.
struct Killed;

#[derive(Debug)]
struct Bridged<'a> {
    rehearsal: &'a mut Rehearsal,
    disk: FaultyFs,
    options: Options,
    /// Session; `None` while the PBX cannot be reached.
    live: Option<Live>,
    journal: Journal,
    now: i64,
    /// Records of the journal.
    records: u64,
    commits: u64,
    /// Lengths of the files before the commit that is cut off.
    lengths: Vec<usize>,
    kill: Option<Kill>,
    /// Something was sent that did not reach the journal.
    is_deaf: bool,
    outcome: Outcome,
    /// Seconds since the last event.
    quiet: u32,
}

/// Follows a rehearsal to its end, with a journal of this size.
pub fn follow(rehearsal: &mut Rehearsal, max_bytes: u64, kill: Option<Kill>) -> Outcome {
    let disk = journal_kit::disk();
    let options = Options { max_bytes: Some(max_bytes), ..config() };
    let now = rehearsal.start() - 5_000;
    disk.set_time(timestamp(now));
    let (journal, _) = open_deriving(&disk, &options, &["a"]);
    let mut bridged = Bridged {
        rehearsal,
        disk,
        options,
        live: None,
        journal,
        now,
        records: 0,
        commits: 0,
        lengths: Vec::new(),
        kill,
        is_deaf: false,
        outcome: Outcome::default(),
        quiet: 0,
    };
    let mut step = bridged.connect().map(|()| true);
    loop {
        step = match step {
            Ok(true) => bridged.step(),
            Ok(false) => return bridged.finish(),
            Err(Killed) => bridged.restart(),
        };
    }
}

const SOURCE: SourceId = SourceId(0);

impl Bridged<'_> {
    /// Lets the next thing happen. Returns false once everything is over.
    fn step(&mut self) -> Result<bool, Killed> {
        let Some(at) = self.rehearsal.next_at() else {
            self.quiet += 1;
            self.tick(self.now + 1_000)?;
            return Ok(self.quiet < 12);
        };
        for second in self.now / 1_000 + 1..=at / 1_000 {
            self.tick(second * 1_000)?;
        }
        let Some((at, sent)) = self.rehearsal.advance() else { return Ok(true) };
        self.set_time(at);
        self.is_deaf = !sent.is_empty();
        if self.rehearsal.is_in_gap() {
            self.is_deaf = false;
            if let Some(live) = self.live.take() {
                live.end(EndReason::ConnectionClosed, String::new());
                self.committed()?;
            }
            return Ok(true);
        }
        if self.live.is_none() {
            self.connect()?;
        }
        self.hear(&sent)?;
        Ok(true)
    }

    fn hear(&mut self, sent: &[Sent]) -> Result<(), Killed> {
        for (index, event) in sent.iter().enumerate() {
            let Some(live) = &mut self.live else { return Ok(()) };
            live.event(frame(event.name, &event.args, event.at));
            live.commit();
            self.is_deaf = index + 1 < sent.len();
            self.committed()?;
        }
        if sent.iter().any(|event| event.name == "serverReloaded") {
            self.resync()?;
        }
        Ok(())
    }

    fn tick(&mut self, at: i64) -> Result<(), Killed> {
        self.set_time(at);
        self.journal.tick(timestamp(at));
        self.committed()
    }

    fn set_time(&mut self, now: i64) {
        self.now = self.now.max(now);
        self.disk.set_time(timestamp(self.now));
    }

    /// Begins a session.
    fn connect(&mut self) -> Result<(), Killed> {
        self.live = Some(begin(&self.journal, "a"));
        self.committed()?;
        self.resync()
    }

    fn resync(&mut self) -> Result<(), Killed> {
        let (reason, snapshots) = (ResyncReason::Connected, Vec::new());
        let states = self.rehearsal.snapshots();
        let states = states.into_iter().map(|(name, args)| frame(name, &args, self.now)).collect();
        let steps = [
            (Some(Notice::ResyncStarted { session: 1, reason, snapshots }), Vec::new()),
            (None, states),
            (Some(resync_completed()), Vec::new()),
        ];
        for (notice, states) in steps {
            let Some(live) = &mut self.live else { return Ok(()) };
            match notice {
                Some(notice) => live.notice(&notice),
                None => live.snapshot(states),
            }
            self.committed()?;
        }
        Ok(())
    }

    /// Counts a commit, if anything was written. The process is killed if its time has come.
    fn committed(&mut self) -> Result<(), Killed> {
        let records = self.journal.ledger(SinkId(0), SOURCE).0.received;
        if records == self.records {
            return Ok(());
        }
        self.records = records;
        self.commits += 1;
        if self.commits.is_multiple_of(8) && self.kill.is_some_and(|kill| kill.is_unsynced) {
            self.journal.sync();
        }
        match self.kill {
            Some(kill) if kill.after == self.commits => Err(Killed),
            Some(kill) if kill.is_torn && kill.after == self.commits + 1 => {
                self.lengths = self.lengths();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Returns the lengths of all segments.
    fn lengths(&self) -> Vec<usize> {
        let files = self.disk.files();
        segments(&self.disk).iter().map(|path| files[path].len()).collect()
    }

    /// Starts another process.
    fn restart(&mut self) -> Result<bool, Killed> {
        let Some(kill) = self.kill.take() else { return Ok(false) };
        if kill.is_unsynced {
            self.disk.power_failure(Survives::Nothing);
        } else {
            self.disk.crash();
        }
        self.live = None;
        self.tear(kill);
        if let Some(calls) = kill.again {
            self.disk.crash_after(Some(calls));
            let (sources, sinks, calls) = (names(&["a", "b"]), names(&["x", "y"]), derivation(&["a"]));
            let process = self.disk.process();
            drop(Journal::open_with(
                &self.options,
                process,
                &sources,
                &sinks,
                Arc::new(Unmonitored),
                Some(&calls),
            ));
            self.disk.crash_after(None);
            self.disk.crash();
        }
        let back = self.now + kill.millis;
        self.rehearsal.deafen(true);
        while self.rehearsal.next_at().is_some_and(|at| at < back) {
            self.rehearsal.advance();
        }
        self.rehearsal.deafen(false);
        self.set_time(back);
        self.quiet = 0;
        self.outcome.is_blind = self.is_deaf || kill.is_torn || kill.is_unsynced;
        (self.journal, _) = open_deriving(&self.disk, &self.options, &["a"]);
        let (checker, _) = self.check();
        self.outcome.interrupted = checker.open().count() as u64;
        if !self.rehearsal.is_in_gap() {
            self.connect()?;
        }
        Ok(true)
    }

    /// Cuts off the last commit at a random byte.
    fn tear(&self, kill: Kill) {
        let Some(path) = segments(&self.disk).pop().filter(|_| kill.is_torn) else { return };
        let (now, mut random) = (self.lengths(), Rng::with_seed(kill.after));
        let before = self.lengths.get(now.len() - 1).copied().unwrap_or_default();
        let length = now.last().copied().unwrap_or_default();
        self.disk.edit(&path, |content| content.truncate(random.usize(before..length.max(before + 1))));
    }

    fn check(&self) -> (Checker, Bridge) {
        let bridge = Bridge::of(&read(&mut self.journal.reader(SinkId(1))));
        let mut checker = Checker::default();
        for derived in &bridge.derived {
            checker.take(derived.step, &derived.event);
        }
        (checker, bridge)
    }

    fn finish(mut self) -> Outcome {
        let (checker, bridge) = self.check();
        self.outcome.commits = self.commits;
        self.outcome.ended = bridge.derived.iter().filter(|it| it.step == Step::Ended).count() as u64;
        let began = self.rehearsal.steps().iter().filter(|step| step.kind == PastKind::Started);
        self.outcome.hidden = began.filter(|step| step.seen.is_none()).count() as u64;
        if self.outcome.is_blind {
            let verdict = &mut self.outcome.verdict;
            verdict.runs = 1;
            (verdict.calls, verdict.events, verdict.uncertain) =
                (checker.calls, checker.events, checker.uncertain);
            for broken in checker.finish(true) {
                verdict.blame(FlawKind::Invariant, format!("call {} {}", broken.call, broken.rule));
            }
        } else {
            self.outcome.verdict = judge(self.rehearsal, &bridge);
        }
        self.outcome
    }
}
