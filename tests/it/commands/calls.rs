//! `calls` and `verify --calls`: a simulated office, the real binary, a real stream.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::jetstream::{self, stream::Stream};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use journal::{Journal, Unmonitored, fs};
use journal_kit::{
    begin, events, names,
    office::{derivation, exten_update},
};
use pbx_simulator::{Account, Flow, Options, Simulator, Source};
use serde_json::Value;

use crate::support::{
    admin_bridge::port,
    bridge::{Bridge, program},
    nats::Nats,
};

/// One message of the stream.
struct Message {
    subject: String,
    headers: async_nats::HeaderMap,
    data: Value,
}

impl Message {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(async_nats::HeaderValue::as_str).unwrap_or_default()
    }

    fn is_step(&self, step: &str) -> bool {
        self.header("ce-type") == format!("cti.call.{step}.v1")
    }
}

fn config(pbx: &Simulator, nats: &Nats, dir: &Path, admin: u16, calls: bool) -> String {
    format!(
        "[sources.pbx1]\nurl = \"{}\"\nusername = \"bridge\"\npassword = \"p\"\ndetect_drift = false\n[derive]\ncalls = {calls}\n\
         [sinks.bus]\ntype = \"nats\"\nmode = \"jetstream\"\nservers = [\"{}\"]\nheartbeat = \"off\"\n\
         [journal]\ndir = \"{}\"\n[admin]\nlisten = \"127.0.0.1:{admin}\"\n",
        pbx.url(),
        nats.url(),
        dir.join("journal").display()
    )
}

fn run(dir: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = program().args(args).arg("--config").arg(dir.join("config.toml")).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

async fn stream(nats: &Nats) -> Stream {
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    context.get_stream("cti-bridge").await.unwrap()
}

async fn stored(nats: &Nats) -> Vec<Message> {
    let mut stream = stream(nats).await;
    let count = stream.info().await.unwrap().state.messages;
    let consumer = jetstream::consumer::pull::OrderedConfig::default();
    let mut messages = stream.create_consumer(consumer).await.unwrap().messages().await.unwrap();
    let mut all = Vec::new();
    while (all.len() as u64) < count {
        let message = messages.next().await.unwrap().unwrap();
        all.push(Message {
            subject: message.subject.to_string(),
            headers: message.headers.clone().unwrap(),
            data: serde_json::from_slice(&message.payload).unwrap(),
        });
    }
    all
}

/// The values of the metrics of calls, by series; none while the bridge starts.
async fn metrics(admin: u16) -> BTreeMap<String, f64> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let Ok(answer) = http.get(format!("http://127.0.0.1:{admin}/metrics")).send().await else {
        return BTreeMap::new();
    };
    let text = answer.text().await.unwrap();
    let of_calls = text.lines().filter_map(|line| line.strip_prefix("cti_bridge_call")?.rsplit_once(' '));
    of_calls.map(|(series, value)| (series.to_owned(), value.parse().unwrap())).collect()
}

/// Runs an office until calls have ended in several ways. Returns the metrics.
async fn play(nats: &Nats, dir: &Path) -> BTreeMap<String, f64> {
    let source = Source::Calls(Flow { rate: 100.0, payload_bytes: None });
    let options = Options { source, ..Options::quiet(Account::new("bridge", "p")) };
    let (pbx, admin) = (Simulator::start(options).await.unwrap(), port());
    std::fs::write(dir.join("config.toml"), config(&pbx, nats, dir, admin, true)).unwrap();
    let mut command = program();
    command.env_remove("CTI_BRIDGE_ADMIN__LISTEN").args(["run", "--config"]).arg(dir.join("config.toml"));
    let mut bridge = Bridge::spawn(command);
    let deadline = Instant::now() + Duration::from_secs(40);
    let enough = |all: &BTreeMap<String, f64>| {
        let ended = all.iter().filter(|(name, _)| name.starts_with("s_ended_total"));
        ended.map(|(_, count)| count).sum::<f64>() >= 20.0
    };
    loop {
        let all = metrics(admin).await;
        if enough(&all) {
            break;
        }
        assert!(Instant::now() < deadline, "few calls: {all:?}\n{}", bridge.output());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Silence, so that metrics, journal and stream agree.
    drop(pbx);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let all = metrics(admin).await;
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
    all
}

// The simulator lives in this process, and commands block.
#[tokio::test(flavor = "multi_thread")]
async fn calls_are_those_of_the_stream_and_are_verified() {
    let nats = Nats::start("jetstream: { store_dir: \"$DIR/js\" }").await;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let metrics = play(&nats, dir).await;
    let stored = stored(&nats).await;

    let mut newest = BTreeMap::new();
    for message in stored.iter().filter(|message| message.header("ce-type").starts_with("cti.call.")) {
        newest.insert(message.data["call"].as_str().unwrap().to_owned(), message.data.clone());
    }
    let (code, text, err) = run(dir, &["calls", "--json"]);
    assert_eq!((code, &*err), (Some(0), ""));
    let shown = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let shown: BTreeMap<String, Value> =
        shown.map(|data| (data["call"].as_str().unwrap().to_owned(), data)).collect();
    assert_eq!(shown, newest);
    let (_, text, _) = run(dir, &["calls"]);
    assert_eq!(text.lines().count(), newest.len() + 1, "{text}");
    let (_, text, _) = run(dir, &["calls", "--csv"]);
    let ended = newest.values().filter(|data| data.get("outcome").is_some()).count();
    assert_eq!(text.lines().count(), ended + 1, "{text}");
    let (_, text, _) = run(dir, &["calls", "--number", "201"]);
    assert!(text.lines().count() < newest.len() && text.contains("201 Ada Neri"), "{text}");

    let count = |step: &str| stored.iter().filter(|message| message.is_step(step)).count();
    let sum = |name: &str| {
        let series = metrics.iter().filter(|(series, _)| series.split('{').next() == Some(name));
        series.map(|(_, value)| *value).sum::<f64>()
    };
    let is = |name: &str, count: usize| {
        assert_eq!(sum(name).to_string(), count.to_string(), "{name}: {metrics:?}");
    };
    is("s_started_total", count("started"));
    is("s_ended_total", count("ended"));
    is("s", count("started") - count("ended"));
    is("_answer_seconds_count", count("answered"));
    is(
        "_events_total",
        stored.iter().filter(|message| message.header("ce-type").starts_with("cti.call.")).count(),
    );
    is(
        "_events_uncertain_total",
        stored
            .iter()
            .filter(|message| message.data["certain"] == false && message.data.get("legs").is_some())
            .count(),
    );

    let verify = || run(dir, &["verify", "--sink", "bus", "--calls"]);
    let (code, text, _) = verify();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("one start and one end each, every step fits"), "{text}");
    plant(&nats, &stored).await;
    let (code, text, _) = verify();
    assert_eq!(code, Some(73), "{text}");
    let started = stored.iter().find(|message| message.is_step("started")).unwrap();
    let call = started.data["call"].as_str().unwrap();
    assert!(
        text.contains(&format!("call {call} does not begin with exactly one `started`"))
            || text.contains(&format!("call {call} goes on after its `ended`")),
        "{text}"
    );
    assert!(text.contains("and no notice says why"), "{text}");
}

/// Publishes the first `started` again, as if the event before it had been removed.
async fn plant(nats: &Nats, stored: &[Message]) {
    let last = stored.last().unwrap().header("ce-id").to_owned();
    let (journal, number) = last.split_once('-').unwrap();
    let started = stored.iter().find(|message| message.is_step("started")).unwrap();
    // Not what the bridge expects of the stream.
    let mut headers = async_nats::HeaderMap::new();
    for (name, values) in started.headers.iter().filter(|(name, _)| name.to_string().starts_with("ce-")) {
        for value in values {
            headers.append(name.clone(), value.clone());
        }
    }
    let number: u64 = number.parse().unwrap();
    let id = format!("{journal}-{}", number + 2);
    headers.insert("ce-id", &*id);
    headers.insert("ce-ctiprev", (number + 1).to_string());
    headers.insert("Nats-Msg-Id", &*id);
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let payload = serde_json::to_vec(&started.data).unwrap();
    let published = context.publish_with_headers(started.subject.clone(), headers, payload.into()).await;
    published.unwrap().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_not_derived_are_said_to_be_off() {
    let nats = Nats::start("jetstream: { store_dir: \"$DIR/js\" }").await;
    let pbx = Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut bridge = Bridge::start(dir.path(), &config(&pbx, &nats, dir.path(), port(), false));
    bridge.says("active").await;
    bridge.stop().await;
    let (code, _, err) = run(dir.path(), &["calls"]);
    assert_eq!(code, Some(78), "{err}");
    assert!(err.contains("set `calls = true` in [derive]"), "{err}");
    for (args, code, expected) in [
        (&["--number", "xxx"][..], 64, "--number has no digits"),
        (&["--source", "pbx2"], 64, "the journal has no source \"pbx2\": did you mean pbx1?"),
        (&["--since", "soon"], 64, "write a number and its unit, such as 30s, 15m or 24h"),
        (&["--dir", "/nonexistent"], 73, "there is no journal in /nonexistent"),
    ] {
        let (exit, _, err) = run(dir.path(), &[&["calls"], args].concat());
        assert!(exit == Some(code) && err.contains(expected), "{args:?}: {exit:?}: {err}");
    }
}

/// Its steps have been delivered and removed, so only the head of the newest segment knows it.
#[test]
fn a_call_that_goes_on_is_shown_when_its_steps_are_no_longer_kept() {
    let dir = tempfile::tempdir().unwrap();
    let options =
        journal::Options { dir: dir.path().to_owned(), max_bytes: Some(1 << 20), ..journal_kit::config() };
    let (sources, sinks) = (names(&["a"]), names(&["x"]));
    let (journal, _) = Journal::open_with(
        &options,
        Arc::new(fs::Disk),
        &sources,
        &sinks,
        Arc::new(Unmonitored),
        Some(&derivation(&["a"])),
    )
    .unwrap();
    let mut live = begin(&journal, "a");
    let talk = ("PJSIP/201-1".to_owned(), "PJSIP/trunk-1".to_owned(), "1795538000.1".to_owned(), true);
    live.event(exten_update(Timestamp::now(), "201", false, &[talk]));
    events(&mut live, "trunkUpdate", 200, 1024);
    journal.sync();
    drop(live);
    journal.close();
    let mut segments: Vec<_> =
        std::fs::read_dir(dir.path().join("segments")).unwrap().map(|file| file.unwrap().path()).collect();
    segments.sort();
    assert!(segments.len() > 2, "{segments:?}");
    let calls = |args: &[&str]| {
        let output = program().args(["calls", "--dir"]).arg(dir.path()).args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let whole: Value = serde_json::from_str(&calls(&["--json"])).unwrap();
    for segment in &segments[..segments.len() - 1] {
        std::fs::remove_file(segment).unwrap();
    }
    let saved: Value = serde_json::from_str(&calls(&["--json"])).unwrap();
    assert_eq!((&saved["call"], &saved["state"]), (&whole["call"], &"connected".into()));
    assert_eq!(saved["answeredAt"], whole["answeredAt"]);
    assert!(calls(&["--number", "0721000111"]).contains("talking"));
    assert!(!calls(&["--number", "202"]).contains("talking"));
    assert!(!calls(&["--since", "1ms"]).is_empty());
}
