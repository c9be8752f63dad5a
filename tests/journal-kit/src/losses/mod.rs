//! Kills within seconds of a loss: a separate process appends until its journal loses events and is killed
//! with SIGKILL before it announces them; the next process's announcements are compared with what was
//! appended.

mod judge;
mod writer;

use std::{
    fmt,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread::sleep,
    time::{Duration, Instant},
};

use fastrand::Rng;
use journal::{Options, Sync, WhenFull};

pub use self::writer::write;

pub const SOURCES: [&str; 2] = ["a", "b"];
pub const SINKS: [&str; 2] = ["x", "y"];
/// Passes the round to the writer process.
const ROUND: &str = "JOURNAL_LOSSES_ROUND";
/// A writer without a loss for this long never has one.
const PATIENCE: Duration = Duration::from_secs(20);
/// Maximum delay between the first loss and the kill; losses are announced every 10 s.
const WINDOW: u64 = 150;

/// Reason why the journal loses events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Full; drops the newest.
    Newest,
    /// One name exceeds its quota.
    Quota,
    /// Full; drops the oldest.
    Oldest,
    /// A sink is away longer than events are retained.
    Age,
}

impl Cause {
    fn of(seed: u64) -> Self {
        [Self::Newest, Self::Quota, Self::Oldest, Self::Age][usize::try_from(seed % 4).unwrap()]
    }

    /// Returns whether written records may be dropped, notices included.
    fn takes_the_oldest(self) -> bool {
        matches!(self, Self::Oldest | Self::Age)
    }

    fn config(self, dir: &Path) -> Options {
        Options {
            dir: dir.to_owned(),
            sync: Sync::Every(Duration::from_millis(20)),
            max_bytes: Some(if self == Self::Age { 4 << 20 } else { 256 << 10 }),
            max_age: (self == Self::Age).then_some(Duration::from_millis(50)),
            when_full: if self == Self::Newest { WhenFull::DropNewest } else { WhenFull::DropOldest },
            name_quota: if self == Self::Quota { 20 } else { 100 },
            ..super::config()
        }
    }
}

/// Parameters of a round, shared by both processes.
#[derive(Debug, Clone)]
struct Round {
    seed: u64,
    dir: PathBuf,
    /// Number of events appended before, by source.
    sent: [u64; 2],
}

impl Round {
    fn cause(&self) -> Cause {
        Cause::of(self.seed)
    }

    fn tell(&self, command: &mut Command) {
        let [a, b] = self.sent;
        command.env(ROUND, format!("{} {a} {b} {}", self.seed, self.dir.display()));
    }

    fn from_environment() -> Self {
        let text = std::env::var(ROUND).expect("started by hand: the test starts it");
        let mut words = text.splitn(4, ' ');
        let mut number = || words.next().unwrap().parse().unwrap();
        let (seed, sent) = (number(), [number(), number()]);
        Self { seed, sent, dir: words.next().unwrap().into() }
    }
}

/// Report of the writers about one source.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    /// Number of its first record.
    first: u64,
    /// Events whose commit returned. A kill may leave further ones written.
    committed: u64,
    /// First event number of the next writer.
    offered: u64,
    /// Events of an earlier writer that may not have been written.
    unsure: u64,
}

/// Result of several rounds.
#[derive(Debug, Default)]
pub struct Outcome {
    pub rounds: u32,
    pub kills: u32,
    /// Number of lost records announced to the sink that stays away.
    pub lost: u64,
    /// Violations, one sentence each.
    pub broken: Vec<String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, kills, lost, broken } = self;
        write!(
            f,
            "{rounds} rounds, {kills} kills, {lost} losses announced, {} sentences broken",
            broken.len()
        )
    }
}

/// Runs `rounds` rounds with consecutive seeds. `writer` starts a process that calls [`write()`].
pub fn run(seed: u64, rounds: u32, writer: impl Fn() -> Command) -> Outcome {
    let mut outcome = Outcome::default();
    for seed in (seed..).take(usize::try_from(rounds).unwrap()) {
        let dir = tempfile::tempdir().unwrap();
        let mut round = Round { seed, dir: dir.path().join("journal"), sent: [0; 2] };
        let mut rng = Rng::with_seed(seed);
        let mut written = [Written::default(); 2];
        // A notice of loss may be dropped with the oldest records, so these rounds have a single writer.
        let lives = if round.cause().takes_the_oldest() { 1 } else { rng.u32(1..=3) };
        for life in 0..lives {
            let mut command = writer();
            round.tell(&mut command);
            live_and_die(command, &mut rng, life == 0, &mut written);
            round.sent = written.map(|written| written.offered);
        }
        let verdict = judge::judge(&round, &written);
        outcome.rounds += 1;
        outcome.kills += lives;
        outcome.lost += verdict.lost;
        let cause = round.cause();
        outcome.broken.extend(verdict.broken.into_iter().map(|it| format!("seed {seed} ({cause:?}): {it}")));
    }
    outcome
}

/// Runs a writer that is killed shortly after its first loss.
fn live_and_die(mut command: Command, rng: &mut Rng, is_first: bool, written: &mut [Written; 2]) {
    let mut writer = Writer(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap());
    let said = lines(&mut writer.0);
    let deadline = Instant::now() + PATIENCE;
    let mut hear = |wait: Duration| match said.recv_timeout(wait) {
        Ok(line) => Some(take(&line, is_first, written)),
        Err(RecvTimeoutError::Timeout) => panic!("no loss within {PATIENCE:?}"),
        Err(RecvTimeoutError::Disconnected) => None,
    };
    while !hear(deadline.saturating_duration_since(Instant::now())).expect("the writer ended by itself") {}
    sleep(Duration::from_micros(rng.u64(..WINDOW * 1_000)));
    drop(writer);
    // Output from before the kill.
    while hear(PATIENCE).is_some() {}
    for source in written {
        source.unsure += source.offered - source.committed - source.unsure;
    }
}

struct Writer(Child);

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn lines(child: &mut Child) -> Receiver<String> {
    let (out, (sender, receiver)) = (child.stdout.take().unwrap(), channel());
    std::thread::spawn(move || {
        let lines = BufReader::new(out).lines().map_while(Result::ok);
        lines.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
    });
    receiver
}

/// Processes a line from a writer. Returns whether it reported a loss.
fn take(line: &str, is_first: bool, written: &mut [Written; 2]) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    let ["@", what, source, number] = words[..] else { return false };
    let (source, number): (usize, u64) = (source.parse().unwrap(), number.parse().unwrap());
    let written = &mut written[source];
    match what {
        "first" if is_first => written.first = number,
        "offered" => written.offered = number,
        "committed" => written.committed = number - written.unsure,
        _ => {}
    }
    what == "lost"
}
