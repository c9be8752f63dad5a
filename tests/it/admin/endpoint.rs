//! The admin endpoint of the real binary.

use std::{fmt::Write as _, io::Write as _};

use pbx_simulator::{Account, Options, Simulator};
use serde_json::Value;

use crate::support::{
    admin_bridge::{AdminBridge, TOKEN, is_ready, pbx, port},
    bridge::{Bridge, program},
    nats,
};

#[tokio::test(flavor = "multi_thread")]
async fn alive_is_not_ready_and_readiness_says_why() {
    let bridge = AdminBridge::start("http://127.0.0.1:1", "type = \"stdout\"", "resync = false");
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
        code == Some(69) && said.contains("cti-bridge: not ready") && said.contains("source pbx1"),
        "{said}"
    );
    let json: Value = serde_json::from_str(&bridge.command(&["status", "--json"]).1).unwrap();
    assert_eq!(json["instance"], "cti-bridge");
    drop(bridge.bridge);
    let nobody = format!("http://127.0.0.1:{}/", port());
    let output = program().args(["health", "--at", &nobody]).output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("Connection refused") && said.contains("check that it is running"), "{said}");
    // A stranger's page is not repeated.
    let stranger = Simulator::start(Options::quiet(Account::new("a", "b"))).await.unwrap();
    for command in ["health", "status"] {
        let output = program().args([command, "--at", stranger.url().as_str()]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(69) && said.contains("is not a cti-bridge"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_has_the_last_hour_and_the_gaps() {
    let pbx = pbx().await;
    let bridge = AdminBridge::start(pbx.url().as_str(), "type = \"stdout\"", "resync = false");
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

#[tokio::test]
async fn the_status_is_watched_until_a_signal() {
    let pbx = pbx().await;
    let bridge = AdminBridge::start(pbx.url().as_str(), "type = \"stdout\"", "resync = false");
    bridge.until("ready", is_ready).await;
    let (code, said) = bridge.command(&["status", "--color", "always"]);
    assert!(code == Some(0) && said.contains("\u{1b}[32mall components work\u{1b}[0m"), "{said:?}");
    let mut command = program();
    command.args(["status", "--watch=50ms", "--at", &bridge.at]).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    for _ in 0..3 {
        assert!(
            lines.by_ref().map(Result::unwrap).any(|line| line.contains("cti-bridge: all components work"))
        );
    }
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert!(lines.all(|line| !line.unwrap().contains('\u{1b}')), "no escape sequence in a pipe");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_requires_the_token() {
    let pbx = pbx().await;
    let bridge = AdminBridge::start(pbx.url().as_str(), "type = \"stdout\"", "");
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
    let other = AdminBridge { at: format!("http://127.0.0.1:{off}"), ..bridge };
    other.get("/livez").await;
    let (code, said) = other.post("/actions/resync", Some(TOKEN), "").await;
    assert!(code == 403 && said.contains("[admin]"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_port_stops_no_event_and_is_bound_once_it_is_free() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let pbx = pbx().await;
    let bridge = AdminBridge::at(port, pbx.url().as_str(), "type = \"stdout\"", "resync = false");
    bridge.bridge.says("set [admin] listen to another address and port").await;
    bridge.bridge.says("cti.bridge.connected.v1").await;
    pbx.emit("through", "1");
    bridge.bridge.says("cti.event.through.v1").await;
    drop(taken);
    bridge.until("ready", is_ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_clients_do_not_disturb_others() {
    let pbx = pbx().await;
    let bridge = AdminBridge::start(pbx.url().as_str(), "type = \"stdout\"", "resync = false");
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
    let bridge = AdminBridge::start(pbx.url().as_str(), &sink, "resync = false\ndetect_drift = false");
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
