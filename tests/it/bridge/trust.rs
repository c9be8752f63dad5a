//! Whatever a peer sends, no output shows a secret of the process, has a line that the peer wrote, or acts on a terminal.
#![cfg(all(feature = "nats", feature = "kafka"))]

use std::{
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use data_encoding::{BASE64, HEXLOWER};
use futures_util::future::join_all;
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::support::{
    bridge::{Bridge, program},
    hostile,
    hostile::{Nats, Pbx, found},
    http,
};

const PASSWORD: &str = "pl\"ant/ed\\ p&w+ö-7261";
const TOTP: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const NATS_PASSWORD: &str = "bröker's \"p/w\" <9443>";
const NATS_TOKEN: &str = "planted-nats-token-5512";
const KAFKA_PASSWORD: &str = "planted kafka&p/w-3301";
const CLIENT_SECRET: &str = "planted+client/secret 8120";
const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

fn secrets() -> Vec<String> {
    let mut all = [PASSWORD, TOTP, NATS_PASSWORD, NATS_TOKEN, KAFKA_PASSWORD, CLIENT_SECRET, SEED]
        .map(str::to_owned)
        .to_vec();
    // Of a token, what does not change with the second it was made in.
    for verified in [true, false] {
        all.extend(
            hostile::token(verified)
                .split('.')
                .skip(1)
                .take(1)
                .map(|claims| claims[claims.len() - 40..].to_owned()),
        );
    }
    all
}

/// Nothing of any secret, and no character that a peer could act with.
fn is_clean(what: &str, output: &str) {
    for secret in secrets() {
        let forms = found(&secret, output);
        assert!(forms.is_empty(), "{what} shows {secret:?} {forms:?}:\n{output}");
    }
    let acts = |ch: char| ch.is_control() && ch != '\n' || "\u{202e}\u{2066}\u{200b}\u{2028}".contains(ch);
    assert!(!output.contains(acts), "{what}: {output:?}");
    for line in output.lines() {
        assert!(!line.starts_with("MAINPID=") && !line.starts_with("WATCHDOG=trigger"), "{what}: {output}");
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// A configuration with these sinks, all its secrets in it.
fn config(pbx: u16, sinks: &str, totp: bool) -> String {
    let totp = if totp { format!("totp_secret = {}\n", quoted(TOTP)) } else { String::new() };
    format!(
        "drain_timeout = \"1s\"\n[sources.pbx1]\nurl = \"http://127.0.0.1:{pbx}/api\"\nusername = \"bridge\"\n\
         password = {}\n{totp}[sinks.out]\ntype = \"stdout\"\nheartbeat = \"1s\"\n{sinks}[journal]\ndir = \"journal\"\n[log]\nlevel = \"trace,async_nats=trace\"\n",
        quoted(PASSWORD)
    )
}

fn nats_sink(name: &str, server: std::net::SocketAddr, mode: &str, login: &str) -> String {
    format!("[sinks.{name}]\ntype = \"nats\"\nservers = [\"nats://{server}\"]\nmode = \"{mode}\"\n{login}\n")
}

fn user_login() -> String {
    format!("username = \"bridge\"\npassword = {}", quoted(NATS_PASSWORD))
}

async fn kafka_sinks() -> (String, http::Server) {
    let (broker, issuer) = (hostile::kafka().await, hostile::issuer().await);
    let sinks = format!(
        "[sinks.plain]\ntype = \"kafka\"\nbrokers = [\"{broker}\"]\nsasl_mechanism = \"PLAIN\"\nusername = \"bridge\"\n\
         password = {}\n[sinks.oauth]\ntype = \"kafka\"\nbrokers = [\"{broker}\"]\ntopic = \"x\"\n\
         sasl_mechanism = \"OAUTHBEARER\"\n\
         token_url = \"http://127.0.0.1:{}/token\"\nusername = \"bridge\"\npassword = {}\n",
        quoted(KAFKA_PASSWORD),
        issuer.port,
        quoted(CLIENT_SECRET)
    );
    (sinks, issuer)
}

fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A bridge that runs, with all that it tells.
struct Watched {
    bridge: Bridge,
    admin: u16,
    systemd: UnixDatagram,
    http: reqwest::Client,
}

impl Watched {
    fn start(dir: &Path, config: &str, format: &str) -> Self {
        let (path, admin) = (dir.join("config.toml"), port());
        std::fs::write(&path, config).unwrap();
        let socket = dir.join("notify");
        let systemd = UnixDatagram::bind(&socket).unwrap();
        systemd.set_nonblocking(true).unwrap();
        let mut command = program();
        command.args(["run", "--log-format", format, "--config"]).arg(path);
        command.env("CTI_BRIDGE_ADMIN__LISTEN", format!("127.0.0.1:{admin}")).env("NOTIFY_SOCKET", socket);
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { bridge: Bridge::spawn(command), admin, systemd, http }
    }

    async fn get(&self, path: &str) -> String {
        match self.http.get(format!("http://127.0.0.1:{}/{path}", self.admin)).send().await {
            Ok(answer) => answer.text().await.unwrap(),
            Err(_) => String::new(),
        }
    }

    /// Waits until all of these parts fail, for a reason that a peer gave.
    async fn fails(&self, parts: &[&str]) -> Value {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            let status: Value = serde_json::from_str(&self.get("status").await).unwrap_or_default();
            let of = |part: &&str| {
                let (kind, name) = part.split_once('/').unwrap();
                let list = status[format!("{kind}s")].as_array()?;
                list.iter().find(|found| found["name"] == name)?["reason"].as_str()
            };
            if parts.iter().all(|part| of(part).is_some()) {
                return status;
            }
            assert!(Instant::now() < deadline, "{parts:?} do not fail: {status:#}\n{}", self.bridge.output());
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn datagrams(&self) -> Vec<String> {
        let mut bytes = [0; 8192];
        std::iter::from_fn(|| {
            self.systemd
                .recv(&mut bytes)
                .ok()
                .map(|length| String::from_utf8_lossy(&bytes[..length]).into_owned())
        })
        .collect()
    }

    /// Looks at everything that shows something.
    async fn ends_clean(mut self, format: &str) -> String {
        for path in ["status", "readyz", "metrics"] {
            let said = self.get(path).await;
            assert!(!said.is_empty(), "{path}");
            is_clean(path, &said);
        }
        let at = format!("http://127.0.0.1:{}/", self.admin);
        let shown = run(&["status", "--at", &at], None).await;
        assert!(shown.contains("failing"), "{shown}");
        is_clean("cti-bridge status", &shown);
        // The heartbeat after the failure.
        let beats = self.bridge.output().matches("heartbeat").count();
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.bridge.output().matches("heartbeat").count() <= beats + 1 && Instant::now() < deadline {
            sleep(Duration::from_millis(100)).await;
        }
        self.bridge.stop().await;
        let output = self.bridge.output();
        is_clean("the log", &output);
        if format == "json" {
            for line in output.lines() {
                assert!(serde_json::from_str::<Value>(line).is_ok(), "a line that a peer began: {line}");
            }
        }
        let told = self.datagrams();
        assert!(told.iter().any(|told| told.contains("STATUS=")), "{told:?}");
        for told in told {
            is_clean("what systemd is told", &told);
            let ours = ["READY=1", "STATUS=", "STOPPING=1", "WATCHDOG=1", "RELOADING=1", "MONOTONIC_USEC="];
            for line in told.lines() {
                assert!(ours.iter().any(|start| line.starts_with(start)), "{told:?}");
            }
        }
        output
    }
}

/// All that a command prints; it is ended if it goes on for long.
async fn run(args: &[&str], dir: Option<&Path>) -> String {
    let mut command = tokio::process::Command::from(program());
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    let output = timeout(Duration::from_mins(1), command.spawn().unwrap().wait_with_output()).await;
    let output = output.unwrap_or_else(|_| panic!("{args:?} does not end")).unwrap();
    [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nats_server_that_echoes_the_login_is_not_repeated() {
    for (mode, format) in [(Nats::AtOnce, "json"), (Nats::Later, "text")] {
        let dir = tempfile::tempdir().unwrap();
        let (server, pbx) = (mode.start().await, Pbx::Refuses.start().await);
        let sinks = [
            nats_sink("core", server, "core", &user_login()),
            nats_sink("stream", server, "jetstream", &format!("token = \"{NATS_TOKEN}\"")),
            nats_sink(
                "nkey",
                server,
                "jetstream",
                &format!(
                    "nkey = \"{SEED}\"\nstream = \"x\"\nsubject = \"x.{{source}}.{{class}}.{{slug}}.{{entity}}\""
                ),
            ),
        ];
        let bridge = Watched::start(dir.path(), &config(pbx.port, &sinks.concat(), false), format);
        let status = bridge.fails(&["sink/core", "sink/stream", "sink/nkey", "source/pbx1"]).await;
        let reason = status["sinks"][0]["reason"].as_str().unwrap();
        assert!(
            reason.contains("[secret]") && reason.contains(r"\n\u{1b}[2J") || reason.contains(r"\nMAINPID=1"),
            "{reason}"
        );
        bridge.ends_clean(format).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kafka_broker_and_a_token_endpoint_are_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let (sinks, _issuer) = kafka_sinks().await;
    let pbx = Pbx::Refuses.start().await;
    let bridge = Watched::start(dir.path(), &config(pbx.port, &sinks, false), "json");
    let status = bridge.fails(&["sink/plain", "sink/oauth"]).await;
    let of = |name: &str| {
        let sinks = status["sinks"].as_array().unwrap();
        sinks.iter().find(|sink| sink["name"] == name).unwrap()["reason"].as_str().unwrap().to_owned()
    };
    assert!(of("plain").contains("[secret]") && of("plain").contains(r"\nMAINPID=1"), "{}", of("plain"));
    assert!(of("oauth").contains("answered 401"), "{}", of("oauth"));
    bridge.ends_clean("json").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_echoed_by_a_pbx_are_not_logged() {
    for (mode, format) in [
        (Pbx::Refuses, "text"),
        (Pbx::Grants, "json"),
        (Pbx::WantsOtp, "text"),
        (Pbx::Redirects, "json"),
        (Pbx::Babbles, "json"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let pbx = mode.start().await;
        let bridge = Watched::start(dir.path(), &config(pbx.port, "", mode == Pbx::WantsOtp), format);
        bridge.fails(&["source/pbx1"]).await;
        bridge.ends_clean(format).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_that_fails_keeps_the_secrets() {
    let (nats, later) = (Nats::AtOnce.start().await, Nats::Later.start().await);
    let (kafka, _issuer) = kafka_sinks().await;
    let login = user_login();
    let sinks =
        [nats_sink("atonce", nats, "core", &login), nats_sink("later", later, "jetstream", &login), kafka]
            .concat();
    let commands: &[&[&str]] = &[
        &["config", "show"],
        &["check"],
        &["check", "--json"],
        &["tail", "--json"],
        &["tail", "--pretty"],
        &["tail", "--sink", "atonce"],
        &["tail", "--sink", "later"],
        &["record", "file"],
        &["verify", "--sink", "later"],
        &["verify", "--sink", "plain"],
        &["verify", "--sink", "oauth"],
        &["token", "create"],
        &["token", "status"],
        &["token", "end"],
        &["2fa", "status"],
        &["2fa", "enroll"],
        &["2fa", "recovery-codes"],
        &["2fa", "disable", "--yes"],
        &["status"],
        &["health"],
    ];
    for mode in [Pbx::Refuses, Pbx::Grants, Pbx::WantsOtp, Pbx::Redirects, Pbx::Babbles] {
        let dir = tempfile::tempdir().unwrap();
        let pbx = mode.start().await;
        std::fs::write(dir.path().join("c.toml"), config(pbx.port, &sinks, mode == Pbx::WantsOtp)).unwrap();
        let accepted = run(&["config", "check", "--config", "c.toml"], Some(dir.path())).await;
        assert!(accepted.starts_with("ok: "), "{accepted}");
        // The brokers are the same for each PBX.
        let tried = commands.iter().filter(|args| mode == Pbx::Refuses || !args.contains(&"--sink"));
        // All at once, as some wait half a minute for the next one-time password.
        join_all(tried.map(async |args| {
            let args = [*args, &["--config", "c.toml", "--log-level", "trace,async_nats=trace"]].concat();
            let output = run(&args, Some(dir.path())).await;
            assert!(!output.is_empty(), "{args:?} says nothing");
            is_clean(&format!("{mode:?}, {args:?}"), &output);
        }))
        .await;
    }
}

/// A key in the forms in which its file arrives broken.
fn broken(pem: &str, der: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("spaces for line breaks", pem.replace('\n', " ").into_bytes()),
        ("no line breaks", pem.replace('\n', "").into_bytes()),
        ("written line breaks", pem.replace('\n', "\\n").into_bytes()),
        ("a byte order mark", format!("\u{feff}{pem}").into_bytes()),
        ("DER", der.to_vec()),
        ("decimal bytes", format!("{der:?}").into_bytes()),
        ("cut short", pem.as_bytes()[..pem.len() / 2].to_vec()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_key_file_is_shown_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let (pem, der) = (key.serialize_pem(), key.serialize_der());
    let certificate = CertificateParams::new(["a".to_owned()]).unwrap().self_signed(&key).unwrap();
    let path = |name: &str| -> PathBuf { dir.path().join(name) };
    std::fs::write(path("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(path("key.pem"), &pem).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with("--")).collect();
    let leaks = |output: &str| {
        let numbers = |bytes: &[u8]| format!("{bytes:?}").trim_matches(['[', ']']).to_owned();
        let parts = [
            &body[8..24],
            &HEXLOWER.encode(&der[20..28]),
            &BASE64.encode(&der[21..33]),
            &numbers(&der[20..24]),
        ];
        let header = numbers(&pem.as_bytes()[..4]);
        parts.into_iter().chain([header.as_str()]).find(|part| output.contains(part)).map(str::to_owned)
    };
    let sink = format!(
        "[sinks.bus]\ntype = \"nats\"\nservers = [\"tls://127.0.0.1:{}\"]\ncert_file = \"cert.pem\"\nkey_file = \"key.pem\"\n",
        port()
    );
    let pbx = Pbx::Refuses.start().await;
    let text = config(pbx.port, &sink, false);
    let watched = Watched::start(dir.path(), &text, "json");
    watched.fails(&["sink/bus"]).await;
    std::fs::write(path("key.pem"), pem.replace('\n', " ")).unwrap();
    watched.bridge.says("line breaks were lost").await;
    for (what, content) in broken(&pem, &der) {
        std::fs::write(path("key.pem"), &content).unwrap();
        for args in [&["config", "check"][..], &["check", "--offline"], &["config", "show"]] {
            let output = run(&[args, &["--config", "config.toml"]].concat(), Some(dir.path())).await;
            assert!(output.contains("key_file") && output.contains("key.pem"), "{what}: {output}");
            assert_eq!(leaks(&output), None, "{what}, {args:?}: {output}");
        }
    }
    for path in ["status", "readyz"] {
        let said = watched.get(path).await;
        assert_eq!(leaks(&said), None, "{path}: {said}");
    }
    let output = watched.ends_clean("json").await;
    assert!(output.contains("heartbeat"), "{output}");
    assert_eq!(leaks(&output), None, "{output}");
}
