//! `cti-bridge tail` and `record`: the real binary against a simulated PBX, and a real nats-server.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use pbx_simulator::{Account, Flow, Simulator, Source};
use serde_json::Value;

use crate::support::{
    bridge::{Bridge, program},
    nats,
};
use pbx_client::{connected, start_with};

/// The number, name and address that nobody may see.
const CALL: &str = concat!(
    r#"{"exten":"201","name":"Ada Neri","username":"ada","status":"busy","ip":"10.9.8.7","conversations":{"PJSIP/trk-0000000a>PJSIP/0721555444-0000000b":"#,
    r#"{"id":"PJSIP/trk-0000000a>PJSIP/0721555444-0000000b","direction":"in","connected":true,"linkedId":"1795538000.20","#,
    r#""counterpartNum":"0721555444","counterpartName":"Rossi \u001b[31m"}}}"#
);
const PLANTED: [&str; 3] = ["0721555444", "Rossi", "10.9.8.7"];
/// What no command may ever write.
const SECRETS: [&str; 3] = ["eyJ", "hunter2", "secretlink"];

fn pbx() -> impl Fn(&mut pbx_simulator::Options) {
    |options| options.accounts = vec![Account::new("bridge", "hunter2")]
}

fn config(dir: &Path, url: &str, more: &str) -> PathBuf {
    let file = dir.join("tools.toml");
    let text = format!(
        "[sources.pbx1]\nurl = \"{url}\"\nusername = \"bridge\"\npassword = \"hunter2\"\n{more}\n[sinks.out]\ntype = \"stdout\"\n"
    );
    std::fs::write(&file, text).unwrap();
    file
}

fn tool(config: &Path, args: &[&str]) -> Bridge {
    let mut command = program();
    command.args(args).arg("--config").arg(config).env("TZ", "UTC");
    Bridge::spawn(command)
}

fn without(output: &str, words: &[&str]) {
    for word in words {
        assert!(!output.contains(word), "{word:?} in {output}");
    }
}

/// The PBX gives two logins of one second the same token, and one logout ends both.
async fn another_second() {
    let now = jiff::Timestamp::now().as_second();
    while jiff::Timestamp::now().as_second() == now {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// The JSON lines in an output that may hold log lines too.
fn events(output: &str) -> Vec<Value> {
    let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|event| event["specversion"] == "1.0").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_hides_phone_numbers_and_logs_out() {
    let pbx = start_with(pbx()).await;
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), pbx.url().as_str(), "ua_type = \"desktop\"");
    let mut service = Bridge::start(dir.path(), &std::fs::read_to_string(&config).unwrap());
    connected(&pbx, 1).await;
    another_second().await;
    let mut tail = tool(&config, &["tail", "--pretty", "--log-level", "trace"]);
    connected(&pbx, 2).await;
    assert_eq!(pbx.tokens(), 2);
    pbx.emit("extenUpdate", CALL);
    pbx.emit("actionNethLink", r#""http://admin:secretlink@10.9.8.7","url""#);
    pbx.emit("newThing", r#"{"a":"tel 0721555444"}"#);
    tail.says("newThing").await;
    tail.says("201 Ada Neri   busy  ← 0721555xxx xxx, talking").await;
    tail.says("! pbx1     gap").await;
    // A cut is told, and the session comes back.
    pbx.cut();
    tail.says("* pbx1     disconnected").await;
    connected(&pbx, 2).await;
    tail.signal("-INT");
    assert_eq!(tail.exit().await, Some(0), "{}", tail.output());
    connected(&pbx, 1).await;
    assert_eq!(pbx.tokens(), 1, "the service's is left");
    without(&tail.output(), &PLANTED);
    without(&tail.output(), &SECRETS);
    without(&tail.output(), &["\u{1b}", "takenover"]);
    assert_eq!(service.stop().await, Some(0));
    without(&service.output(), &["takenover"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_filters_reveals_on_request_and_ends_with_its_pipe() {
    let pbx = start_with(pbx()).await;
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), pbx.url().as_str(), "");
    let mut tail = tool(
        &config,
        &["tail", "--json", "--reveal", "--type", "extenUpdate", "--entity", "201", "--entity", "203"],
    );
    connected(&pbx, 1).await;
    pbx.emit("extenUpdate", CALL);
    pbx.emit("extenUpdate", r#"{"exten":"202","n":1e999}"#);
    pbx.emit("queueUpdate", r#"{"queue":"201"}"#);
    pbx.emit("extenUpdate", r#"{"exten":"203",  "n":1e999}"#);
    tail.says(r#""data":{"exten":"203",  "n":1e999}}"#).await;
    let output = tail.output();
    assert!(output.contains(CALL), "byte for byte: {output}");
    let told: Vec<_> =
        events(&output.replace("1e999", "1")).iter().map(|event| event["type"].clone()).collect();
    assert_eq!(
        told,
        [
            "cti.bridge.gap.v1",
            "cti.bridge.connected.v1",
            "cti.event.extenUpdate.v1",
            "cti.event.extenUpdate.v1"
        ]
    );
    assert_eq!(tail.stop().await, Some(0));

    // The reader takes two lines and goes.
    let script = format!(
        "{} tail --config {} --json | head -n 2; exit ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_cti-bridge"),
        config.display()
    );
    // A bridge of another test may listen on the default port, and the command would leave its token to it.
    let mut piped = Command::new("bash");
    piped.args(["-c", &script]).env("CTI_BRIDGE_ADMIN__LISTEN", "off");
    let piped = std::thread::spawn(move || piped.output().unwrap());
    connected(&pbx, 1).await;
    while !piped.is_finished() {
        pbx.emit("extenUpdate", r#"{"exten":"201"}"#);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let piped = piped.join().unwrap();
    assert_eq!(piped.status.code(), Some(0), "{}", String::from_utf8_lossy(&piped.stderr));
    assert_eq!(String::from_utf8(piped.stdout).unwrap().lines().count(), 2);
    connected(&pbx, 0).await;
    assert_eq!(pbx.tokens(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_before_the_session_is_live_end_the_command() {
    let pbx = start_with(pbx()).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("calls.jsonl");
    let record = ["record", file.to_str().unwrap()];
    let good = config(dir.path(), pbx.url().as_str(), "");
    for command in [&["tail"][..], &record] {
        let unknown =
            program().args(command).args(["--source", "pbx2", "--config"]).arg(&good).output().unwrap();
        assert_eq!(unknown.status.code(), Some(64));
        let broken =
            program().args(command).args(["--set", "sources.pbx1.url=x", "--config"]).arg(&good).output();
        assert_eq!(broken.unwrap().status.code(), Some(78));
        let wrong = program()
            .args(command)
            .args(["--set", "sources.pbx1.password=x", "--config"])
            .arg(&good)
            .output();
        let wrong = wrong.unwrap();
        assert_eq!(wrong.status.code(), Some(77));
        assert!(String::from_utf8_lossy(&wrong.stderr).starts_with("sources.pbx1: "), "{wrong:?}");
        pbx.turn(|knobs| knobs.set("upgrade=eof").unwrap());
        let away = program().args(command).arg("--config").arg(&good).stdin(Stdio::null()).output().unwrap();
        assert_eq!(away.status.code(), Some(69), "{away:?}");
        pbx.turn(|knobs| *knobs = pbx_simulator::Knobs::default());
        assert_eq!(pbx.tokens(), 0);
    }
    std::fs::write(&file, "precious").unwrap();
    let seen = pbx.seen().len();
    let exists = program().args(record).arg("--config").arg(&good).output().unwrap();
    assert_eq!(exists.status.code(), Some(64));
    assert_eq!((std::fs::read_to_string(&file).unwrap().as_str(), pbx.seen().len()), ("precious", seen));
}

#[tokio::test(flavor = "multi_thread")]
async fn record_masks_by_default_and_drops_links_with_passwords() {
    let pbx = start_with(pbx()).await;
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), pbx.url().as_str(), "publish_action_nethlink = true");
    let file = dir.path().join("calls.jsonl");
    let path = file.to_str().unwrap();
    for (more, revealed) in [(&[][..], false), (&["--reveal", "--force"], true)] {
        let mut record = tool(&config, &[&["record", path, "--events", "3"], more].concat());
        connected(&pbx, 1).await;
        pbx.emit("extenUpdate", CALL);
        pbx.emit("actionNethLink", r#""http://admin:secretlink@10.9.8.7","url""#);
        pbx.send_text(r#"42["odd \u002f"]"#);
        pbx.emit("callWebrtc", r#""0721555444", {"n":1e999}"#);
        assert_eq!(record.exit().await, Some(0), "{}", record.output());
        record.says("recorded 3 events").await;
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&file).unwrap();
        without(&text, &["secretlink", "actionNethLink"]);
        assert_eq!(text.lines().count(), 3, "{text}");
        if revealed {
            assert!(text.contains(CALL) && text.contains(r#""args":["0721555444", {"n":1e999}]}"#), "{text}");
        } else {
            without(&text, &PLANTED);
            assert!(text.contains(r#""event":"odd \u002f","args":[]}"#), "{text}");
            assert!(text.contains(r#""args":["0721555xxx", {"n":1e999}]}"#), "{text}");
        }
        assert_eq!(pbx.tokens(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_listens_to_the_bus_in_either_content_mode() {
    let nats = nats::Nats::start("").await;
    let pbx = start_with(pbx()).await;
    let dir = tempfile::tempdir().unwrap();
    let bus = |mode: &str| {
        format!(
            "[sinks.bus]\ntype = \"nats\"\nservers = [\"{}\"]\ncontent_mode = \"{mode}\"\nheartbeat = \"1s\"",
            nats.url()
        )
    };
    for mode in ["binary", "structured"] {
        let config = config(dir.path(), pbx.url().as_str(), &bus(mode));
        let mut pretty = tool(&config, &["tail", "--sink", "bus", "--pretty"]);
        let mut json = tool(&config, &["tail", "--sink", "bus", "--reveal", "--json", "--source", "pbx1"]);
        let mut service = Bridge::start(dir.path(), &std::fs::read_to_string(&config).unwrap());
        connected(&pbx, 1).await;
        // Until both have subscribed.
        let deadline = tokio::time::Instant::now() + pbx_client::DEADLINE;
        while !(pretty.output().contains("ready") && json.output().contains("ready")) {
            assert!(tokio::time::Instant::now() < deadline, "{}{}", pretty.output(), json.output());
            pbx.emit("ready", "");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        pbx.emit("extenUpdate", CALL);
        pbx.emit("satellite/summary", r#"{"n":1e999,  "a":"0721555444"}"#);
        pretty.says("201 Ada Neri   busy  ← 0721555xxx xxx, talking").await;
        pretty.says("satellite/summary").await;
        json.says(CALL).await;
        json.says(r#""ctievent":"satellite/summary","data":{"n":1e999,  "a":"0721555444"}}"#).await;
        assert_eq!(service.stop().await, Some(0));
        pretty.says("* pbx1     stopping").await;
        without(&pretty.output(), &PLANTED);
        for output in [pretty.output(), json.output()] {
            without(&output, &SECRETS);
            without(&output, &["heartbeat"]);
        }
        let numbers: Vec<u64> = events(&json.output().replace("1e999", "1"))
            .iter()
            .map(|event| event["sequence"].as_str().unwrap().parse().unwrap())
            .collect();
        assert!(
            numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "in order, and nothing twice: {numbers:?}"
        );
        assert_eq!((pretty.stop().await, json.stop().await), (Some(0), Some(0)));
    }
    let config = config(dir.path(), pbx.url().as_str(), &bus("binary"));
    drop(nats);
    for (args, code) in [(["--sink", "bus"], 69), (["--sink", "out"], 64), (["--sink", "nobody"], 64)] {
        let output = program().arg("tail").args(args).arg("--config").arg(&config).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
}

/// A PBX, recorded; the recording, played; what is seen of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_circle_closes() {
    let office: Simulator = start_with(|options| {
        pbx()(options);
        options.source = Source::Calls(Flow { rate: 200.0, payload_bytes: None });
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("calls.jsonl");
    let path = file.to_str().unwrap();
    let from = config(dir.path(), office.url().as_str(), "");
    let mut record = tool(&from, &["record", path, "--events", "300", "--for", "60s"]);
    assert_eq!(record.exit().await, Some(0), "{}", record.output());
    let recorded: Vec<Value> = std::fs::read_to_string(&file)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(recorded.len(), 300);

    let mut simulate = program();
    simulate.args([
        "simulate",
        "--listen",
        "127.0.0.1:0",
        "--password",
        "hunter2",
        "--replay",
        path,
        "--speed",
        "10",
    ]);
    let simulate = Bridge::spawn(simulate);
    simulate.says("http://").await;
    let said = simulate.output();
    let url = said.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let to = config(dir.path(), url, "");
    let mut tail = tool(&to, &["tail", "--json"]);
    let last = recorded.last().unwrap();
    let seen = || -> Vec<Value> {
        let of_pbx = |event: &Value| event["type"].as_str().unwrap().starts_with("cti.event.");
        events(&tail.output()).into_iter().filter(of_pbx).collect()
    };
    let deadline = tokio::time::Instant::now() + pbx_client::DEADLINE;
    while seen().len() < recorded.len() {
        assert!(tokio::time::Instant::now() < deadline, "only {} events; the last is {last}", seen().len());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let seen = seen();
    assert_eq!(seen.len(), recorded.len());
    for (seen, recorded) in seen.iter().zip(&recorded) {
        let slug = cti_bridge::event::slug(recorded["event"].as_str().unwrap().as_bytes()).into_owned();
        assert_eq!(seen["type"], format!("cti.event.{slug}.v1"));
        let args = recorded["args"].as_array().unwrap();
        let expected = if args.len() == 1 { args[0].clone() } else { recorded["args"].clone() };
        assert_eq!(seen["data"], expected);
    }
    assert_eq!(tail.stop().await, Some(0));
}
