//! Detects another process with a copy of our journal that writes to the stream.

use std::{pin::pin, time::Duration};

use async_nats::{Message, Subscriber};
use futures_util::{StreamExt as _, stream::SelectAll};
use tokio::time::{sleep, timeout};

use super::{JetStream, api::Api};
use crate::sink::{Process, SinkError, nats::connect::Connected, stored_event};

/// The interval at which the end of the stream is compared.
const INTERVAL: Duration = Duration::from_millis(500);

impl JetStream {
    /// Watches the stream's end and the heartbeats for at most `patience`. Returns the evidence of another writer, if there is any.
    /// Uses its own connections, as the account need not have the right to subscribe.
    pub(super) async fn watch(&self, ours: Process, patience: Duration) -> Result<Option<String>, SinkError> {
        let connected = self.servers.connect(self.allow.clone()).await?;
        let api = Api { connected: &connected, stream: &self.ours.stream };
        let mut heartbeat = pin!(self.heartbeat(ours));
        let watching = async {
            let mut before = None;
            loop {
                let now = api.info().await?.map(|info| info.last_sequence);
                if before.replace(now).is_some_and(|before| before != now) {
                    return Ok(Some("the stream grows while this bridge only watches".to_owned()));
                }
                tokio::select! {
                    rival = &mut heartbeat => return Ok(Some(rival)),
                    () = sleep(INTERVAL) => {}
                }
            }
        };
        timeout(patience, watching).await.unwrap_or(Ok(None))
    }

    /// Waits for another process's heartbeat. Never returns if the account may not subscribe.
    async fn heartbeat(&self, ours: Process) -> String {
        if let Ok((connected, mut messages)) = self.listen().await {
            loop {
                let message = tokio::select! {
                    message = messages.next() => message,
                    () = connected.events.down() => None,
                };
                let Some(message) = message else { break };
                if id(&message).is_some_and(|id| ours.is_rival(&id)) {
                    return format!("another process sends heartbeats to {}", message.subject);
                }
            }
        }
        std::future::pending().await
    }

    async fn listen(&self) -> Result<(Connected, SelectAll<Subscriber>), SinkError> {
        let subjects = &self.ours.outside;
        let connected = self.servers.connect(format!("to subscribe to {}", subjects.join(", "))).await?;
        let mut messages = SelectAll::new();
        for subject in subjects {
            let subscribed = connected.client.subscribe(subject.clone()).await;
            messages.push(subscribed.map_err(|error| connected.events.failed(error))?);
        }
        Ok((connected, messages))
    }
}

fn id(message: &Message) -> Option<String> {
    let headers = message.headers.as_ref();
    let header = |name: &str| Some(headers?.get(format!("ce-{name}"))?.as_str().to_owned());
    stored_event::id(header, &message.payload)
}
