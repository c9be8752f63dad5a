//! The real bridge between a simulated PBX and a real stream, while everything around it fails at random.
//!
//! Three tasks inject faults concurrently: one into the PBX (each of [`fault::FAULTS`]), one into the broker, one kills the
//! bridge. The network path to the broker breaks as well. In the end the stream is read back and compared with what the PBX
//! sent.

pub(crate) mod account;
pub(crate) mod fault;
pub(crate) mod fault_injector;
pub(crate) mod probe;
pub(crate) mod process;
pub(crate) mod stored;
pub(crate) mod verdict;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use fastrand::Rng;
use pbx_simulator::{Flow, Options, Simulator, Source};
use tokio::time::sleep;

use super::nats::Nats;
use fault_injector::{FaultInjector, Outcome};
use probe::Probe;
use process::Bridge;
use verdict::Verdict;

/// The parameters of a soak.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// The same seed gives the same faults in the same order, though not to the millisecond.
    pub(crate) seed: u64,
    /// The time during which faults are injected.
    pub(crate) length: Duration,
    /// The time during which the bridge is killed; its memory is measured after that.
    pub(crate) kills: Duration,
}

/// The bridge must recover within this time after the end of a fault.
pub(crate) const RECOVERY: Duration = Duration::from_mins(1);
/// The time that calls continue after the last fault.
const CALLS: Duration = Duration::from_secs(3);
const JETSTREAM: &str = "jetstream: { store_dir: \"$DIR/js\" }";

/// Unix time in microseconds.
pub(crate) fn micros() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap()
}

/// Runs a soak.
pub(crate) async fn run(settings: Settings) -> Verdict {
    let mut rng = Rng::with_seed(settings.seed);
    let nats = Nats::start(JETSTREAM).await;
    let nats_url = nats.url();
    let options = Options {
        seed: settings.seed,
        source: Source::Calls(Flow { rate: 30.0, payload_bytes: None }),
        ..Options::quiet(account::service())
    };
    let pbx = Arc::new(Simulator::start(options).await.unwrap());
    let path = fault_injector::network_path(&nats_url).await;
    let bridge = Arc::new(Bridge::start(&pbx.url(), &path.url()));
    logged_in(&pbx).await;

    let probe = Probe::start(Arc::clone(&pbx));
    let watch = process::Watch::start(Arc::clone(&bridge));
    let began = Instant::now();
    let injector = FaultInjector {
        pbx: Arc::clone(&pbx),
        bridge: Arc::clone(&bridge),
        rng: rng.fork(),
        until: began + settings.length,
        kill_until: began + settings.kills,
    };
    let Outcome { faults, nats } = injector.run(nats, &path).await;

    // No faults from here on: the last event must arrive, and the state in the stream must be the PBX's.
    fault::end(&pbx);
    let healthy = micros();
    let context = async_nats::jetstream::new(async_nats::connect(&nats_url).await.unwrap());
    let resynced = stored::wait_for_resync(&context, healthy).await;
    let state = at_rest(&pbx).await;
    // The simulated PBX reloads its configuration now and then: the last event must not fall into that gap.
    logged_in(&pbx).await;
    let sent = probe.end().await;
    let settled = stored::wait_for_probe(&context, sent.len() - 1).await;
    let samples = watch.end().await;
    let exit = bridge.stop().await;
    let stored = stored::read(&context).await;
    let verified = bridge.verify(&nats_url);
    drop(nats);
    let log = bridge.log();
    Verdict { settings, faults, sent, stored, state, resynced, settled, samples, exit, verified, log }
}

/// Lets some calls pass that no resync covers, ends them, and returns the PBX's final state.
async fn at_rest(pbx: &Simulator) -> BTreeMap<(String, String), String> {
    sleep(CALLS).await;
    pbx.turn(|knobs| knobs.still = true);
    let mut state = pbx.state(account::USER);
    let deadline = Instant::now() + RECOVERY;
    loop {
        assert!(Instant::now() < deadline, "the calls do not end");
        sleep(Duration::from_millis(300)).await;
        let later = pbx.state(account::USER);
        if later == state {
            return state;
        }
        state = later;
    }
}

async fn logged_in(pbx: &Simulator) {
    let mut live = pbx.live();
    let live = tokio::time::timeout(RECOVERY, live.wait_for(|live| *live >= 1)).await;
    live.expect("the bridge is not logged in").unwrap();
}
