//! The bare pass-through: the lower bound for any bridge between these two libraries.

use std::sync::Arc;

use async_nats::{
    Client, HeaderMap, HeaderName, HeaderValue, Subject,
    client::traits::Publisher as _,
    jetstream::{Context, context::PublishAckFuture, publish::PublishAck, response::Response},
    message::OutboundMessage,
};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use jiff::Timestamp;
use tokio::sync::{
    Semaphore,
    mpsc::{Sender, channel},
};
use tokio_tungstenite::tungstenite::Message;

use super::topic::Topic;

const NAMES: [HeaderName; 10] = [
    HeaderName::from_static("ce-specversion"),
    HeaderName::from_static("ce-id"),
    HeaderName::from_static("ce-source"),
    HeaderName::from_static("ce-type"),
    HeaderName::from_static("ce-time"),
    HeaderName::from_static("ce-datacontenttype"),
    HeaderName::from_static("ce-sequence"),
    HeaderName::from_static("ce-ctiprev"),
    HeaderName::from_static("ce-ctigap"),
    HeaderName::from_static("ce-subject"),
];

/// The maximum number of unacknowledged messages.
const WINDOW: usize = 1_000;

/// The method of publishing.
enum Publisher {
    /// To core NATS.
    Core { client: Client, headers: bool },
    /// To a stream with the JetStream context, as in the library's examples: futures are awaited in order.
    Context { context: Context, acks: Sender<PublishAckFuture> },
    /// To a stream with a reply subject of its own.
    Inbox { client: Client, reply: Subject, window: Arc<Semaphore> },
    /// To a Kafka topic.
    Kafka(Topic),
}

impl Publisher {
    async fn new(kind: &str, broker: &str) -> Self {
        if kind == "kafka" {
            return Self::Kafka(Topic::new(broker));
        }
        let client = async_nats::ConnectOptions::new().client_capacity(4096).skip_subject_validation(true);
        let client = client.connect(broker).await.unwrap();
        match kind {
            "context" => {
                let (acks, mut pending) = channel::<PublishAckFuture>(WINDOW);
                tokio::spawn(async move {
                    while let Some(ack) = pending.recv().await {
                        ack.await.unwrap();
                    }
                });
                Self::Context { context: async_nats::jetstream::new(client), acks }
            }
            "inbox" => {
                let inbox = client.new_inbox();
                let mut acks = client.subscribe(inbox.clone()).await.unwrap();
                let window = Arc::new(Semaphore::new(WINDOW));
                let free = Arc::clone(&window);
                tokio::spawn(async move {
                    while let Some(ack) = acks.next().await {
                        let ack: Response<PublishAck> = serde_json::from_slice(&ack.payload).unwrap();
                        assert!(matches!(ack, Response::Ok(_)), "{ack:?}");
                        free.add_permits(1);
                    }
                });
                Self::Inbox { client, reply: inbox.into(), window }
            }
            kind => Self::Core { client, headers: kind == "headers" },
        }
    }

    async fn publish(&self, subject: Subject, payload: Bytes, sequence: u64) {
        match self {
            Self::Kafka(topic) => topic.publish(&payload, sequence),
            Self::Core { client, headers: wanted } => {
                let headers = wanted.then(|| headers(sequence));
                let message = OutboundMessage { subject, reply: None, payload, headers };
                client.publish_message(message).await.unwrap();
            }
            Self::Context { context, acks } => {
                let ack = context.publish_with_headers(subject, headers(sequence), payload).await.unwrap();
                acks.send(ack).await.unwrap();
            }
            Self::Inbox { client, reply, window } => {
                window.acquire().await.unwrap().forget();
                let (reply, headers) = (Some(reply.clone()), Some(headers(sequence)));
                client.publish_message(OutboundMessage { subject, reply, payload, headers }).await.unwrap();
            }
        }
    }
}

/// Publishes every frame unchanged.
pub(crate) async fn run(websocket: &str, token: &str, broker: &str, kind: &str) {
    let publisher = Publisher::new(kind, broker).await;
    let (mut socket, _) = tokio_tungstenite::connect_async(websocket).await.unwrap();
    socket.send(Message::text("40")).await.unwrap();
    socket
        .send(Message::text(format!(r#"42["login",{{"accessKeyId":"bridge","token":"{token}"}}]"#)))
        .await
        .unwrap();
    let subject = Subject::from_static("cti.v1.pbx1.event.extenUpdate.201");
    let mut sequence: u64 = 1_795_538_000_000_000;
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        if text.as_str() == "2" {
            socket.send(Message::text("3")).await.unwrap();
            continue;
        }
        sequence += 1;
        publisher.publish(subject.clone(), Bytes::copy_from_slice(text.as_bytes()), sequence).await;
    }
}

fn headers(sequence: u64) -> HeaderMap {
    let values = values(sequence);
    NAMES.into_iter().zip(values).map(|(name, value)| (name, value.parse::<HeaderValue>().unwrap())).collect()
}

/// The values of the ten headers, in the order of their names.
pub(crate) fn values(sequence: u64) -> [String; 10] {
    [
        "1.0".to_owned(),
        format!("abcdefghij-{sequence}"),
        "/cti/pbx1".to_owned(),
        "cti.event.extenUpdate.v1".to_owned(),
        format!("{:.6}", Timestamp::now()),
        "application/json".to_owned(),
        format!("{sequence:020}"),
        format!("{:020}", sequence - 1),
        format!("{:020}", 1_795_538_000_000_001_u64),
        "extension/201".to_owned(),
    ]
}
