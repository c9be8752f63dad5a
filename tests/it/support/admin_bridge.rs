//! A running bridge with an admin endpoint, and an HTTP client for it.

use std::time::{Duration, Instant};

use pbx_simulator::{Account, Options, Simulator};
use serde_json::Value;

use super::bridge::{Bridge, program};

pub(crate) const TOKEN: &str = "a-token-of-some-length";
pub(crate) const SECRETS: [&str; 3] = ["pbx-password-1", "JBSWY3DPEHPK3PXP", TOKEN];

/// Returns a free port. If another process takes it first, the bridge waits for it.
pub(crate) fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running bridge with an admin endpoint.
pub(crate) struct AdminBridge {
    pub(crate) bridge: Bridge,
    pub(crate) http: reqwest::Client,
    pub(crate) at: String,
    pub(crate) dir: tempfile::TempDir,
}

impl AdminBridge {
    pub(crate) fn start(pbx: &str, sink: &str, more: &str) -> Self {
        Self::at(port(), pbx, sink, more)
    }

    pub(crate) fn at(port: u16, pbx: &str, sink: &str, more: &str) -> Self {
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

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match self.http.get(format!("{}{path}", self.at)).send().await {
                Ok(answer) => return (answer.status().as_u16(), answer.text().await.unwrap()),
                Err(error) => assert!(Instant::now() < deadline, "{error}; {}", self.bridge.output()),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn post(&self, path: &str, token: Option<&str>, body: &'static str) -> (u16, String) {
        let mut request = self.http.post(format!("{}{path}", self.at)).body(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub(crate) async fn status(&self) -> Value {
        serde_json::from_str(&self.get("/status").await.1).unwrap()
    }

    /// Polls the status until a condition holds.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            let status = self.status().await;
            if condition(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "never {what}: {status:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Runs another command with this configuration. Returns its exit code and its output.
    pub(crate) fn command(&self, args: &[&str]) -> (Option<i32>, String) {
        let config = self.dir.path().join("config.toml");
        let mut command = program();
        command.env_remove("CTI_BRIDGE_ADMIN__LISTEN").args(args).arg("--config").arg(config);
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        (output.status.code(), text)
    }
}

pub(crate) async fn pbx() -> Simulator {
    let [password, totp, _] = SECRETS;
    Simulator::start(Options::quiet(Account::new("bridge", password).with_totp(totp))).await.unwrap()
}

pub(crate) fn is_ready(status: &Value) -> bool {
    status["ready"] == true
}
