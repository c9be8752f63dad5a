//! The durable way: the real binary, its journal on disk, a stream on a real server.
#![cfg(feature = "nats")]

use std::{path::Path, time::Duration};

use async_nats::jetstream;
use futures_util::StreamExt as _;
use pbx_simulator::{Account, Options, Simulator};
use serde_json::Value;

use crate::support::{
    bridge::{Bridge, program},
    nats::Nats,
};

const JETSTREAM: &str = "jetstream: { store_dir: \"$DIR/js\" }";

fn config(pbx: &Simulator, nats: &Nats, dir: &Path, more: &str) -> String {
    let (pbx, nats, journal) = (pbx.url(), nats.url(), dir.join("journal"));
    format!(
        "drain_timeout = \"2s\"\n[sources.pbx1]\nurl = \"{pbx}\"\nusername = \"bridge\"\nresync = false\ndetect_drift = false\npassword = \"p\"\n\
         [sinks.bus]\ntype = \"nats\"\nmode = \"jetstream\"\nservers = [\"{nats}\"]\nheartbeat = \"off\"\n{more}\n\
         [journal]\ndir = \"{}\"\n",
        journal.display()
    )
}

async fn pbx() -> Simulator {
    Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap()
}

async fn logged_in(pbx: &Simulator) {
    let mut live = pbx.live();
    tokio::time::timeout(Duration::from_secs(30), live.wait_for(|live| *live == 1)).await.unwrap().unwrap();
}

/// The types, and the numbers of the events, that the stream holds, once it holds the number `last`.
async fn stored(nats: &Nats, last: u64) -> (Vec<String>, Vec<u64>) {
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        assert!(std::time::Instant::now() < deadline, "{last} does not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let Ok(stream) = context.get_stream("cti-bridge").await else { continue };
        let count = stream.cached_info().state.messages;
        let config = jetstream::consumer::pull::OrderedConfig::default();
        let mut messages = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
        let (mut types, mut numbers) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let message = messages.next().await.unwrap().unwrap();
            types.push(message.headers.as_ref().unwrap().get("ce-type").unwrap().to_string());
            let data: Value = serde_json::from_slice(&message.payload).unwrap();
            numbers.extend(data["n"].as_u64());
        }
        if numbers.last() == Some(&last) {
            return (types, numbers);
        }
    }
}

fn emit(pbx: &Simulator, numbers: std::ops::Range<u64>) {
    for number in numbers {
        pbx.emit("extenUpdate", &format!(r#"{{"exten":"201","n":{number}}}"#));
    }
}

fn command(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let config = dir.join("config.toml");
    let output = program().args(args).arg("--config").arg(config).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.code(), text)
}

// The simulator lives in this process, and commands block.
#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_survives_the_bridge_and_is_stored_once() {
    let (pbx, mut nats, dir) = (pbx().await, Nats::start(JETSTREAM).await, tempfile::tempdir().unwrap());
    let text = config(&pbx, &nats, dir.path(), "");
    let mut bridge = Bridge::start(dir.path(), &text);
    logged_in(&pbx).await;
    emit(&pbx, 0..10);
    stored(&nats, 9).await;
    nats.kill();
    bridge.says("failing").await;
    emit(&pbx, 10..500);
    let journal = |expected: &str| {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        loop {
            let (_, text) = command(dir.path(), &["journal", "export"]);
            if text.contains(expected) {
                return text;
            }
            assert!(std::time::Instant::now() < deadline, "{expected} is not in the journal: {text}");
        }
    };
    journal("\"n\":499");
    assert_eq!(bridge.stop().await, Some(75), "stopped with undelivered events");
    assert!(bridge.output().contains("they are in the journal"), "{}", bridge.output());
    let output = bridge.output();
    let failing = |line: &&str| line.contains("sink/bus") && line.contains("failing");
    assert_eq!(output.lines().filter(failing).count(), 1, "one outage is one line: {output}");
    nats.up().await;
    let mut bridge = Bridge::start(dir.path(), &text);
    logged_in(&pbx).await;
    emit(&pbx, 500..510);
    let (types, numbers) = stored(&nats, 509).await;
    assert_eq!(numbers, (0..510).collect::<Vec<_>>());
    assert_eq!(types.iter().filter(|ty| *ty == "cti.bridge.gap.v1").count(), 2);
    assert_eq!(bridge.stop().await, Some(0));

    let (code, text) = command(dir.path(), &["verify", "--sink", "bus", "--since", "1h"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("announced gaps: 2; complete, in order, everything once"), "{text}");
    let (code, text) = command(dir.path(), &["journal", "verify"]);
    assert_eq!((code, text.contains("intact")), (Some(0), true), "{text}");
    let (_, text) = command(dir.path(), &["journal", "ls"]);
    assert!(text.contains("bus") && text.contains("pbx1"), "{text}");
    let (_, text) = command(dir.path(), &["journal", "inspect", "--source", "pbx1", "--from", "1h"]);
    assert_eq!(text.matches("extenUpdate").count(), 510, "{text}");
    assert_eq!(text.matches("[skipped] 0 events").count(), 1, "{text}");

    let client = async_nats::connect(nats.url()).await.unwrap();
    let mut again = client.subscribe("cti.v1.pbx1.replay.>").await.unwrap();
    client.flush().await.unwrap();
    let (code, text) = command(dir.path(), &["journal", "replay", "--sink", "bus", "--from", "1h"]);
    assert_eq!(code, Some(0), "{text}");
    let message = tokio::time::timeout(Duration::from_secs(10), again.next()).await.unwrap().unwrap();
    let headers = message.headers.unwrap();
    assert!(headers.get("ce-id").is_some() && headers.get("ce-ctiprev").is_none(), "{headers:?}");
    assert_eq!(
        headers.get("ce-ctiorigin").map(async_nats::HeaderValue::as_str),
        Some("replay"),
        "{headers:?}"
    );
}

#[tokio::test]
async fn a_stream_that_lost_what_it_acknowledged_gets_it_again() {
    let (pbx, nats, dir) = (pbx().await, Nats::start(JETSTREAM).await, tempfile::tempdir().unwrap());
    let text = config(&pbx, &nats, dir.path(), "");
    let mut bridge = Bridge::start(dir.path(), &text);
    logged_in(&pbx).await;
    emit(&pbx, 0..100);
    stored(&nats, 99).await;
    assert_eq!(bridge.stop().await, Some(0));
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    context.delete_stream("cti-bridge").await.unwrap();
    let _bridge = Bridge::start(dir.path(), &text);
    logged_in(&pbx).await;
    emit(&pbx, 100..110);
    let (types, numbers) = stored(&nats, 109).await;
    assert_eq!(numbers, (0..110).collect::<Vec<_>>());
    assert!(types.iter().any(|ty| ty == "cti.bridge.rewound.v1"), "{types:?}");
}

#[tokio::test]
async fn another_journals_stream_is_untouched_until_adopted() {
    let (pbx, nats) = (pbx().await, Nats::start(JETSTREAM).await);
    let (mine, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut first = Bridge::start(other.path(), &config(&pbx, &nats, other.path(), ""));
    logged_in(&pbx).await;
    emit(&pbx, 0..10);
    stored(&nats, 9).await;
    assert_eq!(first.stop().await, Some(0));
    let mut second = Bridge::start(mine.path(), &config(&pbx, &nats, mine.path(), ""));
    second.says("two bridges share a name").await;
    let output = second.output();
    let (_, id) = output.split_once("adopt = \\\"").expect("the remedy");
    let adopt = format!("adopt = \"{}\"", &id[..10]);
    logged_in(&pbx).await;
    emit(&pbx, 10..20);
    assert_eq!(second.stop().await, Some(75));
    let _second = Bridge::start(mine.path(), &config(&pbx, &nats, mine.path(), &adopt));
    logged_in(&pbx).await;
    emit(&pbx, 20..30);
    let (_, numbers) = stored(&nats, 29).await;
    assert!(numbers.starts_with(&(0..10).collect::<Vec<_>>()), "{numbers:?}");
    assert!(numbers.ends_with(&(20..30).collect::<Vec<_>>()), "{numbers:?}");
}

#[tokio::test]
async fn an_event_that_is_refused_for_good_becomes_a_dead_letter() {
    let (pbx, nats, dir) = (
        pbx().await,
        Nats::start(&format!("{JETSTREAM}\nmax_payload: 65536")).await,
        tempfile::tempdir().unwrap(),
    );
    let client = async_nats::connect(nats.url()).await.unwrap();
    let mut letters = client.subscribe("cti.v1.pbx1.dlq.>").await.unwrap();
    client.flush().await.unwrap();
    let _bridge = Bridge::start(dir.path(), &config(&pbx, &nats, dir.path(), ""));
    logged_in(&pbx).await;
    let avatar = "A".repeat(70_000);
    pbx.emit("userProfileAvatarUpdate", &format!(r#"{{"username":"ada","avatar":"{avatar}"}}"#));
    emit(&pbx, 0..10);
    let (types, numbers) = stored(&nats, 9).await;
    assert_eq!(numbers.len(), 10);
    let letter = tokio::time::timeout(Duration::from_secs(10), letters.next()).await.unwrap().unwrap();
    assert_eq!(letter.subject.as_str(), "cti.v1.pbx1.dlq.userProfileAvatarUpdate.ada");
    let letter: Value = serde_json::from_slice(&letter.payload).unwrap();
    assert_eq!((&letter["sink"], letter["payload"].is_null()), (&"bus".into(), true), "{letter}");
    assert!(
        letter["size"].as_u64() > Some(70_000) && letter["reason"].as_str().unwrap().contains("max_payload")
    );
    let kept = std::fs::read_dir(dir.path().join("journal/dead")).unwrap().next().unwrap().unwrap();
    assert!(std::fs::read_to_string(kept.path()).unwrap().contains(&avatar), "the original is kept");
    // It may be announced a moment later than what follows it.
    drop(types);
    let context = jetstream::new(client);
    let mut stream = context.get_stream("cti-bridge").await.unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while stream.get_last_raw_message_by_subject("cti.v1.pbx1.bridge.deadlettered._").await.is_err() {
        assert!(std::time::Instant::now() < deadline, "it is not announced");
        stream.info().await.unwrap();
    }
}
