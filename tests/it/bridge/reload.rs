//! The real binary when the secrets of a sink are replaced.
#![cfg(feature = "nats")]

use std::{fs, path::Path};

use pbx_simulator::{Account, Options, Simulator};

use crate::support::{bridge::Bridge, nats::Nats};

const WRONG: &str = "refuses the credentials";
const ACTIVE: &str = r#""message":"active","outage_seconds""#;

async fn pbx() -> Simulator {
    Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap()
}

fn config(dir: &Path, pbx: &Simulator, nats: &Nats, more: &str) -> String {
    format!(
        "[sources.a]\nurl = \"{}\"\nusername = \"bridge\"\npassword = \"p\"\nresync = false\ndetect_drift = false\n[sinks.bus]\ntype = \"nats\"\n\
         servers = [\"{}\"]\nusername = \"bridge\"\npassword_file = \"{}\"\n{more}\n",
        pbx.url(),
        nats.url(),
        dir.join("password").display(),
    )
}

async fn server() -> Nats {
    Nats::start("authorization: { user: bridge, password: new }").await
}

#[tokio::test]
async fn sighup_applies_a_new_password_and_names_other_changes() {
    let (pbx, nats, dir) = (pbx().await, server().await, tempfile::tempdir().unwrap());
    fs::write(dir.path().join("password"), "old").unwrap();
    let mut bridge = Bridge::start(dir.path(), &config(dir.path(), &pbx, &nats, ""));
    bridge.says(WRONG).await;
    fs::write(dir.path().join("password"), "new").unwrap();
    let config = config(dir.path(), &pbx, &nats, "inbox_prefix = \"_x\"");
    fs::write(dir.path().join("config.toml"), config).unwrap();
    bridge.signal("-HUP");
    bridge.says("secrets or certificates changed").await;
    bridge.says("sinks.bus.inbox_prefix").await;
    // Before the half minute is over that it waits otherwise.
    tokio::time::timeout(std::time::Duration::from_secs(8), bridge.says(ACTIVE))
        .await
        .unwrap_or_else(|_| panic!("still waits: {}", bridge.output()));
    assert!(!bridge.output().contains(r#""key":"sinks.bus.password"#), "{}", bridge.output());
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
}

#[tokio::test]
async fn a_failing_sink_finds_a_new_password_by_itself() {
    let (pbx, nats, dir) = (pbx().await, server().await, tempfile::tempdir().unwrap());
    fs::write(dir.path().join("password"), "old").unwrap();
    let mut bridge = Bridge::start(dir.path(), &config(dir.path(), &pbx, &nats, ""));
    bridge.says(WRONG).await;
    fs::write(dir.path().join("password"), "new").unwrap();
    bridge.says("secrets or certificates changed").await;
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
}
