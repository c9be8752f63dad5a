//! A cluster of three NATS servers with JetStream.

use std::time::{Duration, Instant};

use async_nats::jetstream::{self, stream};

use super::{
    lane::{JETSTREAM, STREAM, context},
    nats::Nats,
};

pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Nats>,
}

impl Cluster {
    /// Starts a cluster, and waits until it accepts a stream with three replicas.
    pub(crate) async fn start() -> Self {
        let held: Vec<_> = (0..3).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> = held.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        drop(held);
        let routes: Vec<String> = ports.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
        let routes = routes.join(",");
        let mut nodes = Vec::new();
        for (number, port) in ports.iter().enumerate() {
            let extra = format!(
                "server_name: n{number}\ncluster: {{ name: c, listen: \"127.0.0.1:{port}\", routes: [{routes}] }}\n{JETSTREAM}"
            );
            nodes.push(Nats::start(&extra).await);
        }
        let cluster = Self { nodes };
        let context = context(&cluster.nodes[0].url()).await;
        let deadline = Instant::now() + Duration::from_mins(1);
        let probe = stream::Config { name: "probe".to_owned(), num_replicas: 3, ..stream::Config::default() };
        while context.create_stream(probe.clone()).await.is_err() {
            assert!(Instant::now() < deadline, "the cluster has no leader");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        context.delete_stream("probe").await.unwrap();
        cluster
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Nats::url).collect()
    }

    /// The node that leads the stream. Waits until there is one.
    pub(crate) async fn leader(&self, context: &jetstream::Context) -> usize {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            assert!(Instant::now() < deadline, "the stream has no leader");
            if let Ok(stream) = context.get_stream(STREAM).await
                && let Some(leader) = stream.cached_info().cluster.as_ref().and_then(|it| it.leader.clone())
                && let Some(number) = leader.strip_prefix('n').and_then(|number| number.parse().ok())
            {
                return number;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
