//! Probes a NATS sink without its events: connects, inspects its stream, publishes a status message.

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
    unreachable::silent,
};
use crate::{
    event::JournalId,
    health::Trouble,
    route::{Plan, Rules},
    sink::{
        self, Bridge, Claim, ProbeReport, SinkError,
        heartbeat::{Beat, checks},
    },
};

/// The time limit for an answer of the server.
const PATIENCE: Duration = Duration::from_secs(4);
/// The time for a refusal to be delivered: it arrives before the answer to a later message, but another task reports it.
const GRACE: Duration = Duration::from_millis(100);

/// A connection to a sink.
#[derive(Debug)]
pub struct Probe {
    connected: Connected,
    config: Config,
    stream: Option<JetStream>,
    sources: Vec<String>,
    /// The required permissions, which complete the sentence "allow the account …".
    allow: String,
}

impl Probe {
    /// Connects to every server; one that answers is enough. The report warns about the others.
    pub async fn connect(config: &Config, bridge: Bridge<'_>) -> Result<(Self, ProbeReport), SinkError> {
        let stream = (config.mode == Mode::JetStream).then(|| JetStream::new(config, bridge));
        let allow = stream.as_ref().map_or_else(|| super::allow(config), |stream| stream.allow().to_owned());
        let servers = Servers::new(config);
        let each = config.servers.iter().map(async |server| {
            timeout(2 * PATIENCE, servers.connect_to(server, allow.clone()))
                .await
                .unwrap_or_else(|_| Err(silent(server)))
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
            let text = lines(&refused).join("; ");
            return Err(if is_final {
                SinkError::operator(Trouble::Silent, text)
            } else {
                SinkError::again(Trouble::Silent, text)
            });
        };
        let report = ProbeReport {
            message: format!("{} answers, and accepts the credentials", answering.join(", ")),
            warnings: lines(&refused),
        };
        let (config, sources) = (config.clone(), bridge.sources.to_vec());
        Ok((Self { connected, config, stream, sources, allow }, report))
    }

    /// Inspects the stream: that it exists, which settings weaken the guarantee, and which journal wrote its newest event.
    async fn inspect(&self, claim: &Claim) -> Result<ProbeReport, SinkError> {
        match &self.stream {
            Some(stream) => stream.inspect(&self.connected, claim).await,
            None => Ok(ProbeReport::default()),
        }
    }

    /// Publishes a status message for each source, and waits until the server has processed them. Then reads the server's own
    /// list of permissions, as test events can't be published: consumers would mistake them for real ones.
    async fn publish(&self) -> Result<ProbeReport, SinkError> {
        let Connected { client, events, .. } = &self.connected;
        let inbox = Subject::from(client.new_inbox());
        let mut answers = client.subscribe(inbox.clone()).await.map_err(|error| events.failed(error))?;
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
                Err(_) => {
                    let server = &self.connected.server;
                    let what = format!("{server} accepts messages but does not answer: check its load");
                    return Err(SinkError::again(Trouble::Silent, what));
                }
            },
        }
        if timeout(GRACE, events.down()).await.is_ok() {
            return Err(events.error());
        }
        let sent = format!("{} accepts {}", self.connected.server, subjects.join(", "));
        let message = match self.forbidden().await {
            None => {
                format!("{sent}; the first event will show whether it accepts events too")
            }
            Some(forbidden) if forbidden.is_empty() => {
                format!("{sent}, and events according to its list of permissions")
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
            Ok(Err(error)) => Err(events.failed(error)),
            Err(_) => Err(events.error()),
        }
    }

    /// Returns a status message for each source.
    fn messages(&self) -> Vec<OutboundMessage> {
        let rules = Rules { template: self.config.subject.clone(), ..Rules::default() };
        let mut plan = Plan::new(JournalId::draw(), self.sources.clone().into(), rules);
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

    /// Returns our subjects to which the account may not publish, by the server's own list. `None` if the server provides no list.
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
        let request = client.request("$SYS.REQ.USER.INFO", Bytes::new());
        let answer = tokio::select! {
            biased;
            // The bridge does not need this permission.
            () = events.down() => return None,
            answer = timeout(Duration::from_secs(1), request) => answer.ok()?.ok()?,
        };
        let Info { data } = serde_json::from_slice(&answer.payload).ok()?;
        let List { allow, deny } = data.permissions.and_then(|list| list.publish).unwrap_or_default();
        let ours = self.stream.as_ref().map_or(&[][..], JetStream::subjects);
        Some(ours.iter().filter(|subject| !permitted(&allow, &deny, subject)).cloned().collect())
    }
}

/// Returns each error as one line.
fn lines(errors: &[SinkError]) -> Vec<String> {
    errors.iter().map(|error| format!("{error:#}")).collect()
}

impl sink::Probe for Probe {
    fn inspect<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<ProbeReport, SinkError>> {
        Box::pin(self.inspect(claim))
    }

    fn publish(&mut self) -> BoxFuture<'_, Result<ProbeReport, SinkError>> {
        Box::pin(Self::publish(self))
    }
}
