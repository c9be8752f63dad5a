//! `cti-bridge simulate`: its recordings, its trigger and its calls, with the real binary on both ends.

use std::{fmt::Write as _, path::PathBuf, time::Duration};

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep};

use crate::support::bridge::{Bridge, program};

/// A line of a recording.
#[derive(Deserialize)]
struct Recorded<'a> {
    event: String,
    #[serde(borrow)]
    args: &'a RawValue,
}

/// A line on standard output.
#[derive(Deserialize)]
struct Published<'a> {
    source: String,
    r#type: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Starts a simulator; its URL.
async fn simulate(args: &[&str]) -> (Bridge, String) {
    let mut command = program();
    command.args(["simulate", "--listen", "127.0.0.1:0"]).args(args);
    let simulator = Bridge::spawn(command);
    simulator.says("http://").await;
    let said = simulator.output();
    let url = said.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    (simulator, url.to_owned())
}

/// A bridge from these simulators to standard output.
fn bridge(dir: &tempfile::TempDir, sources: &[(String, String)]) -> Bridge {
    let mut config = "[sinks.out]\ntype = \"stdout\"\n".to_owned();
    for (name, url) in sources {
        writeln!(
            config,
            "[sources.{name}]\nurl = \"{url}\"\nusername = \"bridge\"\npassword = \"bridge\"\nresync = false\n\
             publish_action_nethlink = true"
        )
        .unwrap();
    }
    Bridge::start(dir.path(), &config)
}

/// Type and data of the PBX's events that were published from a source.
fn published(output: &str, source: &str) -> Vec<(String, String)> {
    let of_source = |event: &Published| {
        event.source == format!("/cti/{source}") && event.r#type.starts_with("cti.event.")
    };
    let events =
        output.lines().filter_map(|line| serde_json::from_str::<Published>(line).ok()).filter(of_source);
    events.map(|event| (event.r#type, event.data.get().to_owned())).collect()
}

/// Type and data of the events of a recording, as they are to be published.
fn expected(recording: &str) -> Vec<(String, String)> {
    let event = |line| {
        let Recorded { event, args } = serde_json::from_str(line).unwrap();
        let inner = args.get().strip_prefix('[').and_then(|args| args.strip_suffix(']')).unwrap();
        let count = serde_json::from_str::<Vec<&RawValue>>(args.get()).unwrap().len();
        let slug = cti_bridge::event::slug(event.as_bytes()).into_owned();
        let data = if count == 1 { inner.to_owned() } else { format!("[{inner}]") };
        (format!("cti.event.{slug}.v1"), data)
    };
    recording.lines().map(event).collect()
}

async fn until(what: impl Fn() -> bool, or: impl Fn() -> String) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !what() {
        assert!(Instant::now() < deadline, "{}", or());
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
#[allow(clippy::print_stdout, reason = "the counts are for people")]
async fn every_fixture_is_published_in_order_byte_for_byte() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"));
    let mut simulators = Vec::new();
    let mut sources = Vec::new();
    let mut recordings = Vec::new();
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    for file in files.filter(|path| path.is_file()) {
        let args = ["--replay", file.to_str().unwrap(), "--speed", "1000000"];
        let (simulator, url) = simulate(&args).await;
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        simulators.push(simulator);
        recordings.push((name.clone(), expected(&std::fs::read_to_string(&file).unwrap())));
        sources.push((name, url));
    }
    assert_eq!(recordings.len(), 8);
    let dir = tempfile::tempdir().unwrap();
    let mut bridge = bridge(&dir, &sources);
    for (name, expected) in &recordings {
        let seen = || published(&bridge.output(), name);
        until(|| seen().len() >= expected.len(), || format!("{name}: {} events", seen().len())).await;
        for (seen, expected) in seen().iter().zip(expected) {
            assert_eq!(seen, expected, "{name}");
        }
    }
    bridge.signal("-TERM");
    assert_eq!(bridge.exit().await, Some(0));
    let mut total = 0;
    for (name, expected) in &recordings {
        let seen = published(&bridge.output(), name);
        assert_eq!(seen.len(), expected.len(), "{name}");
        println!("{name}: {} events published, each as recorded", seen.len());
        total += seen.len();
    }
    println!("all: {total} events");
}

async fn trigger(args: &[&str]) -> (Option<i32>, String) {
    simulate_command("trigger", args).await
}

/// Runs a command for a running simulator.
async fn simulate_command(name: &str, args: &[&str]) -> (Option<i32>, String) {
    let mut command = program();
    command.args(["simulate", name]).args(args);
    let mut trigger = Bridge::spawn(command);
    let exit = trigger.exit().await;
    // The output is read by other threads.
    until(|| trigger.output().ends_with('\n'), || "it says nothing".to_owned()).await;
    (exit, trigger.output())
}

#[tokio::test]
async fn a_triggered_event_is_published() {
    let (_simulator, url) = simulate(&["--rate", "0"]).await;
    let at = ["--url", url.as_str()];
    let (exit, said) = trigger(&[&["extenRinging"], &at[..]].concat()).await;
    assert!(exit == Some(69) && said.contains("has no session that may receive the event"), "{said}");

    let dir = tempfile::tempdir().unwrap();
    let bridge = bridge(&dir, &[("pbx1".to_owned(), url.clone())]);
    bridge.says("cti.bridge.connected.v1").await;
    let mut published_so_far = 0;
    for (args, name, data) in [
        (
            &["extenConnected", "--set", "extenConnected=202"][..],
            "extenConnected",
            r#"{"extenConnected":"202"}"#,
        ),
        (
            &[
                "userMainPresenceUpdate",
                "--set",
                "mainPresence.username=bruno",
                "--set",
                "/mainPresence/status=dnd",
            ],
            "userMainPresenceUpdate",
            r#"{"mainPresence":{"status":"dnd","username":"bruno"}}"#,
        ),
        (&["serverReloaded"], "serverReloaded", "[]"),
        (&["answerWebrtc", "--data", "\"202\""], "answerWebrtc", r#""202""#),
        (
            &["actionNethLink", "--set", "0=http://192.0.2.31/", "--set", "1=answer"],
            "actionNethLink",
            r#"["http://192.0.2.31/","answer"]"#,
        ),
        (&["huntGroupUpdate", "--data", r#"{ "group":1e999 }"#], "huntGroupUpdate", r#"{ "group":1e999 }"#),
        (&["odd/name", "--args", r#"[1, "two"]"#], "odd=2Fname", r#"[1, "two"]"#),
    ] {
        let (exit, said) = trigger(&[args, &at[..]].concat()).await;
        assert!(exit == Some(0) && said == format!("sent {} to 1 session\n", args[0]), "{said}");
        let seen = || published(&bridge.output(), "pbx1");
        until(|| seen().len() > published_so_far, || format!("{args:?} was not published")).await;
        published_so_far += 1;
        assert_eq!(seen().last().unwrap(), &(format!("cti.event.{name}.v1"), data.to_owned()));
    }
    assert_eq!(published(&bridge.output(), "pbx1").len(), published_so_far);
}

#[tokio::test]
async fn a_trigger_that_fails_names_the_remedy() {
    let (_simulator, url) = simulate(&["--rate", "0", "--password", "other"]).await;
    let nowhere = "http://127.0.0.1:1/";
    for (args, code, expected) in [
        (&["extenRinging", "--url", nowhere][..], 69, "start one with `cti-bridge simulate`"),
        (&["extenRinging", "--url", &url], 77, "give those it was started with (--username, --password)"),
        (&["extenRinging", "--url", &url, "--password", "other"], 69, "connect a bridge, then try again"),
        (
            &["extenRinging", "--set", "callerNumber=1"],
            64,
            "has no field `callerNumber`: did you mean `callerNum`?",
        ),
        (&["extenRining"], 64, "did you mean extenRinging?"),
        (&["somethingElse"], 64, "give its data with --data or --args"),
        (&["serverReloaded", "--data", "[1]"], 64, "the array of its 0 arguments"),
        (&["extenRinging", "--data", "{"], 64, "--data is not JSON: EOF"),
        (&["extenRinging", "--args", "{}"], 64, "--args is not a JSON array: invalid type"),
        (&["extenRinging", "--set", "callerNum"], 64, "write FIELD=VALUE, as in callerNum=0721000111"),
    ] {
        let (exit, said) = trigger(args).await;
        assert!(exit == Some(code) && said.contains(expected), "{args:?}: {exit:?}: {said}");
    }
}

#[tokio::test]
async fn a_call_is_played_by_the_name_of_its_script() {
    let (_simulator, url) = simulate(&["--rate", "0"]).await;
    let (exit, said) = simulate_command("call", &["internal", "--url", &url]).await;
    assert!(exit == Some(69) && said.contains("connect a bridge, then try again"), "{said}");
    let (exit, said) = simulate_command("call", &["attended-transfr", "--url", &url]).await;
    assert!(exit == Some(64) && said.contains("a similar value exists: 'attended-transfer'"), "{said}");

    let dir = tempfile::tempdir().unwrap();
    let bridge = bridge(&dir, &[("pbx1".to_owned(), url.clone())]);
    bridge.says("cti.bridge.connected.v1").await;
    assert_eq!(published(&bridge.output(), "pbx1").len(), 0, "nothing happens by itself");
    let (exit, said) = simulate_command("call", &["internal", "--url", &url]).await;
    assert_eq!((exit, &*said), (Some(0), "playing internal to 1 session\n"));
    let rings = || published(&bridge.output(), "pbx1").iter().any(|(_, data)| data.contains("\"ringing\""));
    until(rings, || format!("no extension rings:\n{}", bridge.output())).await;
}
