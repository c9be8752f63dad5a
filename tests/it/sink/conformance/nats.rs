//! NATS in the suite: core, and a stream.

use cti_bridge::{
    app::config::load_with,
    config::{Assignment, Flags},
    sink::{Bridge, nats},
};
use futures_util::StreamExt as _;

use super::*;

/// A message in the form of structured mode.
fn event(message: &async_nats::Message) -> Value {
    let mut event: serde_json::Map<String, Value> = serde_json::Map::new();
    for (name, values) in message.headers.as_ref().unwrap().iter() {
        let name: &str = name.as_ref();
        event.insert(name.trim_start_matches("ce-").to_owned(), values[0].as_str().into());
    }
    event.insert("destination".to_owned(), message.subject.as_str().into());
    event.insert("data".to_owned(), serde_json::from_slice(&message.payload).unwrap());
    Value::Object(event)
}

fn config(server: &crate::support::nats::Nats, mode: &str) -> nats::config::Config {
    let url = format!("sinks.s.servers=[\"{}\"]", server.url());
    let source = ["url=http://127.0.0.1:1", "username=u", "password=p"].map(|set| format!("sources.a.{set}"));
    let mode = format!("sinks.s.mode={mode}");
    let dir = "journal.dir=unused".to_owned();
    let set = source.into_iter().chain(["sinks.s.type=nats".to_owned(), url, mode, dir]);
    let set = set.map(|set| set.parse::<Assignment>().unwrap()).collect();
    let config = load_with(&Flags { set, ..Flags::default() }, []).unwrap().config;
    config.sinks["s"].of::<nats::config::Config>().unwrap().clone()
}

struct Server {
    server: crate::support::nats::Nats,
    events: async_nats::Subscriber,
}

impl Bench for Server {
    type Sink = nats::Nats;
    const HAS_SUBJECTS: bool = true;

    async fn start() -> Self {
        let server = crate::support::nats::Nats::start("").await;
        let client = async_nats::connect(server.url()).await.unwrap();
        // Two subscriptions would have no common order.
        let events = client.subscribe(">").await.unwrap();
        client.flush().await.unwrap();
        Self { server, events }
    }

    fn sink(&self) -> nats::Nats {
        nats::Nats::new(&config(&self.server, "core"))
    }

    fn config(&self) -> Config {
        Config::new(None, config(&self.server, "core"))
    }

    async fn arrived(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        while let Ok(Some(message)) =
            tokio::time::timeout(Duration::from_millis(20), self.events.next()).await
        {
            // A marker of the link has no headers.
            events.extend(message.headers.is_some().then(|| event(&message)));
        }
        events
    }
}

#[tokio::test]
async fn core_nats() {
    Box::pin(all::<Server>()).await;
}

struct Stream {
    server: crate::support::nats::Nats,
    /// What the stream keeps; a core subscriber would also see what the stream refuses.
    stored: async_nats::jetstream::consumer::pull::Ordered,
    status: async_nats::Subscriber,
}

impl Bench for Stream {
    type Sink = nats::JetStream;
    const HAS_SUBJECTS: bool = true;

    async fn start() -> Self {
        let server = crate::support::nats::Nats::start("jetstream: { store_dir: \"$DIR/js\" }").await;
        // Opening makes the stream.
        sink(&server).open().await.unwrap().0.close().await;
        let client = async_nats::connect(server.url()).await.unwrap();
        let status = client.subscribe("cti.v1.*.status.>").await.unwrap();
        client.flush().await.unwrap();
        let stream = async_nats::jetstream::new(client).get_stream("bridge").await.unwrap();
        let ordered = async_nats::jetstream::consumer::pull::OrderedConfig::default();
        let stored = stream.create_consumer(ordered).await.unwrap().messages().await.unwrap();
        Self { server, stored, status }
    }

    fn sink(&self) -> nats::JetStream {
        sink(&self.server)
    }

    fn config(&self) -> Config {
        Config::new(None, config(&self.server, "jetstream"))
    }

    async fn arrived(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let message = tokio::select! {
                biased;
                message = self.stored.next() => message.unwrap().unwrap().message,
                message = self.status.next() => message.unwrap(),
                () = tokio::time::sleep(Duration::from_millis(20)) => return events,
            };
            events.push(event(&message));
        }
    }
}

fn sink(server: &crate::support::nats::Nats) -> nats::JetStream {
    let sources = ["a".to_owned(), "b".to_owned()];
    nats::JetStream::new(&config(server, "jetstream"), Bridge { instance: "bridge", sources: &sources })
}

#[tokio::test]
async fn jetstream() {
    Box::pin(all::<Stream>()).await;
}
