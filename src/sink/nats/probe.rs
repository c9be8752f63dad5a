//! Trying out a sink without its events: reach it, look at its stream, publish a status message.

use std::time::Duration;

use async_nats::{Subject, message::OutboundMessage};
use bytes::Bytes;
use futures_util::{
    StreamExt as _,
    future::{BoxFuture, join_all},
};
use serde::Deserialize;
use tokio::time::timeout;

use super::{
    JetStream,
    config::{Config, Mode},
    connect::{Connected, Servers},
    headers::Envelopes,
    jetstream::permitted,
};
use crate::{
    event::JournalId,
    health::Trouble,
    route::Plan,
    sink::{
        self, Bridge, Claim, ProbeReport, SinkError,
        heartbeat::{Beat, checks},
    },
};

/// For a server to answer.
const PATIENCE: Duration = Duration::from_secs(4);
/// A refusal is on its way to us before the answer to what was sent later, but another task hands it out.
const GRACE: Duration = Duration::from_millis(100);

/// A sink that can be reached.
#[derive(Debug)]
pub struct Probe {
    connected: Connected,
    config: Config,
    stream: Option<JetStream>,
    sources: Vec<String>,
    /// The end of the sentence on a permission that is missing.
    allow: String,
}

impl Probe {
    /// Connects to every server; one that answers is enough. Yields what is wrong with the others.
    pub async fn connect(config: &Config, bridge: Bridge<'_>) -> Result<(Self, ProbeReport), SinkError> {
        let stream = (config.mode == Mode::JetStream).then(|| JetStream::new(config, bridge));
        let allow = stream.as_ref().map_or_else(|| super::allow(config), |stream| stream.allow().to_owned());
        let servers = Servers::new(config);
        let each = config.servers.iter().map(async |server| {
            let late = || {
                SinkError::again(
                    Trouble::Silent,
                    format!("{server} does not answer: is it up, and the way open?"),
                )
            };
            timeout(2 * PATIENCE, servers.connect_to(server, allow.clone()))
                .await
                .unwrap_or_else(|_| Err(late()))
        });
        let (mut reached, mut refused) = (Vec::new(), Vec::new());
        for result in join_all(each).await {
            match result {
                Ok(connected) => reached.push(connected),
                Err(error) => refused.push(error),
            }
        }
        let answering: Vec<String> = reached.iter().map(|connected| connected.server.clone()).collect();
        let Some(connected) = reached.into_iter().next() else {
            let is_final = refused.iter().any(|error| matches!(error, SinkError::Operator(_)));
            let sentences: Vec<String> = refused.iter().map(ToString::to_string).collect();
            let text = sentences.join("; ");
            return Err(if is_final {
                SinkError::operator(Trouble::Silent, text)
            } else {
                SinkError::again(Trouble::Silent, text)
            });
        };
        let report = ProbeReport {
            message: format!("{} answers, and takes the credentials", answering.join(", ")),
            warnings: refused.iter().map(ToString::to_string).collect(),
        };
        let (config, sources) = (config.clone(), bridge.sources.to_vec());
        Ok((Self { connected, config, stream, sources, allow }, report))
    }

    /// Inspects the stream: whether it exists, which settings weaken the guarantee, and who wrote its newest event.
    async fn inspect(&self, claim: &Claim) -> Result<ProbeReport, SinkError> {
        match &self.stream {
            Some(stream) => stream.inspect(&self.connected, claim).await,
            None => Ok(ProbeReport::default()),
        }
    }

    /// Publishes a message of class `status` for each source, and waits until the server has taken them. Then asks it
    /// for its own list of permissions, as events themselves can't be tried out: consumers would take them for real.
    async fn publish(&self) -> Result<ProbeReport, SinkError> {
        let Connected { client, events, .. } = &self.connected;
        let inbox = Subject::from(client.new_inbox());
        let mut answers = client.subscribe(inbox.clone()).await.map_err(|_| events.error())?;
        let mut subjects = Vec::new();
        for message in self.messages() {
            subjects.push(message.subject.to_string());
            self.send(message).await?;
        }
        self.send(OutboundMessage { subject: inbox, reply: None, payload: Bytes::new(), headers: None })
            .await?;
        tokio::select! {
            biased;
            () = events.down() => return Err(events.error()),
            answer = timeout(PATIENCE, answers.next()) => match answer {
                Ok(Some(_)) => {}
                Ok(None) => return Err(events.error()),
                Err(_) => return Err(SinkError::again(Trouble::Silent, format!("{} takes messages and does not answer: is it overloaded?", self.connected.server))),
            },
        }
        if timeout(GRACE, events.down()).await.is_ok() {
            return Err(events.error());
        }
        let sent = format!("{} takes {}", self.connected.server, subjects.join(", "));
        let message = match self.forbidden().await {
            None => {
                format!("{sent}; it does not tell whether it takes events too: that shows with the first")
            }
            Some(forbidden) if forbidden.is_empty() => {
                format!("{sent}, and events too, by its list of permissions")
            }
            Some(forbidden) => {
                return Err(SinkError::operator(
                    Trouble::Permission,
                    format!(
                        "{} does not let the account publish {}: allow it {}",
                        self.connected.server,
                        forbidden.join(", "),
                        self.allow
                    ),
                ));
            }
        };
        Ok(ProbeReport::new(message))
    }

    async fn send(&self, message: OutboundMessage) -> Result<(), SinkError> {
        use async_nats::client::traits::Publisher as _;
        let events = &self.connected.events;
        match timeout(PATIENCE, self.connected.client.publish_message(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(events.error()),
        }
    }

    /// One for each source.
    fn messages(&self) -> Vec<OutboundMessage> {
        let mut plan = Plan::new(JournalId::draw(), self.sources.clone().into(), self.config.subject.clone());
        let beats = checks(&mut plan, self.sources.len());
        let mut envelopes = Envelopes::new(self.config.content_mode);
        let message = |beat: Beat| {
            let outgoing = beat.outgoing(&plan);
            let (headers, payload) = envelopes.message(outgoing.names, &outgoing.event)?;
            let subject = Subject::from_utf8(outgoing.names.destination.clone()).ok()?;
            Some(OutboundMessage { subject, reply: None, payload, headers: Some(headers) })
        };
        beats.into_iter().filter_map(message).collect()
    }

    /// Which of our subjects the account may not publish, by the server's own list; None if it shows none.
    async fn forbidden(&self) -> Option<Vec<String>> {
        #[derive(Deserialize)]
        struct Info {
            data: User,
        }
        #[derive(Deserialize)]
        struct User {
            #[serde(default)]
            permissions: Option<Permissions>,
        }
        #[derive(Deserialize)]
        struct Permissions {
            #[serde(default)]
            publish: Option<List>,
        }
        #[derive(Deserialize, Default)]
        struct List {
            #[serde(default)]
            allow: Vec<String>,
            #[serde(default)]
            deny: Vec<String>,
        }
        let Connected { client, events, .. } = &self.connected;
        let asking = client.request("$SYS.REQ.USER.INFO", Bytes::new());
        let answer = tokio::select! {
            biased;
            // It is no part of what a bridge must be allowed.
            () = events.down() => return None,
            answer = timeout(Duration::from_secs(1), asking) => answer.ok()?.ok()?,
        };
        let Info { data } = serde_json::from_slice(&answer.payload).ok()?;
        let List { allow, deny } = data.permissions.and_then(|list| list.publish).unwrap_or_default();
        let ours = self.stream.as_ref().map_or(&[][..], JetStream::subjects);
        Some(ours.iter().filter(|subject| !permitted(&allow, &deny, subject)).cloned().collect())
    }
}

impl sink::Probe for Probe {
    fn inspect<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<ProbeReport, SinkError>> {
        Box::pin(self.inspect(claim))
    }

    fn publish(&mut self) -> BoxFuture<'_, Result<ProbeReport, SinkError>> {
        Box::pin(Self::publish(self))
    }
}
