//! The schedule of a round.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use fastrand::Rng;
use pbx_simulator::{Account, Options, Simulator};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::{
    Load, Settings,
    bus::Bus,
    common,
    copies::{Clone, Cloned, While, refusals},
    machine::Machine,
    report::{Away, Report},
    sender::Sender,
    verdict::Verdict,
};

/// A bridge must have a session and deliver events within this time after its start.
const RECOVERY: Duration = Duration::from_secs(45);
/// The maximum age of a restored snapshot, in kills.
const OLDEST: usize = 3;

/// A snapshot of the journal.
struct Snapshot {
    dir: TempDir,
    at: u64,
    copied: While,
}

/// A kill after which the journal was replaced by an older snapshot.
#[derive(Debug)]
pub(crate) struct Restored {
    /// The age of the snapshot in kills; 0 is the same process.
    pub(crate) age: usize,
    pub(crate) copied: While,
    /// The reason why it does not deliver, if any.
    pub(crate) refused: Option<String>,
}

/// The actions of a round besides its kill.
#[derive(Debug, Clone, Copy, Default)]
struct Round {
    clone: Option<While>,
    /// The age in kills of the snapshot that is restored at its end.
    restore: Option<usize>,
    /// Whether a snapshot is taken.
    snapshot: Option<While>,
}

/// Plans the actions of all rounds.
fn plan(settings: Settings, rng: &mut Rng) -> Vec<Round> {
    let mut rounds = vec![Round::default(); usize::try_from(settings.kills).unwrap()];
    let order = |rng: &mut Rng| {
        let mut order: Vec<usize> = (0..rounds.len()).collect();
        rng.shuffle(&mut order);
        order
    };
    let (clones, restores) = (order(rng), order(rng));
    let moment = |rng: &mut Rng| if rng.bool() { While::Running } else { While::Stopped };
    for at in clones.into_iter().take(usize::try_from(settings.clones).unwrap()) {
        rounds[at].clone = Some(moment(rng));
    }
    for at in restores.into_iter().take(usize::try_from(settings.restores).unwrap()) {
        let age = rng.usize(..=OLDEST.min(at));
        rounds[at].restore = Some(age);
        // A snapshot of the current process is not older.
        let copied = if age == 0 { While::Running } else { moment(rng) };
        rounds[at - age].snapshot.get_or_insert(copied);
    }
    rounds
}

struct Course {
    bus: Bus,
    pbx: Arc<Simulator>,
    machine: Machine,
    rng: Rng,
    away: Vec<Away>,
    /// The time since which the PBX has no session, or since which events are missing from the journal.
    since: Option<u64>,
    /// By the round in which it was taken.
    snapshots: Vec<Option<Snapshot>>,
    clones: Vec<Cloned>,
    restores: Vec<Restored>,
}

/// Runs all rounds, and reads the stored events back.
pub(crate) async fn run(settings: Settings) -> Verdict {
    let mut rng = Rng::with_seed(settings.seed);
    let rounds = plan(settings, &mut rng);
    let bus = Bus::start(settings.kafka).await;
    let pbx = Arc::new(Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap());
    let machine = Machine::new(pbx.url(), &bus.table());
    let (away, snapshots, clones, restores) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut course = Course { bus, pbx, machine, rng, away, since: None, snapshots, clones, restores };
    course.machine.up();
    course.live().await;
    let load = Load { events: 0, rate: settings.rate };
    let sender = Sender::start(Arc::clone(&course.pbx), load);
    for (number, round) in rounds.into_iter().enumerate() {
        course.round(number, round).await;
        if course.restores.last().is_some_and(|restored| restored.refused.is_some()) {
            break;
        }
    }
    course.live().await;
    sleep(Duration::from_millis(500)).await;
    let kills = u32::try_from(course.snapshots.len()).unwrap();
    let sent = sender.end().await;
    let ended = Instant::now();
    let settled = course.bus.settled(sent.len() - 1).await;
    let exit = course.machine.stop().await;
    let stored = course.bus.read().await;
    let log = course.machine.log();
    let late = settled.saturating_duration_since(ended);
    let Course { away, clones, restores, .. } = course;
    Verdict::new(settings, stored, |stored| Report::new(kills, &sent, stored, &away, late), clones, restores)
        .with_end(exit, log)
}

impl Course {
    /// Waits for a session or the start of one, kills the bridge and restarts it.
    async fn round(&mut self, number: usize, round: Round) {
        let dies_on_its_way = self.rng.u8(..8) == 0 && round.clone.is_none() && round.snapshot.is_none();
        if !dies_on_its_way {
            self.live().await;
            if round.clone.is_some() || self.rng.bool() {
                // From then on it knows what is stored.
                let _ = self.delivers().await;
            }
        }
        self.pause(400).await;
        let mut snapshot = (round.snapshot == Some(While::Running)).then(|| self.snapshot(While::Running));
        if let Some(copied) = round.clone {
            self.clone(copied).await;
        }
        self.pause(400).await;
        self.kill().await;
        if round.snapshot == Some(While::Stopped) {
            snapshot = Some(self.snapshot(While::Stopped));
        }
        self.snapshots.push(snapshot);
        if let Some(age) = round.restore {
            self.restore(number, age).await;
        } else {
            self.machine.up();
        }
    }

    async fn pause(&mut self, most: u64) {
        sleep(Duration::from_millis(self.rng.u64(..most))).await;
    }

    /// Waits until the PBX has a session.
    async fn live(&mut self) {
        let mut live = self.pbx.live();
        let live = timeout(RECOVERY, live.wait_for(|live| *live == 1)).await;
        live.unwrap_or_else(|_| panic!("no session within {RECOVERY:?}; the log ends: {}", self.log_end()))
            .unwrap();
        if let Some(since) = self.since.take() {
            self.away.push((since, common::micros()));
        }
    }

    /// Waits until more is stored. Returns whether that happened in time.
    async fn delivers(&self) -> bool {
        let (began, before) = (Instant::now(), self.bus.count().await);
        while began.elapsed() < RECOVERY {
            if self.bus.count().await > before {
                return true;
            }
            sleep(Duration::from_millis(50)).await;
        }
        false
    }

    async fn kill(&mut self) {
        self.since.get_or_insert_with(common::micros);
        self.machine.kill();
        let mut live = self.pbx.live();
        live.wait_for(|live| *live == 0).await.unwrap();
    }

    fn snapshot(&self, copied: While) -> Snapshot {
        Snapshot { at: common::micros(), dir: self.machine.snapshot(), copied }
    }

    /// Runs a clone while the machine runs on; the machine is never killed meanwhile.
    async fn clone(&mut self, copied: While) {
        let clone = if copied == While::Stopped {
            self.kill().await;
            let clone = Clone::of(&self.machine, copied).await;
            self.machine.up();
            self.live().await;
            let _ = self.delivers().await;
            clone
        } else {
            Clone::of(&self.machine, copied).await
        };
        // The maximum number of events that the PBX of a clone has sent.
        let first = self.clones.len() * 1_000_000;
        self.clones.push(clone.run(first).await);
    }

    async fn restore(&mut self, number: usize, age: usize) {
        let Some(snapshot) = &self.snapshots[number - age] else { panic!("no snapshot was made") };
        // It lacks all later events.
        self.since = self.since.map(|since| since.min(snapshot.at));
        let copied = snapshot.copied;
        let dir: PathBuf = snapshot.dir.path().to_owned();
        self.machine.restore(&dir);
        let before = self.machine.log().len();
        self.machine.up();
        self.live().await;
        let refused = if self.delivers().await {
            None
        } else {
            let log = self.machine.log();
            Some(refusals(&log[before..]).pop().unwrap_or_else(|| self.log_end()))
        };
        self.restores.push(Restored { age, copied, refused });
    }

    fn log_end(&self) -> String {
        self.machine.log().lines().last().unwrap_or_default().to_owned()
    }
}
