//! A long outage of a broker: the bridge's memory meanwhile, and its delivery rate afterwards.

use std::{
    fs,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use pbx_simulator::{Account, Options, Simulator};
use tempfile::TempDir;
use tokio::time::{self, sleep};

use super::{bus::Bus, common, row::Writer};

/// The limit of resident memory, in KiB.
const MOST: u64 = 64 * 1024;
/// The minimum rate at which a backlog drains, in events per second.
const LEAST: f64 = 40_000.0;
/// The backlog is received at this rate.
const FILL: u64 = 20_000;

struct Scene {
    bus: Bus,
    pbx: Simulator,
    writer: Writer,
    journal: std::path::PathBuf,
}

impl Scene {
    async fn start(kafka: bool) -> Self {
        let bus = Bus::start(kafka).await;
        let pbx = Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap();
        let dir: TempDir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("journal");
        let writer = Writer::start(bus.bridge(Path::new("/dev/null"), &pbx, None, &journal), dir);
        pbx.live().wait_for(|live| *live == 1).await.unwrap();
        println!("stores and journals on {}", common::file_system(&std::env::temp_dir()));
        Self { bus, pbx, writer, journal }
    }

    /// Sends events from number `first` on, at a constant rate, for this long.
    async fn send(&self, first: usize, rate: u64, count: usize) {
        let began = Instant::now();
        let mut tick = time::interval(Duration::from_millis(5));
        let mut sent = 0;
        while sent < count {
            tick.tick().await;
            let due = usize::try_from(began.elapsed().as_micros() * u128::from(rate) / 1_000_000).unwrap();
            for number in sent..due.min(count) {
                self.pbx.send_text(&common::frame(first + number, common::micros()));
            }
            sent = due.min(count);
        }
    }

    async fn count(&self) -> u64 {
        self.bus.count().await.unwrap_or_default()
    }
}

/// Measures an outage of `minutes` during which `rate` events arrive per second.
pub(crate) async fn memory(kafka: bool, rate: u32, minutes: u32) -> ExitCode {
    let mut scene = Scene::start(kafka).await;
    let each = usize::try_from(rate).unwrap() * 5;
    scene.send(0, rate.into(), each).await;
    let before = resident(scene.writer.pid());
    scene.bus.kill();
    let mut samples = Vec::new();
    for round in 1..=usize::try_from(minutes).unwrap() * 12 {
        scene.send(round * each, rate.into(), each).await;
        samples.push(resident(scene.writer.pid()));
    }
    let written = size(&scene.journal);
    scene.bus.up().await;
    let total = u64::try_from((samples.len() + 1) * each).unwrap();
    let began = Instant::now();
    let mut after = Vec::new();
    while scene.count().await < total && began.elapsed() < Duration::from_mins(5) {
        sleep(Duration::from_millis(200)).await;
        after.push(resident(scene.writer.pid()));
    }
    let stored = scene.count().await;
    let third = samples.len() / 3;
    let (first, last) = (median(&samples[..third]), median(&samples[samples.len() - third..]));
    let most = samples.iter().chain(&after).copied().max().unwrap_or_default();
    println!("{rate} events/s, broker away for {minutes} min, {} MiB of journal written", written >> 20);
    println!(
        "resident memory in KiB: {before} before; away: least {}, median {}, most {}; first third {first}, last third {last}; most while delivering {}",
        samples.iter().min().unwrap(),
        median(&samples),
        samples.iter().max().unwrap(),
        after.iter().max().unwrap()
    );
    println!(
        "stored afterwards: {stored} messages for {total} events, {:.1} s after the return",
        began.elapsed().as_secs_f64()
    );
    verdict(most <= MOST && stored >= total, "memory stays under 64 MiB and all is stored")
}

/// Measures the delivery of a backlog after the broker's return.
pub(crate) async fn backlog(kafka: bool, events: u64) -> ExitCode {
    let mut scene = Scene::start(kafka).await;
    scene.bus.kill();
    scene.send(0, FILL, usize::try_from(events).unwrap()).await;
    let (mut written, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_secs(3) {
        sleep(Duration::from_millis(100)).await;
        let now = size(&scene.journal);
        if now != written {
            (written, since) = (now, Instant::now());
        }
    }
    let began = Instant::now();
    scene.bus.up().await;
    let up = began.elapsed();
    let mut first = None;
    let mut seen = 0;
    while seen < events && began.elapsed() < Duration::from_mins(5) {
        sleep(Duration::from_millis(20)).await;
        seen = scene.count().await;
        // The session's own notices were stored before the outage.
        if first.is_none() && seen > 100 {
            first = Some((Instant::now(), seen));
        }
    }
    let (at, already) = first.expect("nothing was delivered");
    let took = at.elapsed().as_secs_f64();
    let rate = (seen - already) as f64 / took;
    println!(
        "backlog of {events} events, {} MiB of journal: delivery began {:.1} s after the broker was up, then {took:.1} s: {rate:.0}/s",
        written >> 20,
        (at - began).saturating_sub(up).as_secs_f64()
    );
    verdict(rate >= LEAST && seen >= events, "a backlog drains at 40,000/s or more")
}

fn verdict(holds: bool, what: &str) -> ExitCode {
    println!("{}: {what}", if holds { "holds" } else { "BROKEN" });
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Bytes of all segments.
fn size(journal: &Path) -> u64 {
    let Ok(segments) = fs::read_dir(journal.join("segments")) else { return 0 };
    segments.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum()
}

fn median(samples: &[u64]) -> u64 {
    let mut samples = samples.to_vec();
    samples.sort_unstable();
    samples[samples.len() / 2]
}
