//! The processes that are measured, and the broker.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use cti_bridge::simulator::Simulator;

use super::common;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    Bare,
    BareHeaders,
    Node,
    Bridge,
    StreamContext,
    StreamInbox,
    StreamNode,
    StreamBridge,
}

impl Contender {
    /// Those that publish on core NATS.
    pub(crate) const CORE: [Self; 4] = [Self::Bare, Self::BareHeaders, Self::Node, Self::Bridge];
    /// Those that publish to a stream.
    pub(crate) const STREAM: [Self; 4] =
        [Self::StreamContext, Self::StreamInbox, Self::StreamNode, Self::StreamBridge];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "(a) bare",
            Self::BareHeaders => "(a') bare, ten headers",
            Self::Node => "(b) Node, ten lines",
            Self::Bridge => "(c) cti-bridge",
            Self::StreamContext => "(a) bare, stream context",
            Self::StreamInbox => "(a') bare, own inbox",
            Self::StreamNode => "(b) Node, ten lines, stream",
            Self::StreamBridge => "(c) cti-bridge, jetstream",
        }
    }

    pub(crate) fn to_stream(self) -> bool {
        Self::STREAM.contains(&self)
    }

    /// Starts it; files are its own in `dir`.
    pub(crate) async fn start(self, pbx: &Simulator, nats: &str, dir: &Path) -> Process {
        if self.to_stream() && self != Self::StreamBridge {
            common::create_stream(nats).await;
        }
        let mut command = match self {
            Self::Bare => passthrough("plain", pbx, nats).await,
            Self::BareHeaders => passthrough("headers", pbx, nats).await,
            Self::StreamContext => passthrough("context", pbx, nats).await,
            Self::StreamInbox => passthrough("inbox", pbx, nats).await,
            Self::Node => common::node("bridge.js", pbx, nats).await,
            Self::StreamNode => common::node("bridge-jetstream.js", pbx, nats).await,
            Self::Bridge => common::bridge(pbx, nats, None),
            Self::StreamBridge => common::bridge(pbx, nats, Some(&dir.join("journal"))),
        };
        if matches!(self, Self::Bridge | Self::StreamBridge) {
            command.args(["--log-level", "error"]);
        }
        Process(command.stderr(Stdio::inherit()).stdout(Stdio::null()).spawn().unwrap())
    }
}

async fn passthrough(kind: &str, pbx: &Simulator, nats: &str) -> Command {
    let websocket = format!("ws://{}/api/ws/?EIO=4&transport=websocket", pbx.url().authority());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["passthrough", &websocket, &common::token(pbx).await, nats, kind]);
    command
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

/// A nats-server on a free port, with JetStream in a directory.
pub(crate) struct Server {
    _process: Process,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn start(store: Option<&Path>) -> Self {
        let program = std::env::var_os("NATS_SERVER").unwrap_or_else(|| "nats-server".into());
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let port = address.port().to_string();
        let mut command = Command::new(program);
        command.args(["-a", "127.0.0.1", "-p", &port]).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(store) = store {
            command.arg("-js").arg("-sd").arg(store);
        }
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
