//! The metrics of the real binary, and what is written about them.

use std::{collections::BTreeSet, io::Write as _, path::Path};

use cti_bridge::telemetry::metrics::{Kind, TABLE, markdown};
use serde_json::Value;

use crate::support::{
    admin_bridge::{AdminBridge, SECRETS, TOKEN, is_ready, pbx},
    bridge::{Bridge, program},
};

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
async fn the_table_and_the_endpoint_have_the_same_metrics() {
    let pbx = pbx().await;
    let sink = "type = \"stdout\"\n[[sinks.out.routes]]\nmatch = { event = \"made.up.7*\" }\ndrop = true\n\
                [[sinks.out.routes]]\nname = \"later\"\nmatch = { event = \"not.yet\" }\ndrop = true";
    let bridge = AdminBridge::start(pbx.url().as_str(), sink, "resync = false\nderive_calls = true");
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
    let status = bridge.until("delivered", |status| status["sinks"][0]["lagEvents"] == 0).await;
    assert_eq!(status["sinks"][0]["filtered"], serde_json::json!({ "1": 1111, "later": 0 }));

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
        r#"cti_bridge_sink_filtered_total{sink="out",route="1"} 1111"#,
        r#"cti_bridge_sink_events_total{sink="out",source="pbx1",outcome="filtered"} 1111"#,
        // An alert sees an increase from here on.
        r#"cti_bridge_sink_filtered_total{sink="out",route="later"} 0"#,
        r#"cti_bridge_sink_lost_total{sink="out",source="pbx1",reason="expired"} 0"#,
        r#"cti_bridge_sink_events_total{sink="out",source="pbx1",outcome="dead_lettered"} 0"#,
    ] {
        assert!(text.lines().any(|told| told == line), "no {line}:\n{text}");
    }
    assert!(text.contains(r#"cti_bridge_sink_latency_seconds_bucket{le="+Inf",sink="out"} 8890"#), "{text}");
    let events = text.lines().filter(|line| line.starts_with("cti_bridge_events_total")).count();
    assert!(events <= 40, "{events} series for one source");
    assert!(
        text.contains(r#"cti_bridge_events_total{source="pbx1",event="=other",origin="live"} 9968"#),
        "{text}"
    );
    assert!(text.contains(r#"cti_bridge_bad_frames_total{source="pbx1"} 1"#), "{text}");

    for path in ["/metrics", "/status", "/config/diff", "/", "/readyz", "/livez", "/nowhere"] {
        let (_, text) = bridge.get(path).await;
        for secret in SECRETS.into_iter().chain(["4711-personal"]) {
            assert!(!text.contains(secret), "{path} tells {secret}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scraper_without_open_metrics_gets_the_text_format() {
    let pbx = pbx().await;
    let bridge = AdminBridge::start(pbx.url().as_str(), "type = \"stdout\"", "resync = false");
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
    let mut bridge = AdminBridge::start(pbx.url().as_str(), "type = \"stdout\"", "resync = false");
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
fn documents_mention_only_existing_metrics() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let reference = std::fs::read_to_string(root.join("docs/reference/metrics.md")).unwrap();
    assert!(reference.contains(&markdown()), "run `cargo run -- generate reference docs`");
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
    for text in [&alerts, &dashboard, &std::fs::read_to_string(root.join("docs/operate/runbook.md")).unwrap()]
    {
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
    let runbook = std::fs::read_to_string(root.join("docs/operate/runbook.md")).unwrap();
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(
            runbook.contains(&format!("## {alert}\n")),
            "docs/operate/runbook.md says nothing of {alert}"
        );
        assert!(alerts.contains(&format!("runbook.md#{}", alert.to_lowercase())), "{alert} does not name it");
    }
}
