//! The log of the real binary while its reader stalls.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use pbx_simulator::{Account, Options, Simulator};
use serde_json::Value;

use crate::support::{
    bridge::{Bridge, program},
    process::again,
};

const LIMIT: Duration = Duration::from_secs(30);
const TOKEN: &str = "a-token-of-some-length";

/// A bridge whose standard error is a pipe.
struct Unread {
    bridge: Bridge,
    pbx: Simulator,
    /// The end that nobody reads, until the test does.
    log: File,
    at: String,
    http: reqwest::Client,
    dir: tempfile::TempDir,
}

impl Unread {
    async fn start() -> Self {
        Self::start_as("json", "exec \"$0\" run --config \"$1\" 2> \"$2\"").await
    }

    /// With this log format, started by a script that gets the program, its configuration, the pipe, and their directory.
    async fn start_as(format: &str, script: &str) -> Self {
        let pbx = Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "[sources.a]\nurl = \"{}\"\nusername = \"bridge\"\npassword = \"p\"\n[sinks.out]\ntype = \"stdout\"\n\
             heartbeat = \"1s\"\n[log]\nformat = \"{format}\"\n\
             [admin]\nlisten = \"127.0.0.1:{port}\"\nactions = true\ntoken = \"{TOKEN}\"\n",
            pbx.url()
        );
        let (path, pipe) = (dir.path().join("config.toml"), dir.path().join("log"));
        std::fs::write(&path, config).unwrap();
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let log = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(program().get_program());
        command.arg(path).arg(&pipe).arg(dir.path()).env_remove("CTI_BRIDGE_ADMIN__LISTEN");
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build().unwrap();
        let at = format!("http://127.0.0.1:{port}");
        Self { bridge: Bridge::spawn(command), pbx, log, at, http, dir }
    }

    async fn send(&self, method: reqwest::Method, path: &str, body: String) -> String {
        let request = self.http.request(method, format!("{}{path}", self.at)).bearer_auth(TOKEN).body(body);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.text().await.unwrap()
    }

    async fn get(&self, path: &str) -> String {
        self.send(reqwest::Method::GET, path, String::new()).await
    }

    async fn dropped(&self) -> u64 {
        let metrics = self.get("/metrics").await;
        let value = metrics.lines().find_map(|line| line.strip_prefix("cti_bridge_log_lines_dropped_total "));
        value.unwrap_or_else(|| panic!("no such metric in {metrics}")).parse().unwrap()
    }

    /// Makes it log lines of 1 KiB until some are dropped.
    async fn fill(&self) {
        let deadline = Instant::now() + LIMIT;
        self.bridge.says("cti.bridge.connected.v1").await;
        while self.dropped().await == 0 {
            assert!(Instant::now() < deadline, "no line is dropped");
            for _ in 0..50 {
                let level = format!("info,{}=info", "x".repeat(1000));
                self.send(reqwest::Method::POST, "/actions/log-level", level).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_holds_nothing_up() {
    holds_nothing_up(Unread::start().await).await;
}

/// In a mount namespace, where journald's socket is the test's.
#[tokio::test(flavor = "multi_thread")]
async fn a_journald_that_hangs_holds_nothing_up() {
    let can_mount =
        Command::new("unshare").args(["--mount", "true"]).status().is_ok_and(|status| status.success());
    assert!(can_mount || std::env::var_os("CI").is_none(), "only root has mount namespaces here");
    if !can_mount {
        return;
    }
    let script = "exec unshare --mount sh -c 'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && \
                  mount --bind \"$3\" /run/systemd/journal && until [ -S \"$3/socket\" ]; do sleep 0.05; done; \
                  exec \"$0\" run --config \"$1\"' \"$0\" \"$1\" \"$2\" \"$3\"";
    let unread = Unread::start_as("journald", script).await;
    let journald = UnixDatagram::bind(unread.dir.path().join("socket")).unwrap();
    unread.bridge.says("cti.bridge.connected.v1").await;
    journald.recv(&mut [0; 4096]).expect("it logs there");
    holds_nothing_up(unread).await;
}

async fn holds_nothing_up(mut unread: Unread) {
    unread.fill().await;
    unread.pbx.emit("after", "1");
    unread.bridge.says("cti.event.after.v1").await;
    let heartbeats = || unread.bridge.output().matches("cti.bridge.heartbeat.v1").count();
    let (before, deadline) = (heartbeats(), Instant::now() + LIMIT);
    while heartbeats() < before + 2 {
        assert!(Instant::now() < deadline, "no more heartbeats");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(unread.get("/livez").await, "alive\n");
    let status: Value = serde_json::from_str(&unread.get("/status").await).unwrap();
    assert_eq!((&status["ready"], &status["sinks"][0]["lagEvents"]), (&true.into(), &0.into()));
    let at = Instant::now();
    assert_eq!(unread.bridge.stop().await, Some(0));
    assert!(at.elapsed() < Duration::from_secs(10), "{:?}", at.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reader_learns_how_many_lines_were_dropped() {
    let mut unread = Unread::start().await;
    unread.fill().await;
    let log = unread.log.try_clone().unwrap();
    let lines = std::thread::spawn(move || {
        let mut lines = Vec::new();
        for line in BufReader::new(log).lines() {
            let line: Value = serde_json::from_str(&line.unwrap()).expect("complete lines only");
            let is_last = line["message"] == "the end";
            lines.push(line);
            if is_last {
                return lines;
            }
        }
        panic!("the writer of the pipe is this process too");
    });
    let deadline = Instant::now() + LIMIT;
    let reported = loop {
        // Lines of these requests come behind the report.
        let dropped = unread.dropped().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        if unread.dropped().await == dropped {
            break dropped;
        }
        assert!(Instant::now() < deadline, "lines are still dropped although they are read");
    };
    assert_eq!(unread.bridge.stop().await, Some(0));
    std::io::Write::write_all(&mut unread.log, b"{\"message\":\"the end\"}\n").unwrap();
    let lines = lines.join().unwrap();
    let counts = lines.iter().filter(|line| {
        line["message"] == "log lines were dropped because standard error or journald did not accept them"
    });
    assert_eq!(counts.map(|line| line["count"].as_u64().unwrap()).sum::<u64>(), reported);
    assert!(lines.iter().any(|line| line["message"] == "stopping"), "the last lines are flushed");
}

/// A pipe that is full, and its name.
fn full_pipe(dir: &Path) -> (PathBuf, File) {
    let pipe = dir.join("full");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut full = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    fill(&mut full);
    (pipe, full)
}

/// Waits for its end, which must not need a reader.
fn end(mut command: Command) -> ExitStatus {
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(15);
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    let killed = child.wait();
    panic!("it waits for a reader: {killed:?}");
}

#[test]
fn a_configuration_error_ends_a_start_though_nobody_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let (pipe, _full) = full_pipe(dir.path());
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" run --config /nowhere/config.toml 2> \"$1\""]);
    command.arg(program().get_program()).arg(pipe);
    assert_eq!(end(command).code(), Some(78));
}

#[test]
fn a_panic_is_reported_to_a_reader_and_waits_for_none() {
    let name = "a_panic_is_reported_to_a_reader_and_waits_for_none";
    if std::env::var_os("PANIC").is_some() {
        cti_bridge::telemetry::catch_panics();
        panic!("a panic as a test");
    }
    let mut command = again(module_path!(), name);
    command.env("PANIC", "1");
    let said = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(said.contains("tests/it/bridge/log.rs") && said.contains("a panic as a test"), "{said}");
    let dir = tempfile::tempdir().unwrap();
    let (pipe, _full) = full_pipe(dir.path());
    command.stdout(Stdio::null()).stderr(OpenOptions::new().write(true).open(pipe).unwrap());
    assert_eq!(end(command).code(), Some(101));
}

/// Writes until the pipe is full: a thread that blocks in its last write.
fn fill(pipe: &mut File) {
    use std::io::Write as _;
    let mut writer = pipe.try_clone().unwrap();
    let (wrote, written) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        while writer.write_all(&[b'x'; 4096]).is_ok() {
            let _ = wrote.send(());
        }
    });
    while written.recv_timeout(Duration::from_millis(500)).is_ok() {}
}
