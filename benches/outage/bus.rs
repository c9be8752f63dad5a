//! The broker that fails, and its stored events.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::{path::Path, process::Command, time::Duration};

use async_nats::jetstream;
use pbx_simulator::Simulator;

use super::{
    common::{self, Destination},
    faulty_proxy::{Fault, FaultyProxy},
    kafka::{Kafka, free_port},
    nats::Nats,
    stored::Stored,
    stream, topic,
};

const JETSTREAM: &str = "jetstream { store_dir: \"$DIR/js\" }";

pub(crate) enum Bus {
    Nats(Nats),
    Kafka(Kafka),
}

impl Bus {
    pub(crate) async fn start(kafka: bool) -> Self {
        if kafka { Self::Kafka(Kafka::start().await) } else { Self::Nats(Nats::start(JETSTREAM).await) }
    }

    /// Starts a broker behind a proxy that breaks the first `cuts` connections.
    pub(crate) async fn behind_cuts(kafka: bool, cuts: u32, fault: fn() -> Fault) -> (Self, FaultyProxy) {
        if !kafka {
            let nats = Nats::start(JETSTREAM).await;
            let proxy = FaultyProxy::to(nats.url().replace("nats://", ""), cuts, fault).await;
            return (Self::Nats(nats), proxy);
        }
        let behind = free_port();
        let proxy = FaultyProxy::to(format!("127.0.0.1:{behind}"), cuts, fault).await;
        let way = proxy.address().rsplit(':').next().unwrap().parse().unwrap();
        (Self::Kafka(Kafka::start_behind(way, behind).await), proxy)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        match self {
            Self::Nats(nats) => nats.kill(),
            Self::Kafka(kafka) => kafka.kill(),
        }
    }

    pub(crate) async fn up(&mut self) {
        match self {
            Self::Nats(nats) => nats.up().await,
            Self::Kafka(kafka) => kafka.up().await,
        }
    }

    /// The command of the bridge, with a journal in this directory, and `proxy` in front of the broker.
    pub(crate) fn bridge(
        &self,
        config: &Path,
        pbx: &Simulator,
        proxy: Option<&FaultyProxy>,
        journal: &Path,
    ) -> Command {
        match self {
            Self::Nats(nats) => {
                let url = proxy.map_or_else(|| nats.url(), FaultyProxy::url);
                // More than the backlog, or its oldest events would be dropped.
                let mut command = common::bridge_with(config, pbx, Destination::Stream(&url, journal));
                command.args(["--set", "sinks.bus.stream_max_bytes=8GiB"]);
                command
            }
            Self::Kafka(kafka) => {
                let address = proxy.map_or_else(|| kafka.address(), FaultyProxy::address);
                common::bridge_with(config, pbx, Destination::Kafka(&address, journal))
            }
        }
    }

    /// The sink's table, as a configuration file has it.
    pub(crate) fn table(&self) -> String {
        match self {
            Self::Nats(nats) => {
                let url = nats.url();
                format!(
                    "type = \"nats\"\nmode = \"jetstream\"\nservers = [\"{url}\"]\nstream_max_bytes = \"8GiB\""
                )
            }
            Self::Kafka(kafka) => format!("type = \"kafka\"\nbrokers = [\"{}\"]", kafka.address()),
        }
    }

    /// The straightforward implementation.
    pub(crate) async fn node(&self, pbx: &Simulator) -> Command {
        match self {
            Self::Nats(nats) => {
                common::create_stream(&nats.url()).await;
                common::node("bridge-jetstream.js", pbx, &nats.url()).await
            }
            Self::Kafka(kafka) => {
                kafka.topic(common::TOPIC, 1, &[]).await;
                common::node("bridge-kafka.js", pbx, &kafka.address()).await
            }
        }
    }

    async fn stream(&self) -> Option<jetstream::Context> {
        let Self::Nats(nats) = self else { return None };
        Some(jetstream::new(async_nats::connect(nats.url()).await.ok()?))
    }

    /// The number of stored messages; `None` while the broker is unavailable.
    pub(crate) async fn count(&self) -> Option<u64> {
        match self {
            Self::Nats(_) => common::stored(&self.stream().await?).await,
            Self::Kafka(kafka) => topic::count(kafka),
        }
    }

    /// The number of the newest event.
    pub(crate) async fn newest(&self) -> Option<usize> {
        match self {
            Self::Nats(_) => stream::newest(&self.stream().await?).await,
            Self::Kafka(kafka) => topic::newest(kafka),
        }
    }

    /// All stored events, in order.
    pub(crate) async fn read(&self) -> Stored {
        match self {
            Self::Nats(_) => stream::read(&self.stream().await.unwrap()).await,
            Self::Kafka(kafka) => topic::read(kafka),
        }
    }

    /// Waits until the last event is delivered, or the delivery stops. Returns the time of the last delivery.
    pub(crate) async fn settled(&self, last: usize) -> std::time::Instant {
        let (mut count, mut since) = (None, std::time::Instant::now());
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = self.count().await;
            if now.is_some() && now != count {
                (count, since) = (now, std::time::Instant::now());
            }
            if since.elapsed() > GIVEN_UP || since.elapsed() > QUIET && self.newest().await == Some(last) {
                return since;
            }
        }
    }
}

/// A writer that stores nothing for this long has given up: longer than any pause between attempts.
const GIVEN_UP: Duration = Duration::from_secs(15);
/// The time after the last event in which nothing may follow.
const QUIET: Duration = Duration::from_secs(2);
