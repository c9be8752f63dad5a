//! A clone of the machine, started while the original runs: it must be refused with one message, and write nothing.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use pbx_simulator::{Account, Options, Simulator};
use tokio::time::{interval, sleep};

use super::{common, machine::Machine};

/// The first number of events from a clone's own PBX. None of them may be stored.
pub(crate) const CLONES: usize = 1_000_000_000;
/// A clone is refused within this time.
const REFUSAL: Duration = Duration::from_secs(20);
/// The number of retries meanwhile, one per second.
const RETRIES: u32 = 3;
/// The interval between two events of its PBX.
const PACE: Duration = Duration::from_millis(5);

/// The state of the machine when it was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum While {
    Running,
    Stopped,
}

/// The behaviour of a clone.
#[derive(Debug)]
pub(crate) struct Cloned {
    pub(crate) copied: While,
    /// The messages that refuse it.
    pub(crate) sentences: Vec<String>,
    /// The end of its log.
    pub(crate) log: String,
}

impl Cloned {
    pub(crate) fn is_refused(&self) -> bool {
        self.sentences.len() == 1
    }
}

impl fmt::Display for Cloned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a clone copied while {:?} was refused in {} sentences", self.copied, self.sentences.len())
    }
}

/// A clone that is about to be started.
pub(crate) struct Clone {
    copied: While,
    machine: Machine,
    pbx: Arc<Simulator>,
}

impl Clone {
    /// Copies the machine.
    pub(crate) async fn of(original: &Machine, copied: While) -> Self {
        let pbx = Arc::new(Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap());
        Self { copied, machine: original.clone_to(pbx.url()), pbx }
    }

    /// Starts it, makes its PBX send events, and observes it.
    pub(crate) async fn run(mut self, first: usize) -> Cloned {
        self.machine.up();
        let pbx = Arc::clone(&self.pbx);
        let sending = tokio::spawn(async move {
            let mut pace = interval(PACE);
            for number in CLONES + first.. {
                pace.tick().await;
                pbx.send_text(&common::frame(number, common::micros()));
            }
        });
        let deadline = Instant::now() + REFUSAL;
        while self.machine.is_up() && refusals(&self.machine.log()).is_empty() && Instant::now() < deadline {
            sleep(Duration::from_millis(50)).await;
        }
        for _ in 0..RETRIES {
            sleep(Duration::from_secs(1)).await;
            self.machine.signal("-HUP");
        }
        sleep(Duration::from_secs(1)).await;
        self.machine.kill();
        sending.abort();
        let log = self.machine.log();
        Cloned { copied: self.copied, sentences: refusals(&log), log }
    }
}

/// The warnings that name another bridge as the owner of the stored events.
pub(crate) fn refusals(log: &str) -> Vec<String> {
    let is_one = |line: &&str| {
        let warns = line.contains("WARN") || line.contains("ERROR");
        warns && (line.contains("two bridges") || line.contains("journal rename"))
    };
    log.lines().filter(is_one).map(str::to_owned).collect()
}
