//! A simulated office whose calls the real bridge derives.
#![cfg(feature = "nats")]

use std::{path::Path, time::Duration};

use futures_util::StreamExt as _;
use pbx_simulator::{Account, Flow, Options, Simulator, Source};
use tokio::time::timeout;

use super::{bridge::Bridge, nats::Nats};

const PATIENCE: Duration = Duration::from_mins(1);

fn config(pbx: &Simulator, dir: &Path, sinks: &str, calls: bool) -> String {
    format!(
        "[derive]\ncalls = {calls}\n[sources.pbx1]\nurl = \"{}\"\nusername = \"bridge\"\npassword = \"p\"\ndetect_drift = false\n\
         {sinks}\n[journal]\ndir = \"{}\"\n",
        pbx.url(),
        dir.join("journal").display()
    )
}

/// Runs a busy office and a bridge with these sinks, one of which publishes to `nats`, until so many calls have ended. Then ends
/// the calls that go on, by a bridge that derives none. Leaves the configuration in `config.toml`, with everything delivered.
pub(crate) async fn play(dir: &Path, nats: &Nats, sinks: &str, count: usize) {
    let source = Source::Calls(Flow { rate: 200.0, payload_bytes: None });
    let options = Options { source, ..Options::quiet(Account::new("bridge", "p")) };
    let pbx = Simulator::start(options).await.unwrap();
    let client = async_nats::connect(nats.url()).await.unwrap();
    let ended = client.subscribe("cti.v1.pbx1.call.ended.*").await.unwrap();
    client.flush().await.unwrap();
    let mut bridge = Bridge::start(dir, &config(&pbx, dir, sinks, true));
    let enough = timeout(PATIENCE, ended.take(count).count()).await;
    assert!(enough.is_ok(), "few calls ended: {}", bridge.output());
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
    let mut bridge = Bridge::start(dir, &config(&pbx, dir, sinks, false));
    let mut live = pbx.live();
    timeout(PATIENCE, live.wait_for(|live| *live == 1)).await.expect("no session").unwrap();
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
}
