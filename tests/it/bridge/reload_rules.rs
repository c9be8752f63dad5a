//! The real binary when SIGHUP changes the rules of its sinks.
#![cfg(feature = "nats")]

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

use async_nats::jetstream;
use futures_util::StreamExt as _;
use pbx_simulator::{Account, Options, Simulator};
use serde_json::Value;
use tokio::{task::JoinHandle, time::sleep};

use crate::support::{
    admin_bridge::port,
    bridge::{Bridge, program},
    nats::Nats,
    wait::until,
};

const JETSTREAM: &str = "jetstream: { store_dir: \"$DIR/js\" }";
const OLD: &str = "";
const NEW: &str = "subject = \"phones.{source}.{class}.{slug}.{entity}\"";

/// Two PBXs that send numbered events until the end, and a bridge with a stream and standard output.
struct Scene {
    pbxs: [Arc<Simulator>; 2],
    nats: Nats,
    dir: tempfile::TempDir,
    admin: u16,
}

impl Scene {
    async fn start() -> Self {
        let pbx = || async {
            Arc::new(Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap())
        };
        let pbxs = [pbx().await, pbx().await];
        Self { pbxs, nats: Nats::start(JETSTREAM).await, dir: tempfile::tempdir().unwrap(), admin: port() }
    }

    /// Writes the configuration, with these settings of the stream and of standard output.
    fn write(&self, bus: &str, out: &str) {
        let [a, b] = [0, 1].map(|index| self.pbxs[index].url().to_string());
        let source = |name: &str, url: &str| {
            format!(
                "[sources.{name}]\nurl = \"{url}\"\nusername = \"bridge\"\npassword = \"p\"\nresync = false\ndetect_drift = false\n"
            )
        };
        let text = format!(
            "drain_timeout = \"5s\"\n{}{}[sinks.bus]\ntype = \"nats\"\nmode = \"jetstream\"\nservers = [\"{}\"]\nheartbeat = \"off\"\n{bus}\n\
             [sinks.out]\ntype = \"stdout\"\nformat = \"json\"\nheartbeat = \"off\"\n{out}\n[journal]\ndir = \"{}\"\n[admin]\nlisten = \"127.0.0.1:{}\"\n",
            source("a", &a),
            source("b", &b),
            self.nats.url(),
            self.dir.path().join("journal").display(),
            self.admin,
        );
        fs::write(self.dir.path().join("config.toml"), text).unwrap();
    }

    fn bridge(&self) -> Bridge {
        let mut command = program();
        command.env_remove("CTI_BRIDGE_ADMIN__LISTEN").args(["run", "--config"]).arg(self.config());
        Bridge::spawn(command)
    }

    fn config(&self) -> std::path::PathBuf {
        self.dir.path().join("config.toml")
    }

    async fn live(&self) {
        for pbx in &self.pbxs {
            let mut live = pbx.live();
            let waited =
                tokio::time::timeout(Duration::from_secs(30), live.wait_for(|live| *live == 1)).await;
            waited.unwrap().unwrap();
        }
    }

    /// Sends numbered events on both PBXs until it is aborted.
    fn traffic(&self) -> JoinHandle<()> {
        let pbxs = self.pbxs.clone();
        tokio::spawn(async move {
            for number in 0_u64.. {
                for pbx in &pbxs {
                    pbx.emit("extenUpdate", &format!(r#"{{"exten":"201","n":{number}}}"#));
                }
                sleep(Duration::from_millis(1)).await;
            }
        })
    }

    fn command(&self, args: &[&str]) -> (Option<i32>, String) {
        command(args, &self.config())
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.command(&["status", "--json"]).1).unwrap_or_default()
    }

    async fn generation(&self, sink: usize, generation: u64) {
        until("the sink does not switch", || self.status()["sinks"][sink]["generation"] == generation).await;
    }

    /// The stream's messages: subject, source, type, number of its generation.
    async fn stored(&self) -> Vec<Message> {
        let context = jetstream::new(async_nats::connect(self.nats.url()).await.unwrap());
        let stream = context.get_stream("cti-bridge").await.unwrap();
        let count = stream.cached_info().state.messages;
        let config = jetstream::consumer::pull::OrderedConfig::default();
        let mut messages = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
        let mut all = Vec::new();
        for _ in 0..count {
            let message = messages.next().await.unwrap().unwrap();
            let header = |name: &str| message.headers.as_ref().unwrap().get(name).unwrap().to_string();
            let data: Value = serde_json::from_slice(&message.payload).unwrap();
            all.push(Message {
                subject: message.subject.to_string(),
                source: header("ce-source"),
                sequence: header("ce-sequence"),
                ty: header("ce-type"),
                generation: data["generation"].as_u64().filter(|_| data["sink"] == "bus"),
            });
        }
        all
    }
}

fn command(args: &[&str], config: &Path) -> (Option<i32>, String) {
    let output = program()
        .args(args)
        .arg("--config")
        .arg(config)
        .env_remove("CTI_BRIDGE_ADMIN__LISTEN")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.code(), text)
}

#[derive(Debug)]
struct Message {
    subject: String,
    source: String,
    sequence: String,
    ty: String,
    generation: Option<u64>,
}

/// Checks that each source's events rise, and that subjects change with a notice and nowhere else. Returns the generations by source.
fn check(stored: &[Message]) -> BTreeMap<&str, u64> {
    let mut state: BTreeMap<&str, (&str, &str, u64)> = BTreeMap::new();
    for message in stored {
        let prefix = message.subject.split('.').next().unwrap();
        let (last, before, generation) = state.entry(&message.source).or_insert(("", prefix, 1));
        assert!(*last < message.sequence.as_str(), "stored twice or out of order: {message:?}");
        *last = &message.sequence;
        if let Some(next) = message.generation {
            (*before, *generation) = (prefix, next);
        }
        assert_eq!(*before, prefix, "{message:?}");
    }
    state.into_iter().map(|(source, (.., generation))| (source, generation)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_changes_the_subject_of_a_stream_under_load() {
    let scene = Scene::start().await;
    scene.write(OLD, "");
    let mut bridge = scene.bridge();
    scene.live().await;
    let traffic = scene.traffic();
    sleep(Duration::from_millis(300)).await;
    assert_eq!(scene.command(&["config", "diff"]), (Some(0), "no differences\n".to_owned()));
    scene.write(NEW, "dataschema = \"https://schemas.example/\"");
    let (code, text) = scene.command(&["config", "diff"]);
    let line = |key: &str, to: &str| {
        text.lines().any(|line| line.contains(key) && line.contains(to) && line.contains("config.toml:"))
    };
    assert!(code == Some(1) && text.starts_with("a reload (SIGHUP) applies:"), "{text}");
    assert!(
        line("sinks.bus.subject", "-> \"phones.{source}") && line("sinks.out.dataschema", "not set ->"),
        "{text}"
    );
    assert!(!text.contains("restart"), "{text}");
    bridge.signal("-HUP");
    scene.generation(0, 2).await;
    scene.generation(1, 2).await;
    assert_eq!(scene.command(&["config", "diff"]).0, Some(0), "it is in force");
    sleep(Duration::from_millis(300)).await;
    let bus = &scene.status()["sinks"][0];
    assert_eq!(
        (&bus["failures"], &bus["connections"]),
        (&0.into(), &2.into()),
        "the stream is widened first"
    );
    traffic.abort();
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
    let stored = scene.stored().await;
    assert_eq!(check(&stored), BTreeMap::from([("/cti/a", 2), ("/cti/b", 2)]));
    for prefix in ["cti", "phones"] {
        assert!(
            stored.iter().filter(|message| message.subject.starts_with(prefix)).count() > 100,
            "{prefix}"
        );
    }
    assert!(
        stored.iter().filter(|message| message.ty == "cti.bridge.reconfigured.v1").count() == 4,
        "two of each sink"
    );
    let (code, text) = scene.command(&["verify", "--sink", "bus", "--since", "1h"]);
    assert!(code == Some(0) && text.contains("complete, in order, everything once"), "{text}");
    // Standard output has them in the same place.
    let output = bridge.output();
    let mut rules = BTreeMap::new();
    for event in output
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|it| it.get("specversion").is_some())
    {
        let source = event["source"].as_str().unwrap().to_owned();
        let is_new = event["type"] == "cti.bridge.reconfigured.v1" && event["data"]["sink"] == "out";
        let has_schema = rules.entry(source).or_insert(false);
        *has_schema |= is_new;
        assert_eq!(event.get("dataschema").is_some(), *has_schema, "{event}");
    }
    assert_eq!(rules.into_values().collect::<Vec<_>>(), [true, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_with_the_broker_down_take_effect_when_it_is_back() {
    let mut scene = Scene::start().await;
    scene.write(OLD, "");
    let mut bridge = scene.bridge();
    scene.live().await;
    let traffic = scene.traffic();
    sleep(Duration::from_millis(200)).await;
    scene.nats.kill();
    bridge.says("failing").await;
    for subject in [
        NEW,
        "subject = \"other.{source}.{class}.{slug}.{entity}\"",
        "subject = \"last.{source}.{class}.{slug}.{entity}\"",
    ] {
        scene.write(subject, "");
        bridge.signal("-HUP");
        sleep(Duration::from_millis(300)).await;
    }
    let status = scene.status();
    let bus = &status["sinks"][0];
    assert!(bus["generation"] == 1 && bus["newRules"]["waitsForEvents"].as_u64() > Some(0), "{bus}");
    let (_, text) = scene.command(&["status"]);
    assert!(text.contains("reloaded rules wait for "), "{text}");
    scene.nats.up().await;
    scene.generation(0, 3).await;
    traffic.abort();
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
    let stored = scene.stored().await;
    assert_eq!(check(&stored), BTreeMap::from([("/cti/a", 3), ("/cti/b", 3)]));
    let prefixes: Vec<&str> =
        stored.iter().map(|message| message.subject.split('.').next().unwrap()).collect();
    assert!(prefixes.contains(&"phones") && prefixes.last() == Some(&"last") && !prefixes.contains(&"other"));
    assert!(scene.command(&["verify", "--sink", "bus", "--since", "1h"]).1.contains("everything once"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_amid_reloads_leaves_no_hole_and_no_copy() {
    let scene = Scene::start().await;
    scene.write(OLD, "");
    let mut bridge = scene.bridge();
    scene.live().await;
    let traffic = scene.traffic();
    for round in 0..4 {
        for turn in 0..10 {
            scene.write(if (round + turn) % 2 == 0 { NEW } else { OLD }, "");
            bridge.signal("-HUP");
            sleep(Duration::from_millis(50)).await;
        }
        bridge.signal("-KILL");
        bridge.exit().await;
        bridge = scene.bridge();
        scene.live().await;
    }
    traffic.abort();
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
    let (code, text) = scene.command(&["verify", "--sink", "bus", "--since", "1h"]);
    assert!(code == Some(0) && text.contains("complete, in order, everything once"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_changes_nothing_and_says_where() {
    let scene = Scene::start().await;
    scene.write(OLD, "");
    let mut bridge = scene.bridge();
    scene.live().await;
    scene.write("subject = \"a..b\"", "dataschema = \"https://schemas.example/\"");
    // The address is read from the file although another table has a problem.
    let (code, text) = scene.command(&["config", "diff"]);
    assert!(
        code == Some(78) && text.contains("config.toml:") && text.contains("sinks.bus.subject"),
        "{text}"
    );
    let json: Value = serde_json::from_str(&scene.command(&["config", "diff", "--json"]).1).unwrap();
    let count = |key: &str| json[key].as_array().map(Vec::len);
    assert_eq!((count("reload"), count("restart"), count("problems")), (Some(0), Some(0), Some(1)));
    bridge.signal("-HUP");
    bridge.says("invalid configuration: nothing was changed").await;
    assert!(bridge.output().contains("config.toml:"), "{}", bridge.output());
    let status = scene.status();
    assert_eq!(status["reload"]["successful"], false, "{status}");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let metrics = http.get(format!("http://127.0.0.1:{}/metrics", scene.admin)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for line in [
        "cti_bridge_config_last_reload_successful 0",
        "cti_bridge_sink_generation{sink=\"bus\"} 1",
        "cti_bridge_sink_generation{sink=\"out\"} 1",
    ] {
        assert!(
            metrics.lines().any(|found| found == line || found == format!("{line}.0")),
            "{line} {metrics}"
        );
    }
    scene.write(OLD, "");
    bridge.signal("-HUP");
    until("the configuration is never valid", || scene.status()["reload"]["successful"] == true).await;
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
    let (code, text) = scene.command(&["config", "diff"]);
    assert!(code == Some(69) && text.contains("check that it is running"), "{text}");
}
