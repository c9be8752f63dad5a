//! The measured processes, and the broker.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use pbx_simulator::Simulator;

use super::{
    common::{self, Destination},
    kafka::Kafka,
};

/// The compared programs.
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
    KafkaBare,
    KafkaNode,
    KafkaBridge,
    KafkaEntities,
}

/// The kind of broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bus {
    Core,
    Stream,
    Kafka,
}

impl Contender {
    /// The programs that publish to this broker.
    pub(crate) fn all(bus: Bus) -> &'static [Self] {
        match bus {
            Bus::Core => &[Self::Bare, Self::BareHeaders, Self::Node, Self::Bridge],
            Bus::Stream => &[Self::StreamContext, Self::StreamInbox, Self::StreamNode, Self::StreamBridge],
            Bus::Kafka => &[Self::KafkaBare, Self::KafkaNode, Self::KafkaBridge, Self::KafkaEntities],
        }
    }

    /// The bridge alone.
    pub(crate) fn bridge(bus: Bus) -> &'static [Self] {
        match bus {
            Bus::Core => &[Self::Bridge],
            Bus::Stream => &[Self::StreamBridge],
            Bus::Kafka => &[Self::KafkaBridge],
        }
    }

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
            Self::KafkaBare => "(a) bare, Kafka",
            Self::KafkaNode => "(b) Node, ten lines, Kafka",
            Self::KafkaBridge => "(c) cti-bridge, Kafka",
            Self::KafkaEntities => "(c') cti-bridge, Kafka, by entity",
        }
    }

    /// Whether the program may reorder events.
    pub(crate) fn may_reorder(self) -> bool {
        self == Self::KafkaNode
    }

    /// Starts the program with its files in `dir`.
    pub(crate) async fn start(self, pbx: &Simulator, broker: &str, dir: &Path) -> Process {
        if matches!(self, Self::StreamContext | Self::StreamInbox | Self::StreamNode) {
            common::create_stream(broker).await;
        }
        let journal = dir.join("journal");
        let mut command = match self {
            Self::Bare => passthrough("plain", pbx, broker).await,
            Self::BareHeaders => passthrough("headers", pbx, broker).await,
            Self::StreamContext => passthrough("context", pbx, broker).await,
            Self::StreamInbox => passthrough("inbox", pbx, broker).await,
            Self::Node => common::node("bridge.js", pbx, broker).await,
            Self::StreamNode => common::node("bridge-jetstream.js", pbx, broker).await,
            Self::Bridge => common::bridge(pbx, Destination::Core(broker)),
            Self::StreamBridge => common::bridge(pbx, Destination::Stream(broker, &journal)),
            Self::KafkaBare => passthrough("kafka", pbx, broker).await,
            Self::KafkaNode => common::node("bridge-kafka.js", pbx, broker).await,
            Self::KafkaBridge | Self::KafkaEntities => {
                common::bridge(pbx, Destination::Kafka(broker, &journal))
            }
        };
        if self == Self::KafkaEntities {
            command.args(["--set", "sinks.bus.partition_by=entity"]);
        }
        if matches!(self, Self::Bridge | Self::StreamBridge | Self::KafkaBridge | Self::KafkaEntities) {
            command.args(["--log-level", "error"]);
        }
        Process(command.stderr(Stdio::inherit()).stdout(Stdio::null()).spawn().unwrap())
    }
}

async fn passthrough(kind: &str, pbx: &Simulator, broker: &str) -> Command {
    let websocket = format!("ws://{}/api/ws/?EIO=4&transport=websocket", pbx.url().authority());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["passthrough", &websocket, &common::token(pbx).await, broker, kind]);
    command
}

/// A process; killed on drop.
pub(crate) struct Process(Child);

impl Process {
    /// The CPU time of all its threads so far.
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

/// The broker.
pub(crate) enum Server {
    Nats { _process: Process, address: SocketAddr },
    Kafka(Kafka),
}

impl Server {
    /// Starts a broker on a free port, with a stream stored in `store` or a topic of one partition.
    pub(crate) async fn start(bus: Bus, store: &Path) -> Self {
        if bus == Bus::Kafka {
            let kafka = Kafka::start().await;
            kafka.topic(common::TOPIC, 1, &[]).await;
            return Self::Kafka(kafka);
        }
        let program = std::env::var_os("NATS_SERVER").unwrap_or_else(|| "nats-server".into());
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let port = address.port().to_string();
        let mut command = Command::new(program);
        command.args(["-a", "127.0.0.1", "-p", &port]).stdout(Stdio::null()).stderr(Stdio::null());
        if bus == Bus::Stream {
            command.arg("-js").arg("-sd").arg(store);
        }
        let process =
            Process(command.spawn().expect("no nats-server: put it on PATH, or name it in NATS_SERVER"));
        while std::net::TcpStream::connect(address).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Self::Nats { _process: process, address }
    }

    /// The address for clients: a URL, or `host:port` of Kafka.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Nats { address, .. } => format!("nats://{address}"),
            Self::Kafka(kafka) => kafka.address(),
        }
    }
}
