//! The faults, and the conditions that must hold nevertheless.

use std::{
    path::Path,
    process::{Child, Command},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use pbx_simulator::{Account, Options, Simulator};
use tempfile::TempDir;
use tokio::time::sleep;

use super::{
    Load,
    bus::Bus,
    common,
    faulty_proxy::Fault,
    report::{Away, Promise, Report},
    rules::{self, Reloader},
    sender::Sender,
};

/// The time for which the broker is down.
const DOWN: Duration = Duration::from_secs(5);
/// The number of connections to the broker that are cut.
const CUTS: u32 = 100;
/// The number of times that the bridge is killed.
const KILLS: u32 = 20;
/// The number of times that the PBX drops the session.
const DROPS: u32 = 10;
/// The time that a session lasts before it is cut.
const SESSION: std::ops::Range<u64> = 200..600;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    Broker,
    Network,
    Bridge,
    Pbx,
    NodeBroker,
}

impl Row {
    pub(crate) const ALL: [Self; 5] =
        [Self::Broker, Self::Network, Self::Bridge, Self::Pbx, Self::NodeBroker];

    pub(crate) fn number(self) -> u32 {
        self as u32 + 1
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Broker => "broker killed, 5 s down",
            Self::Network => "connections to the broker cut, acknowledgements lost",
            Self::Bridge => "bridge killed",
            Self::Pbx => "session with the PBX cut",
            Self::NodeBroker => "Node, ten lines: broker killed, 5 s down",
        }
    }

    pub(crate) fn promise(self) -> Promise {
        match self {
            Self::Broker | Self::Network => Promise::All,
            Self::Bridge | Self::Pbx => Promise::Announced,
            Self::NodeBroker => Promise::Nothing,
        }
    }

    pub(crate) async fn run(self, kafka: bool, load: Load) -> Report {
        let (mut bus, proxy) = if self == Self::Network {
            let (bus, proxy) = Bus::behind_cuts(kafka, CUTS, fault).await;
            (bus, Some(proxy))
        } else {
            (Bus::start(kafka).await, None)
        };
        let pbx = Arc::new(Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap());
        let dir = tempfile::tempdir().unwrap();
        let rules = (load.has_rules && self != Self::NodeBroker).then(|| rules::file(dir.path()));
        let config = rules.as_deref().unwrap_or(Path::new("/dev/null"));
        let command = if self == Self::NodeBroker {
            bus.node(&pbx).await
        } else {
            bus.bridge(config, &pbx, proxy.as_ref(), &dir.path().join("journal"))
        };
        let mut writer = Writer::start(command, dir);
        pbx.live().wait_for(|live| *live == 1).await.unwrap();
        let sender = Sender::start(Arc::clone(&pbx), load);
        let process = Arc::new(AtomicU32::new(writer.pid()));
        let reloader = rules.map(|rules| Reloader::start(rules, Arc::clone(&process), Arc::clone(&pbx)));

        let mut away = Vec::new();
        let faults = match self {
            Self::Broker | Self::NodeBroker => {
                sleep(Duration::from_secs(1) * u32::try_from(load.events / 3).unwrap() / load.rate).await;
                bus.kill();
                sleep(DOWN).await;
                bus.up().await;
                1
            }
            Self::Network => {
                let proxy = proxy.as_ref().unwrap();
                let deadline = Instant::now() + Duration::from_mins(5);
                while proxy.faults() < CUTS && Instant::now() < deadline {
                    sleep(Duration::from_millis(50)).await;
                }
                proxy.faults()
            }
            Self::Bridge => {
                for _ in 0..KILLS {
                    session().await;
                    away.push(outage(&pbx, Some(&mut writer)).await);
                    process.store(writer.pid(), Ordering::Relaxed);
                }
                KILLS
            }
            Self::Pbx => {
                for _ in 0..DROPS {
                    session().await;
                    away.push(outage(&pbx, None).await);
                }
                DROPS
            }
        };
        session().await;
        let sent = sender.end().await;
        if let Some(reloader) = reloader {
            println!("<!-- row {}: {} reloads -->", self.number(), reloader.end().await);
        }
        let ended = Instant::now();
        let settled = bus.settled(sent.len() - 1).await;
        let stored = bus.read().await;
        let report = Report::new(faults, &sent, &stored, &away, settled.saturating_duration_since(ended));
        if !report.broken(self.promise()).is_empty() || self == Self::NodeBroker {
            writer.show();
        }
        report
    }
}

/// A random cut: half of them towards the server, half from it, where acknowledgements are lost.
fn fault() -> Fault {
    if fastrand::bool() {
        Fault::CutUp(fastrand::u64(2_000..150_000))
    } else {
        Fault::CutDown(fastrand::u64(4_000..12_000))
    }
}

async fn session() {
    sleep(Duration::from_millis(fastrand::u64(SESSION))).await;
}

/// Kills the bridge and restarts it at once, or cuts its session; waits until the PBX has a session again.
async fn outage(pbx: &Simulator, killed: Option<&mut Writer>) -> Away {
    let mut live = pbx.live();
    let from = common::micros();
    if let Some(writer) = killed {
        writer.kill();
        live.wait_for(|live| *live == 0).await.unwrap();
        writer.up();
    } else {
        pbx.cut();
        live.wait_for(|live| *live == 0).await.unwrap();
    }
    live.wait_for(|live| *live == 1).await.unwrap();
    (from, common::micros())
}

/// The process that writes to the stream; killed on drop.
pub(crate) struct Writer {
    command: Command,
    child: Child,
    dir: TempDir,
}

impl Writer {
    pub(crate) fn start(mut command: Command, dir: TempDir) -> Self {
        let child = spawn(&mut command, dir.path());
        Self { command, child, dir }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn up(&mut self) {
        self.child = spawn(&mut self.command, self.dir.path());
    }

    /// The end of its output.
    fn show(&self) {
        let log = std::fs::read_to_string(log(self.dir.path())).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        println!("<!-- the last lines of its log:");
        for line in &lines[lines.len().saturating_sub(12)..] {
            println!("{line}");
        }
        println!("-->");
    }
}

fn log(dir: &Path) -> std::path::PathBuf {
    dir.join("log")
}

fn spawn(command: &mut Command, dir: &Path) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log(dir)).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
