//! `cti-bridge check`, the journal and a real NATS server: each stage broken once, with its sentence and its code.
#![cfg(feature = "nats")]

use std::path::Path;

use async_nats::jetstream;
use pbx_simulator::Account;
use tempfile::{TempDir, tempdir};

use crate::support::{
    bridge::{Bridge, program},
    check::{Checked, PASSWORD, check, said},
    nats::Nats,
};
use pbx_client::{connected, start_with};

const SINK: &str = "sink/bus";
const JETSTREAM: &str = "jetstream: { store_dir: \"$DIR/js\" }";

/// A PBX at `url`, a journal in `dir`, and a stream at `server`.
fn config(dir: &Path, url: &str, server: &str, more: &str) -> String {
    format!(
        "[sources.pbx1]\nurl = \"{url}\"\nusername = \"bridge\"\npassword = \"{PASSWORD}\"\n\
         [sinks.bus]\ntype = \"nats\"\nmode = \"jetstream\"\nservers = [\"{server}\"]\n{more}\n\
         [journal]\ndir = \"{}\"\n",
        dir.join("journal").display()
    )
}

/// Checks the sink alone: the PBX is not asked.
fn look(server: &str, more: &str) -> Checked {
    let dir = tempdir().unwrap();
    check(dir.path(), &config(dir.path(), "http://127.0.0.1:1", server, more), &["--sink", "bus"])
}

/// What a running bridge looks like from outside.
struct Running {
    dir: TempDir,
    bridge: Bridge,
    text: String,
}

/// A bridge that has stored something.
async fn running(url: &str, server: &str) -> Running {
    let dir = tempdir().unwrap();
    let text = config(dir.path(), url, server, "");
    let bridge = Bridge::start(dir.path(), &text);
    let context = jetstream::new(async_nats::connect(server).await.unwrap());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        if let Ok(stream) = context.get_stream("cti-bridge").await
            && stream.get_last_raw_message_by_subject("cti.v1.pbx1.bridge.connected._").await.is_ok()
        {
            return Running { dir, bridge, text };
        }
        assert!(std::time::Instant::now() < deadline, "never stored: {}", bridge.output());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_place_is_well_and_stays_empty() {
    let nats = Nats::start(JETSTREAM).await;
    let checked = look(&nats.url(), "");
    assert_eq!(checked.verdicts(SINK), "connect ok, stream ok, publish ok", "{:#?}", checked.steps);
    checked.tells(SINK, "stream", "stream cti-bridge does not exist yet: the bridge will create it");
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    assert!(context.get_stream("cti-bridge").await.is_err(), "a check creates nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_bridge_is_left_alone() {
    let pbx = start_with(|options| options.accounts = vec![Account::new("bridge", PASSWORD)]).await;
    let nats = Nats::start(JETSTREAM).await;
    let mut running = running(pbx.url().as_str(), &nats.url()).await;
    running.bridge.says("finished reading the PBX's state").await;
    let before = running.bridge.output();
    for _ in 0..3 {
        let checked = check(running.dir.path(), &running.text, &[]);
        assert_eq!(checked.code, 0, "{:#?}", checked.steps);
        checked.tells(SINK, "stream", "stream cti-bridge exists and is suitable");
        assert_eq!(checked.step("bridge", "journal")["details"]["inUse"], true);
    }
    connected(&pbx, 1).await;
    assert_eq!(running.bridge.output(), before, "nothing happened to it");
    assert_eq!(running.bridge.stop().await, Some(0), "{}", running.bridge.output());
    let mut verify = program();
    verify.args(["verify", "--sink", "bus", "--config"]).arg(running.dir.path().join("config.toml"));
    let (code, out, err) = said(verify);
    assert_eq!(code, 0, "{out}{err}");

    // Another journal's bridge would write into the same stream.
    look(&nats.url(), "").fails(SINK, "stream", 85, &["adopt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_or_refuses_the_account() {
    look("nats://127.0.0.1:1", "").fails(
        SINK,
        "connect",
        84,
        &["can't connect to nats://127.0.0.1:1", "check that it is running and reachable"],
    );
    let nats = Nats::start(&format!("authorization: {{ user: bridge, password: right }}\n{JETSTREAM}")).await;
    let wrong = look(&nats.url(), "username = \"bridge\"\npassword = \"planted-nats\"");
    wrong.fails(SINK, "connect", 84, &["refuses the credentials"]);
    assert_eq!(wrong.verdicts(SINK), "connect failed, stream skipped, publish skipped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_jetstream() {
    let nats = Nats::start("").await;
    let checked = look(&nats.url(), "");
    checked.fails(SINK, "stream", 85, &["JetStream"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_makes_the_guarantee_a_lie() {
    let nats = Nats::start(JETSTREAM).await;
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let stream = jetstream::stream::Config {
        name: "cti-bridge".to_owned(),
        subjects: vec![
            "cti.v1.pbx1.event.>".to_owned(),
            "cti.v1.pbx1.bridge.>".to_owned(),
            "cti.v1.pbx1.call.>".to_owned(),
        ],
        retention: jetstream::stream::RetentionPolicy::WorkQueue,
        ..jetstream::stream::Config::default()
    };
    context.create_stream(stream).await.unwrap();
    look(&nats.url(), "").fails(SINK, "stream", 85, &["cti-bridge", "retention"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_stream_that_has_our_subjects_is_named() {
    let nats = Nats::start(JETSTREAM).await;
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let mut stream = jetstream::stream::Config {
        name: "archive".to_owned(),
        subjects: vec!["cti.v1.pbx1.event.extenUpdate.>".to_owned()],
        ..jetstream::stream::Config::default()
    };
    context.create_stream(stream.clone()).await.unwrap();
    look(&nats.url(), "").fails(SINK, "stream", 85, &["stream archive", "cti.v1.pbx1.event.>"]);
    // Also where ours is there, and lacks them.
    stream.name = "cti-bridge".to_owned();
    stream.subjects = vec!["cti.v1.pbx1.bridge.>".to_owned()];
    context.create_stream(stream).await.unwrap();
    look(&nats.url(), "").fails(SINK, "stream", 85, &["stream archive", "cti.v1.pbx1.event.>"]);
    context.delete_stream("archive").await.unwrap();
    assert_eq!(look(&nats.url(), "").code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_not_publish() {
    let permissions = |allow: &str| {
        format!(
            "{JETSTREAM}\nauthorization: {{ users: [ {{ user: bridge, password: planted-nats, permissions: {{ \
             publish: {{ allow: [{allow}] }}, subscribe: {{ allow: [\"_INBOX.>\"] }} }} }} ] }}"
        )
    };
    let account = "username = \"bridge\"\npassword = \"planted-nats\"";
    let api = "\"$JS.API.>\", \"_INBOX.>\", \"$SYS.REQ.USER.INFO\"";
    for (allow, missing) in [
        (api.to_owned(), "cti.v1.pbx1.status.check._"),
        (format!("{api}, \"cti.v1.*.status.>\""), "cti.v1.pbx1.event"),
    ] {
        let nats = Nats::start(&permissions(&allow)).await;
        look(&nats.url(), account).fails(SINK, "publish", 86, &[missing, "allow"]);
    }
}

#[test]
fn a_journal_that_cannot_be_used() {
    let dir = tempdir().unwrap();
    let text = config(dir.path(), "http://127.0.0.1:1", "nats://127.0.0.1:1", "");
    std::fs::write(dir.path().join("journal"), "a file").unwrap();
    check(dir.path(), &text, &["--offline"]).fails("bridge", "journal", 73, &["journal", "is a file"]);
}
