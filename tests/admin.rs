//! The admin endpoint of the real binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "support/bridge.rs"]
mod bridge;
#[cfg(feature = "nats")]
#[path = "support/nats.rs"]
mod nats;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use bridge::{Bridge, program};
use cti_bridge::{
    simulator::{Account, Options, Simulator},
    telemetry::metrics::{Kind, TABLE, markdown},
};
use serde_json::Value;

const TOKEN: &str = "a-token-of-some-length";
const SECRETS: [&str; 3] = ["pbx-password-1", "JBSWY3DPEHPK3PXP", TOKEN];

/// A port nobody listens on. Another may take it before it is used; then the bridge waits for it.
fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The bridge, asked over HTTP.
struct Asked {
    bridge: Bridge,
    http: reqwest::Client,
    at: String,
    dir: tempfile::TempDir,
}

impl Asked {
    fn start(pbx: &str, sink: &str, more: &str) -> Self {
        Self::at(port(), pbx, sink, more)
    }

    fn at(port: u16, pbx: &str, sink: &str, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [password, totp, token] = SECRETS;
        let config = format!(
            "[sources.pbx1]\nurl = \"{pbx}\"\nusername = \"bridge\"\npassword = \"{password}\"\ntotp_secret = \"{totp}\"\n\
             {more}\n[sinks.out]\n{sink}\n[journal]\ndir = \"{}\"\n[admin]\nlisten = \"127.0.0.1:{port}\"\n\
             actions = true\ntoken = \"{token}\"\n",
            dir.path().join("journal").display()
        );
        let path = dir.path().join("config.toml");
        std::fs::write(&path, config).unwrap();
        let mut command = program();
        command.env_remove("CTI_BRIDGE_ADMIN__LISTEN").args(["run", "--config"]).arg(path);
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { bridge: Bridge::spawn(command), http, at: format!("http://127.0.0.1:{port}"), dir }
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match self.http.get(format!("{}{path}", self.at)).send().await {
                Ok(answer) => return (answer.status().as_u16(), answer.text().await.unwrap()),
                Err(error) => assert!(Instant::now() < deadline, "{error}; {}", self.bridge.output()),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn post(&self, path: &str, token: Option<&str>, body: &'static str) -> (u16, String) {
        let mut request = self.http.post(format!("{}{path}", self.at)).body(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn status(&self) -> Value {
        serde_json::from_str(&self.get("/status").await.1).unwrap()
    }

    /// Asks for the status until it is so.
    async fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            let status = self.status().await;
            if is_so(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "never {what}: {status:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Another command of the program, with this configuration.
    fn command(&self, args: &[&str]) -> (Option<i32>, String) {
        let config = self.dir.path().join("config.toml");
        let mut command = program();
        command.env_remove("CTI_BRIDGE_ADMIN__LISTEN").args(args).arg("--config").arg(config);
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        (output.status.code(), text)
    }
}

async fn pbx() -> Simulator {
    let [password, totp, _] = SECRETS;
    Simulator::start(Options::quiet(Account::new("bridge", password).with_totp(totp))).await.unwrap()
}

fn is_ready(status: &Value) -> bool {
    status["ready"] == true
}

/// Metrics that there are only with a certificate.
const NEED_TLS: [&str; 2] =
    ["client_certificate_expiry_time_seconds", "server_certificate_expiry_time_seconds"];

/// The names of the labels of a series.
fn labels(series: &str) -> BTreeSet<&str> {
    let inner =
        series.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(inner, _)| inner);
    let names = inner.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name);
    names.filter(|name| *name != "le").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_has_every_metric_that_is_told_and_all_of_them_are() {
    let pbx = pbx().await;
    let bridge = Asked::start(pbx.url().as_str(), "type = \"stdout\"", "resync = false");
    bridge.until("ready", is_ready).await;
    for number in 0..10_000 {
        pbx.emit(&format!("made.up.{number}"), "1");
    }
    pbx.emit("extenUpdate", r#"{"exten":"4711-personal"}"#);
    pbx.send_text("42[nonsense");
    bridge.until("all there", |status| status["sources"][0]["events"] == 10_001).await;
    assert_eq!(bridge.post("/actions/reconnect", Some(TOKEN), "").await.0, 202);
    let status =
        bridge.until("live again", |status| status["sources"][0]["sessions"] == 2 && is_ready(status)).await;
    assert_eq!(status["sources"][0]["sessionEnds"]["requested"], 1);
    bridge.until("delivered", |status| status["sinks"][0]["lagEvents"] == 0).await;

    let request = bridge.http.get(format!("{}/metrics", bridge.at));
    let answer =
        request.header("accept", "application/openmetrics-text; version=1.0.0").send().await.unwrap();
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = answer.text().await.unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let told: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for metric in TABLE {
        let name = metric.full_name();
        let family = name.strip_suffix("_total").unwrap_or(&name);
        if NEED_TLS.contains(&metric.name) {
            continue;
        }
        assert!(told.contains(family), "{name} is not told:\n{text}");
        let series = if metric.kind == Kind::Histogram { format!("{name}_bucket") } else { name.clone() };
        let found = text.lines().filter(|line| {
            line.strip_prefix(&*series).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
        });
        let found: Vec<_> = found.collect();
        assert!(!found.is_empty(), "{name} has no value:\n{text}");
        for line in found {
            assert_eq!(labels(line), metric.labels.iter().copied().collect(), "{line}");
        }
    }
    assert_eq!(told.len(), TABLE.len() - NEED_TLS.len(), "{told:?}");
    for line in [
        r#"cti_bridge_gaps_total{source="pbx1",reason="started"} 1"#,
        r#"cti_bridge_gaps_total{source="pbx1",reason="requested"} 1"#,
        r#"cti_bridge_gaps_total{source="pbx1",reason="crashed"} 0"#,
        r#"cti_bridge_gap_seconds_total{source="pbx1",reason="crashed"} 0.0"#,
        r#"cti_bridge_session_ends_total{source="pbx1",reason="silent"} 0"#,
        // An alert sees an increase from here on.
        r#"cti_bridge_sink_lost_total{sink="out",source="pbx1",reason="expired"} 0"#,
        r#"cti_bridge_sink_events_total{sink="out",source="pbx1",outcome="dead_lettered"} 0"#,
    ] {
        assert!(text.lines().any(|told| told == line), "no {line}:\n{text}");
    }
    assert!(text.contains(r#"cti_bridge_sink_latency_seconds_bucket{le="+Inf",sink="out"} 10001"#), "{text}");
    let events = text.lines().filter(|line| line.starts_with("cti_bridge_events_total")).count();
    assert!(events <= 40, "{events} series for one source");
    assert!(
        text.contains(r#"cti_bridge_events_total{source="pbx1",event="=other",origin="live"} 9968"#),
        "{text}"
    );
    assert!(text.contains(r#"cti_bridge_bad_frames_total{source="pbx1"} 1"#), "{text}");

    for path in ["/metrics", "/status", "/", "/readyz", "/livez", "/nowhere"] {
        let (_, text) = bridge.get(path).await;
        for secret in SECRETS.into_iter().chain(["4711-personal"]) {
            assert!(!text.contains(secret), "{path} tells {secret}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scraper_without_open_metrics_gets_the_text_format() {
    let pbx = pbx().await;
    let bridge = Asked::start(pbx.url().as_str(), "type = \"stdout\"", "resync = false");
    bridge.until("ready", is_ready).await;
    let request = bridge.http.get(format!("{}/metrics", bridge.at)).header("accept", "text/plain");
    let answer = request.send().await.unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text().await.unwrap();
    assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
    for line in [
        "# TYPE cti_bridge_sessions_total counter",
        "# TYPE process_cpu_seconds_total counter",
        "# TYPE cti_bridge_session_live gauge",
        "# TYPE cti_bridge_sink_latency_seconds histogram",
        r#"cti_bridge_sessions_total{source="pbx1"} 1"#,
    ] {
        assert!(text.lines().any(|told| told == line), "no {line}:\n{text}");
    }
    let Some(promtool) = std::env::var_os("PROMTOOL") else { return };
    let mut command = std::process::Command::new(promtool);
    command.args(["check", "metrics"]).stdin(std::process::Stdio::piped());
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_was_added_later_is_not_mixed_up_with_others() {
    let pbx = pbx().await;
    let mut bridge = Asked::start(pbx.url().as_str(), "type = \"stdout\"", "resync = false");
    bridge.until("ready", is_ready).await;
    bridge.bridge.stop().await;
    // In the journal it is the second, by name the first.
    let config = bridge.dir.path().join("config.toml");
    let added = "[sources.added]\nurl = \"http://127.0.0.1:1\"\nusername = \"bridge\"\npassword = \"x\"\n";
    let text = added.to_owned() + &std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text).unwrap();
    let mut command = program();
    command.env_remove("CTI_BRIDGE_ADMIN__LISTEN").args(["run", "--config"]).arg(config);
    bridge.bridge = Bridge::spawn(command);
    bridge.until("live", |status| status["sources"][1]["sessions"] == 1).await;
    (0..100).for_each(|number| pbx.emit("extenUpdate", &format!(r#"{{"exten":"201","n":{number}}}"#)));
    let is_delivered = |status: &Value| {
        status["sources"][1]["events"] == 100 && status["sinks"][0]["ledger"]["pbx1"]["pending"] == 0
    };
    bridge.until("delivered", is_delivered).await;
    let (_, text) = bridge.get("/metrics").await;
    let published = |source: &str| -> u64 {
        let series =
            format!(r#"cti_bridge_sink_events_total{{sink="out",source="{source}",outcome="published"}} "#);
        text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
    };
    assert!(published("pbx1") >= 100 && published("added") < 10, "{text}");
}

#[test]
fn what_is_written_about_metrics_is_about_those_of_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    assert!(readme.contains(&markdown()), "put this table into README.md:\n{}", markdown());
    let mut names = BTreeSet::new();
    for metric in TABLE {
        let name = metric.full_name();
        if metric.kind == Kind::Histogram {
            names.extend(["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}")));
        }
        names.insert(name);
    }
    let files = root.join("charts/cti-bridge/files");
    let read = |name: &str| std::fs::read_to_string(files.join(name)).unwrap();
    let (alerts, dashboard) = (read("alerts.yaml"), read("dashboard.json"));
    for text in [&alerts, &dashboard, &std::fs::read_to_string(root.join("docs/runbook.md")).unwrap()] {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for word in words.filter(|word| word.starts_with("cti_bridge_")) {
            assert!(names.contains(word), "there is no metric {word}");
        }
    }
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 10);
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has its own id");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{panel:#}");
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{panel:#}");
    }
    let runbook = std::fs::read_to_string(root.join("docs/runbook.md")).unwrap();
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(runbook.contains(&format!("## {alert}\n")), "docs/runbook.md says nothing of {alert}");
        assert!(alerts.contains(&format!("runbook.md#{}", alert.to_lowercase())), "{alert} does not name it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alive_is_not_ready_and_readiness_says_why() {
    let bridge = Asked::start("http://127.0.0.1:1", "type = \"stdout\"", "resync = false");
    assert_eq!(bridge.get("/livez").await, (200, "alive\n".to_owned()));
    assert_eq!(bridge.get("/startupz").await.0, 200);
    bridge.until("failing", |status| status["sources"][0]["state"] == "failing").await;
    let (code, text) = bridge.get("/readyz").await;
    let parts: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (code, &parts["ready"], &parts["components"]["sink/out"]["state"]),
        (503, &false.into(), &"active".into())
    );
    assert!(parts["components"]["source/pbx1"]["reason"].as_str().unwrap().contains("127.0.0.1:1"), "{text}");
    assert_eq!(bridge.command(&["health"]), (Some(0), "alive\n".to_owned()));
    let (code, said) = bridge.command(&["health", "--ready"]);
    assert!(code == Some(69) && said.contains("127.0.0.1:1"), "{said}");
    let (code, said) = bridge.command(&["status"]);
    assert!(
        code == Some(0) && said.contains("cti-bridge: not ready") && said.contains("source pbx1"),
        "{said}"
    );
    let json: Value = serde_json::from_str(&bridge.command(&["status", "--json"]).1).unwrap();
    assert_eq!(json["instance"], "cti-bridge");
    drop(bridge.bridge);
    let nobody = format!("http://127.0.0.1:{}/", port());
    let output = program().args(["health", "--at", &nobody]).output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("Connection refused") && said.contains("does it run"), "{said}");
    // A stranger's page is not repeated.
    let stranger = Simulator::start(Options::quiet(Account::new("a", "b"))).await.unwrap();
    for command in ["health", "status"] {
        let output = program().args([command, "--at", stranger.url().as_str()]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(69) && said.contains("is no cti-bridge"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_has_the_last_hour_and_the_gaps() {
    let pbx = pbx().await;
    let bridge = Asked::start(pbx.url().as_str(), "type = \"stdout\"", "resync = false");
    bridge.until("ready", is_ready).await;
    for _ in 0..7 {
        pbx.emit("extenUpdate", r#"{"exten":"201"}"#);
    }
    let events = |status: &Value| -> u64 {
        status["history"]["sources"]["pbx1"].as_array().unwrap().iter().filter_map(Value::as_u64).sum()
    };
    let status = bridge.until("counted", |status| events(status) == 7).await;
    assert!(status["history"]["sinks"]["out"][0].is_number(), "{status:#}");
    assert_eq!(status["journal"]["fullAt"], Value::Null);
    // More notices than are remembered do not push the gaps out.
    for session in 2..13 {
        assert_eq!(bridge.post("/actions/reconnect", Some(TOKEN), "").await.0, 202);
        bridge.until("again", |status| status["sources"][0]["sessions"] == session && is_ready(status)).await;
    }
    let status = bridge.status().await;
    let reasons: Vec<_> =
        status["gaps"].as_array().unwrap().iter().map(|gap| &gap["data"]["reason"]).collect();
    assert_eq!((reasons.len(), reasons[0], reasons[11]), (12, &"requested".into(), &"started".into()));
    assert!(status["notices"].as_array().unwrap().len() == 24, "{status:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_needs_the_token_and_does_what_it_says() {
    let pbx = pbx().await;
    let bridge = Asked::start(pbx.url().as_str(), "type = \"stdout\"", "");
    bridge.until("ready", is_ready).await;
    for (token, code) in
        [(None, 401), (Some("another-token-of-length"), 401), (Some(""), 401), (Some(TOKEN), 202)]
    {
        assert_eq!(bridge.post("/actions/resync", token, "").await.0, code, "{token:?}");
    }
    bridge.bridge.says("cti.bridge.resync.completed.v1").await;
    assert_eq!(bridge.get("/actions/resync").await.0, 405);
    assert_eq!(bridge.post("/actions/stop", Some(TOKEN), "").await.0, 404);
    assert_eq!(bridge.post("/status", Some(TOKEN), "").await.0, 405);
    let (code, said) = bridge.post("/actions/log-level", Some(TOKEN), "inof").await;
    assert!(code == 400 && said.contains("error, warn, info"), "{said}");
    assert!(!bridge.bridge.output().contains("\"level\":\"DEBUG\""));
    assert_eq!(bridge.post("/actions/log-level", Some(TOKEN), "debug").await.0, 202);
    pbx.emit("one", "1");
    bridge.bridge.says("\"level\":\"DEBUG\"").await;
    let long: &'static str = Box::leak("x".repeat(5000).into_boxed_str());
    assert_eq!(bridge.post("/actions/log-level", Some(TOKEN), long).await.0, 400);

    let off = port();
    let mut command = program();
    command.env("CTI_BRIDGE_ADMIN__LISTEN", format!("127.0.0.1:{off}")).arg("run");
    for set in [
        &format!("sources.a.url={}", pbx.url()),
        "sources.a.username=b",
        "sources.a.password=p",
        "sinks.o.type=stdout",
    ] {
        command.args(["--set", set]);
    }
    let _off = Bridge::spawn(command);
    let other = Asked { at: format!("http://127.0.0.1:{off}"), ..bridge };
    other.get("/livez").await;
    let (code, said) = other.post("/actions/resync", Some(TOKEN), "").await;
    assert!(code == 403 && said.contains("[admin]"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_stops_no_event_and_is_had_as_soon_as_it_is_free() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let pbx = pbx().await;
    let bridge = Asked::at(port, pbx.url().as_str(), "type = \"stdout\"", "resync = false");
    bridge.bridge.says("set [admin] listen to another address and port").await;
    bridge.bridge.says("cti.bridge.connected.v1").await;
    pbx.emit("through", "1");
    bridge.bridge.says("cti.event.through.v1").await;
    drop(taken);
    bridge.until("ready", is_ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_nonsense_or_nothing_disturbs_nobody() {
    let pbx = pbx().await;
    let bridge = Asked::start(pbx.url().as_str(), "type = \"stdout\"", "resync = false");
    bridge.until("ready", is_ready).await;
    let address = bridge.at.strip_prefix("http://").unwrap();
    let mut idle = Vec::new();
    // More than may be connected at once: the others wait until these have had their time.
    for number in 0..60 {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let nonsense: &[u8] = match number % 3 {
            0 => b"\x16\x03\x01\x00\xff\xff",
            1 => b"GET / HTTP/1.1\r\nA: ",
            _ => b"",
        };
        stream.write_all(nonsense).unwrap();
        idle.push(stream);
    }
    let mut long = String::from("GET /");
    write!(long, "{}", "x".repeat(100_000)).unwrap();
    let _ = std::net::TcpStream::connect(address).unwrap().write_all(long.as_bytes());
    assert_eq!(bridge.get("/livez").await.0, 200);
    pbx.emit("through", "1");
    bridge.bridge.says("cti.event.through.v1").await;
}

#[cfg(feature = "nats")]
#[tokio::test(flavor = "multi_thread")]
async fn after_a_fault_the_figures_agree_with_the_brokers() {
    let pbx = pbx().await;
    let mut nats = nats::Nats::start("jetstream: { store_dir: \"$DIR/js\" }").await;
    let sink = format!("type = \"nats\"\nmode = \"jetstream\"\nservers = [\"{}\"]", nats.url());
    let bridge = Asked::start(pbx.url().as_str(), &sink, "resync = false");
    bridge.until("ready", is_ready).await;
    nats.kill();
    for number in 0..1_000 {
        pbx.emit("extenUpdate", &format!(r#"{{"exten":"201","n":{number}}}"#));
    }
    let status = bridge
        .until("failing", |status| {
            status["sinks"][0]["state"] == "failing" && status["sinks"][0]["lagEvents"] == 1_000
        })
        .await;
    assert_eq!(status["sinks"][0]["ledger"]["pbx1"]["pending"], 1_000);
    let before = status["sinks"][0]["lagSeconds"].as_f64().unwrap();
    bridge.until("older", |status| status["sinks"][0]["lagSeconds"].as_f64().unwrap() > before + 1.0).await;
    assert!(bridge.command(&["status"]).1.contains("lag 1000 events"));
    nats.up().await;
    let status =
        bridge.until("delivered", |status| status["sinks"][0]["lagEvents"] == 0 && is_ready(status)).await;
    let context = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let stored = context.get_stream("cti-bridge").await.unwrap().cached_info().state.messages;
    let ledger = &status["sinks"][0]["ledger"]["pbx1"];
    assert_eq!((ledger["published"].as_u64(), ledger["received"].as_u64()), (Some(stored), Some(stored)));
    assert_eq!(status["sources"][0]["events"], 1_000);
    let (_, metrics) = bridge.get("/metrics").await;
    assert!(metrics.contains("cti_bridge_sink_latency_seconds_count{sink=\"out\"} 1000"), "{metrics}");
    assert!(metrics.contains(&format!(
        "cti_bridge_sink_events_total{{sink=\"out\",source=\"pbx1\",outcome=\"published\"}} {stored}"
    )));
}
