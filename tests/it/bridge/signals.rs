//! The reaction of the real binary to signals.

use pbx_simulator::{Account, Options, Simulator};

use crate::support::bridge::Bridge;

#[tokio::test]
async fn a_hangup_ends_a_rest_of_minutes() {
    let mut options = Options::quiet(Account::new("bridge", "p"));
    // Answered with a rest of two minutes or more.
    options.knobs.too_many_requests = true;
    let pbx = Simulator::start(options).await.unwrap();
    let config = format!(
        "[sources.a]\nurl = \"{}\"\nusername = \"bridge\"\npassword = \"p\"\n[sinks.out]\ntype = \"stdout\"\n",
        pbx.url()
    );
    let dir = tempfile::tempdir().unwrap();
    let mut bridge = Bridge::start(dir.path(), &config);
    bridge.says("too many requests").await;
    pbx.turn(|knobs| knobs.too_many_requests = false);
    bridge.signal("-HUP");
    bridge.says("cti.bridge.connected.v1").await;
    bridge.signal("-HUP");
    pbx.emit("still", "1");
    bridge.says("cti.event.still.v1").await;
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
}

#[tokio::test]
async fn sigusr1_triggers_a_resync() {
    let pbx = Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap();
    let config = format!(
        "[sources.a]\nurl = \"{}\"\nusername = \"bridge\"\npassword = \"p\"\n[sinks.out]\ntype = \"stdout\"\n",
        pbx.url()
    );
    let dir = tempfile::tempdir().unwrap();
    let mut bridge = Bridge::start(dir.path(), &config);
    bridge.says("cti.bridge.resync.completed.v1").await;
    bridge.says(r#""ctiorigin":"snapshot""#).await;
    bridge.signal("-USR1");
    bridge.says(r#""reason":"requested""#).await;
    // The log names the source.
    bridge.says("reading the PBX's state").await;
    let output = bridge.output();
    let line = output.lines().find(|line| line.contains("reading the PBX's state")).unwrap();
    assert!(line.contains("source=a ") || line.contains(r#""source":"a""#), "{line}");
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
}
