//! The real bridge between a simulated PBX and a real stream, while everything around it fails at random.
//!
//! Three hands work at once: one breaks the PBX (each fault of [`fault::DECK`] in turn), one the broker and the way to
//! it, one kills the bridge. When the time is over the stream is read back and held against what the PBX had sent.

pub(crate) mod account;
pub(crate) mod fault;
pub(crate) mod hands;
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
use hands::{Ended, Hands};
use probe::Probe;
use process::Bridge;
use verdict::Verdict;

/// How long, how hard, and by which dice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// The same seed breaks the same things in the same order (not to the millisecond).
    pub(crate) seed: u64,
    /// How long things break.
    pub(crate) length: Duration,
    /// The bridge is killed in the first part of it only: memory is watched in the rest.
    pub(crate) kills: Duration,
}

/// After each fault's end the bridge must be at work again within this time.
pub(crate) const RECOVERY: Duration = Duration::from_mins(1);
/// Of calls after the last fault.
const CALLS: Duration = Duration::from_secs(3);
const JETSTREAM: &str = "jetstream: { store_dir: \"$DIR/js\" }";

/// Microseconds of the clock.
pub(crate) fn micros() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap()
}

/// Runs it, and says what came of it.
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
    let way = hands::way(&nats_url).await;
    let bridge = Arc::new(Bridge::start(&pbx.url(), &way.url()));
    logged_in(&pbx).await;

    let probe = Probe::start(Arc::clone(&pbx));
    let watch = process::Watch::start(Arc::clone(&bridge));
    let began = Instant::now();
    let hands = Hands {
        pbx: Arc::clone(&pbx),
        bridge: Arc::clone(&bridge),
        rng: rng.fork(),
        until: began + settings.length,
        kill_until: began + settings.kills,
    };
    let Ended { faults, nats } = hands.work(nats, &way).await;

    // Everything is well again: the last word must arrive, and the state must be the PBX's.
    fault::end(&pbx);
    let well = micros();
    let context = async_nats::jetstream::new(async_nats::connect(&nats_url).await.unwrap());
    let resynced = stored::wait_for_resync(&context, well).await;
    let state = at_rest(&pbx).await;
    // The office reloads its configuration by itself now and then: the last word must not fall into that gap.
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

/// Some calls that no resync tells of; then the PBX's state, once it changes no more.
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
