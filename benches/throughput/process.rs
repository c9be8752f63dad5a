//! The processes that are measured, and the broker.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use cti_bridge::simulator::Simulator;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    Bare,
    BareHeaders,
    Node,
    Bridge,
}

impl Contender {
    pub(crate) const ALL: [Self; 4] = [Self::Bare, Self::BareHeaders, Self::Node, Self::Bridge];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "(a) bare",
            Self::BareHeaders => "(a') bare, ten headers",
            Self::Node => "(b) Node, ten lines",
            Self::Bridge => "(c) cti-bridge",
        }
    }

    pub(crate) async fn start(self, pbx: &Simulator, nats: &str) -> Process {
        let url = pbx.url();
        let websocket = format!("ws://{}/api/ws/?EIO=4&transport=websocket", url.authority());
        let mut command = match self {
            Self::Bare | Self::BareHeaders => {
                let mut command = Command::new(std::env::current_exe().unwrap());
                let kind = if self == Self::Bare { "plain" } else { "headers" };
                command.args(["passthrough", &websocket, &token(pbx).await, nats, kind]);
                command
            }
            Self::Node => {
                let mut command = Command::new("node");
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/node/bridge.js");
                command.arg(script).args([url.as_str(), &token(pbx).await, nats]);
                command
            }
            Self::Bridge => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_cti-bridge"));
                command.args(["run", "--config", "/dev/null", "--log-level", "error"]);
                for set in [
                    format!("sources.pbx1.url={url}"),
                    "sources.pbx1.username=bridge".to_owned(),
                    "sources.pbx1.password=p".to_owned(),
                    // A burst comes faster than any PBX sends, and must fit as a whole.
                    "journal.memory=256MiB".to_owned(),
                    "sinks.bus.type=nats".to_owned(),
                    format!("sinks.bus.servers=[\"{nats}\"]"),
                ] {
                    command.args(["--set", &set]);
                }
                command
            }
        };
        Process(command.stderr(Stdio::inherit()).stdout(Stdio::null()).spawn().unwrap())
    }
}

async fn token(pbx: &Simulator) -> String {
    let trust = cti_bridge::tls::Trust::default().client_config().unwrap();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(std::sync::Arc::unwrap_or_clone(trust))
        .build()
        .unwrap();
    let login = serde_json::json!({ "username": "bridge", "password": "p" });
    let answer = client.post(pbx.url().join("/api/login").unwrap()).json(&login).send().await.unwrap();
    let answer: serde_json::Value = answer.json().await.unwrap();
    answer["token"].as_str().unwrap().to_owned()
}

/// A process; killed with the value.
pub(crate) struct Process(Child);

impl Process {
    /// CPU time of all its threads so far.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap();
        let nanos = tasks.filter_map(|task| {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A nats-server on a free port.
pub(crate) struct Server {
    _process: Process,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn start() -> Self {
        let program = std::env::var_os("NATS_SERVER").unwrap_or_else(|| "nats-server".into());
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let port = address.port().to_string();
        let mut command = Command::new(program);
        command.args(["-a", "127.0.0.1", "-p", &port]).stdout(Stdio::null()).stderr(Stdio::null());
        let process =
            Process(command.spawn().expect("no nats-server: put it on PATH, or name it in NATS_SERVER"));
        while std::net::TcpStream::connect(address).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { _process: process, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }
}
