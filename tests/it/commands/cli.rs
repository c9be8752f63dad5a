//! The command line: what goes where, and with which exit code.

use std::process::{Command, Output};

use crate::support::bridge::{Bridge, program};

fn run(args: &[&str]) -> Output {
    program().args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_demo_writes_events_and_nothing_else_to_standard_output() {
    let output = run(&["demo", "--events", "60", "--rate", "200"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let mut sequences = Vec::new();
    for line in text(&output.stdout).lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["specversion"], "1.0");
        assert!(event["data"].is_object() || event["data"].is_string() || event["data"].is_array(), "{line}");
        sequences.push(event["sequence"].as_str().unwrap().parse::<u64>().unwrap());
    }
    assert_eq!(sequences.len(), 60);
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1), "{sequences:?}");
    for line in text(&output.stderr).lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "no JSON log line: {line}");
        assert!(!line.contains("[secret]"), "the source's name is masked: {line}");
    }
}

#[test]
fn the_demo_shows_a_call_within_its_first_five_events() {
    for seed in ["1", "2", "3"] {
        let output = run(&["demo", "--events", "5", "--seed", seed]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let printed = text(&output.stdout);
        let calls = printed.lines().filter(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            let conversations = event["data"]["conversations"].as_object();
            conversations.is_some_and(|conversations| !conversations.is_empty())
        });
        assert!(calls.count() > 0, "seed {seed}: {printed}");
    }
}

#[test]
fn a_closed_pipe_ends_the_demo_cleanly() {
    let script = format!(
        "{} demo --rate 200 2>&1 >&3 | cat >&2; exit ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_cti-bridge")
    );
    let script = format!("{{ {script}; }} 3>&1 | head -n 3 >/dev/null; exit ${{PIPESTATUS[0]}}");
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn exit_codes_name_the_failed_step() {
    assert_eq!(run(&["--version"]).status.code(), Some(0));
    assert_eq!(run(&["nonsense"]).status.code(), Some(64));
    assert_eq!(run(&["demo", "--rate", "0"]).status.code(), Some(64));
    let missing = run(&["run", "--config", "/nonexistent/config.toml"]);
    assert_eq!(missing.status.code(), Some(78));
    assert!(text(&missing.stderr).contains("/nonexistent/config.toml"), "{}", text(&missing.stderr));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    std::fs::write(&path, "[sources.a]\nurll = \"https://pbx.example.org\"\n").unwrap();
    let wrong = run(&["run", "--config", path.to_str().unwrap()]);
    let said = text(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(78));
    assert!(said.contains("config.toml:2") && said.contains("`url`"), "{said}");
}

#[test]
fn possible_secrets_are_not_repeated() {
    for args in [
        &["run", "--set", "hunter2"][..],
        &["run", "--set=hunter2"],
        &["run", "--set", "=hunter2"],
        &["config", "show", "--set", "sources.a.password=", "hunter2"],
        &["journal", "--set", "sources.a.password=", "hunter2"],
        &["config", "--set", "sources.a.password", "=", "hunter2"],
        &["hunter2", "--set", "log.level=info"],
    ] {
        let output = run(args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{args:?}: {said}");
        assert!(said.contains("error:") && !said.contains("hunter2"), "{args:?}: {said}");
    }
    assert!(
        text(&run(&["run", "--set", "hunter2"]).stderr).contains("write KEY=VALUE, as in log.level=debug")
    );
    assert!(text(&run(&["rnu"]).stderr).contains("rnu"), "other words are");
}

#[test]
fn the_version_names_the_commit() {
    let version = text(&run(&["--version"]).stdout);
    let commit = version.trim().strip_prefix("cti-bridge 0.1.0 (").and_then(|rest| rest.strip_suffix(')'));
    assert!(commit.is_some_and(|commit| commit == "unknown" || commit.len() >= 7), "{version}");
}

#[test]
fn help_is_enough_to_run_each_command() {
    for command in ["run", "config", "demo", "simulate", "tail", "record"] {
        let output = run(&[command, "--help"]);
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains("Usage: cti-bridge"), "{command}");
    }
}

#[tokio::test]
async fn it_bridges_the_simulator_to_a_pipe_and_stops_on_sigterm() {
    let mut simulator = program()
        .args(["simulate", "--listen", "127.0.0.1:0", "--rate", "50", "--fault", "utc-offset=-210"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(simulator.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "[sources.pbx1]\nurl = \"{url}\"\nusername = \"bridge\"\npassword = \"bridge\"\n[sinks.out]\ntype = \"stdout\"\n"
    );
    let mut bridge = Bridge::start(dir.path(), &config);
    bridge.says("cti.event.extenUpdate.v1").await;
    bridge.says("cti.bridge.heartbeat.v1").await;
    assert_eq!(bridge.stop().await, Some(0));
    assert!(bridge.output().contains("cti.bridge.stopping.v1"));
    simulator.kill().unwrap();
    simulator.wait().unwrap();
}
