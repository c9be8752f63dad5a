//! The real binary killed with -9 while it derives calls; then the calls in the stream are checked.
#![cfg(feature = "nats")]
#![allow(clippy::print_stdout, reason = "figures for people")]

use std::{path::Path, time::Duration};

use async_nats::jetstream;
use calls::{CallEvent, Step, invariants::Checker};
use futures_util::StreamExt as _;
use pbx_simulator::{Account, Flow, Options, Simulator, Source};
use tokio::time::{sleep, timeout};

use crate::support::{bridge::Bridge, nats::Nats};

const ROUNDS: usize = 20;
const PASSWORD: &str = "secret";

fn config(pbx: &Simulator, nats: &str, dir: &Path, calls: bool) -> String {
    format!(
        "instance = \"calls\"\n[derive]\ncalls = {calls}\n[sources.pbx1]\nurl = \"{}\"\nusername = \"bridge\"\ndetect_drift = false\n\
         password = \"{PASSWORD}\"\n[sinks.bus]\ntype = \"nats\"\nservers = [\"{nats}\"]\nmode = \"jetstream\"\nheartbeat = \"off\"\n\
         [journal]\ndir = \"{}\"\n",
        pbx.url(),
        dir.join("journal").display()
    )
}

async fn live(pbx: &Simulator, count: usize) {
    let mut live = pbx.live();
    let reached = live.wait_for(|live| *live == count);
    timeout(Duration::from_secs(30), reached).await.expect("no session in 30 s").unwrap();
}

/// The events of calls in the stream, in order.
async fn stored(nats: &str) -> Vec<(Step, CallEvent)> {
    let context = jetstream::new(async_nats::connect(nats).await.unwrap());
    let mut stream = context.get_stream("calls").await.unwrap();
    let count = stream.info().await.unwrap().state.messages;
    let consumer = jetstream::consumer::pull::OrderedConfig::default();
    let mut messages = stream.create_consumer(consumer).await.unwrap().messages().await.unwrap();
    let mut all = Vec::new();
    for _ in 0..count {
        let message = timeout(Duration::from_secs(20), messages.next()).await.expect("a message is missing");
        let message = message.unwrap().unwrap();
        let ty = message.headers.as_ref().unwrap().get("ce-type").unwrap().as_str().to_owned();
        if let Some(step) = Step::ALL.into_iter().find(|step| ty == format!("cti.call.{}.v1", step.name())) {
            all.push((step, serde_json::from_slice(&message.payload).unwrap()));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_leave_each_call_one_beginning_and_one_end() {
    let nats = Nats::start("jetstream: { store_dir: \"$DIR/js\" }").await;
    let options = Options {
        source: Source::Calls(Flow { rate: 200.0, payload_bytes: None }),
        ..Options::quiet(Account::new("bridge", PASSWORD))
    };
    let (pbx, dir) = (Simulator::start(options).await.unwrap(), tempfile::tempdir().unwrap());
    for _ in 0..ROUNDS {
        let bridge = Bridge::start(dir.path(), &config(&pbx, &nats.url(), dir.path(), true));
        if fastrand::u8(..8) > 0 {
            live(&pbx, 1).await;
        }
        sleep(Duration::from_millis(fastrand::u64(100..900))).await;
        drop(bridge);
        live(&pbx, 0).await;
    }
    // Without calls: ends those that go on.
    let mut bridge = Bridge::start(dir.path(), &config(&pbx, &nats.url(), dir.path(), false));
    live(&pbx, 1).await;
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
    let mut checker = Checker::default();
    for (step, event) in stored(&nats.url()).await {
        checker.take(step, &event);
    }
    let (calls, events, uncertain) = (checker.calls, checker.events, checker.uncertain);
    println!("{ROUNDS} kills, {calls} calls, {events} events, {uncertain} of them uncertain");
    assert_eq!(checker.finish(true), []);
    assert!(calls > 10, "{calls} calls, {events} events");
}
