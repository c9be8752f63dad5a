//! Reads the stream back, from its first message to the last one at the start.

use std::time::Duration;

use async_nats::{HeaderMap, jetstream};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::JetStream;
use crate::{
    health::Trouble,
    sink::{SinkError, stored_event, verify::Held},
};

/// The time after which a server that sends nothing, though there are more messages, counts as lost.
const SILENCE: Duration = Duration::from_secs(30);

impl JetStream {
    /// Calls `each` with every event of the stream, in its order. Fails if the end is not reached.
    pub async fn read_back(&self, mut each: impl FnMut(&Held) + Send) -> Result<(), SinkError> {
        let connected = self.servers.connect(self.allow.clone()).await?;
        let name = &self.ours.stream;
        let failed = |what: &str| {
            SinkError::again(Trouble::Setup, format!("can't {what} stream {name} at {}", connected.server))
        };
        let client = connected.client.clone();
        let context = match &self.settings.domain {
            None => jetstream::new(client),
            Some(domain) => jetstream::with_domain(client, domain),
        };
        let stream = context.get_stream(name).await.map_err(|error| failed("open").because(error))?;
        if stream.cached_info().state.messages == 0 {
            return Ok(());
        }
        let config = jetstream::consumer::pull::OrderedConfig::default();
        let consumer = stream.create_consumer(config).await.map_err(|error| failed("read").because(error))?;
        let mut messages = consumer.messages().await.map_err(|error| failed("read").because(error))?;
        loop {
            // A lost connection ends the messages as if there were no more.
            let next = timeout(SILENCE, messages.next()).await;
            let next =
                next.map_err(|_| failed("read on").because(format!("nothing arrived for {SILENCE:?}")))?;
            let message = next.ok_or_else(|| failed("read on").because("the connection was closed"))?;
            let message = message.map_err(|error| failed("read").because(error))?;
            let headers = message.headers.as_ref();
            if let Some(held) = stored_event::held(|name| attribute(headers, name), &message.payload) {
                each(&held);
            }
            let pending =
                message.info().map(|info| info.pending).map_err(|error| failed("read").because(error))?;
            if pending == 0 {
                return Ok(());
            }
        }
    }
}

fn attribute(headers: Option<&HeaderMap>, name: &str) -> Option<String> {
    headers?.get(format!("ce-{name}")).map(|value| value.as_str().to_owned())
}
