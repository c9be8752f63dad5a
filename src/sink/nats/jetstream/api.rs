//! The few calls to the JetStream API.
//!
//! Made by hand, on the link's one client: the client's own context waits longer than a link may, and its types
//! would drop what a newer server's stream has and this client does not know, when a subject is added.

use std::time::Duration;

use async_nats::{RequestErrorKind, jetstream::stream};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::answer::Fault;
use crate::{
    health::Trouble,
    sink::{SinkError, nats::connect::Connected},
    text::PeerText,
};

/// Below the driver's deadline for opening a link, so that the cause is known when it passes.
const PATIENCE: Duration = Duration::from_secs(4);

/// One stream, through one connection.
#[derive(Debug)]
pub(super) struct Api<'a> {
    pub(super) connected: &'a Connected,
    pub(super) stream: &'a str,
}

/// A stream as the server describes it.
#[derive(Debug)]
pub(super) struct Info {
    /// As it came, for changing it.
    pub(super) raw: Value,
    pub(super) config: stream::Config,
    pub(super) last_sequence: u64,
}

/// A stored message.
#[derive(Debug, Deserialize)]
pub(super) struct Kept {
    pub(super) seq: u64,
    #[serde(default)]
    pub(super) subject: String,
    /// Base64, as they were sent.
    #[serde(default)]
    pub(super) hdrs: String,
    /// Base64.
    #[serde(default)]
    pub(super) data: String,
}

impl Api<'_> {
    /// The stream, if there is one.
    pub(super) async fn info(&self) -> Result<Option<Info>, SinkError> {
        match self.call::<Described>("INFO", &Value::Null).await? {
            Ok(described) => self.described(described).map(Some),
            Err(Fault { err_code: 10059, .. }) => Ok(None),
            Err(fault) => Err(self.error(&fault, "describe")),
        }
    }

    pub(super) async fn create(&self, config: &stream::Config) -> Result<Info, SinkError> {
        let config = serde_json::to_value(config).unwrap_or_default();
        match self.call("CREATE", &config).await? {
            Ok(described) => self.described(described),
            Err(fault) => Err(self.error(&fault, "create")),
        }
    }

    pub(super) async fn update(&self, config: &Value) -> Result<Info, SinkError> {
        match self.call("UPDATE", config).await? {
            Ok(described) => self.described(described),
            Err(fault) => Err(self.error(&fault, "add subjects to")),
        }
    }

    /// The newest message whose subject matches `filter`.
    pub(super) async fn last(&self, filter: &str) -> Result<Option<Kept>, SinkError> {
        self.message(&json!({ "last_by_subj": filter })).await
    }

    async fn message(&self, which: &Value) -> Result<Option<Kept>, SinkError> {
        #[derive(Deserialize)]
        struct Found {
            message: Kept,
        }
        match self.call::<Found>("MSG.GET", which).await? {
            Ok(found) => Ok(Some(found.message)),
            // No message found.
            Err(Fault { err_code: 10037, .. }) => Ok(None),
            Err(fault) => Err(self.error(&fault, "read")),
        }
    }

    /// The message with this sequence, if it is there.
    pub(super) async fn get(&self, seq: u64) -> Result<Option<Kept>, SinkError> {
        self.message(&json!({ "seq": seq })).await
    }

    /// The names of streams that take something of what matches `subject`. Empty if the account may not ask.
    pub(super) async fn streams_with(&self, subject: &str) -> Result<Vec<PeerText>, SinkError> {
        #[derive(Deserialize)]
        struct Names {
            #[serde(default)]
            streams: Option<Vec<String>>,
        }
        let subject = json!({ "subject": subject });
        let names = self.ask::<Names>("STREAM.NAMES", &subject).await?.ok();
        let names = names.and_then(|names| names.streams).unwrap_or_default();
        Ok(names.iter().map(|name| PeerText::new(name)).collect())
    }

    fn error(&self, fault: &Fault, what: &str) -> SinkError {
        fault.error(&self.connected.server, &format!("{what} stream {}", self.stream))
    }

    fn described(&self, Described { config, state }: Described) -> Result<Info, SinkError> {
        let typed = stream::Config::deserialize(&config).map_err(|error| {
            SinkError::operator(
                Trouble::Setup,
                format!(
                    "{} describes stream {} in a way this cti-bridge can't read ({}): use a newer cti-bridge",
                    self.connected.server,
                    self.stream,
                    PeerText::new(&error.to_string())
                ),
            )
        })?;
        Ok(Info { raw: config, config: typed, last_sequence: state.last_seq })
    }

    async fn call<T: DeserializeOwned>(
        &self,
        what: &str,
        payload: &Value,
    ) -> Result<Result<T, Fault>, SinkError> {
        self.ask(&format!("STREAM.{what}.{}", self.stream), payload).await
    }

    /// `request` is a subject below the API's prefix.
    async fn ask<T: DeserializeOwned>(
        &self,
        request: &str,
        payload: &Value,
    ) -> Result<Result<T, Fault>, SinkError> {
        #[derive(Deserialize)]
        struct Failed {
            error: Fault,
        }
        let Connected { client, events, server, api } = self.connected;
        let payload = if payload.is_null() { Vec::new() } else { payload.to_string().into_bytes() };
        let subject = format!("{api}.{request}");
        let answer = tokio::select! {
            biased;
            () = events.down() => return Err(events.error()),
            answer = timeout(PATIENCE, client.request(subject.clone(), payload.into())) => answer,
        };
        let answer = match answer {
            Err(_) => Err(RequestErrorKind::TimedOut),
            Ok(answer) => answer.map_err(|error| error.kind()),
        };
        let answer = answer.map_err(|kind| match kind {
            RequestErrorKind::NoResponders if api != "$JS.API" => SinkError::again(
                Trouble::Setup,
                format!(
                    "{server} reaches nobody at {api}: check `domain`, the leaf node's connection to it, and that the account \
                     may use it; after a restart it may take a moment"
                ),
            ),
            RequestErrorKind::NoResponders => SinkError::again(
                Trouble::Setup,
                format!(
                    "{server} has no JetStream: switch it on (`jetstream {{}}` in its configuration) and give the account access, \
                     or set `domain` if a leaf node leads to it; after a restart it may take a moment"
                ),
            ),
            RequestErrorKind::TimedOut => SinkError::again(Trouble::Silent, format!(
                "{server} is up, but JetStream does not answer: does its cluster have a leader?"
            )),
            _ => events.error(),
        })?;
        if let Ok(Failed { error }) = serde_json::from_slice(&answer.payload) {
            return Ok(Err(error));
        }
        serde_json::from_slice(&answer.payload).map(Ok).map_err(|error| {
            SinkError::again(
                Trouble::Silent,
                format!(
                    "{server} answered {subject} with something unreadable ({}): is it a nats-server?",
                    PeerText::new(&error.to_string())
                ),
            )
        })
    }
}

#[derive(Debug, Deserialize)]
struct Described {
    config: Value,
    state: State,
}

#[derive(Debug, Deserialize)]
struct State {
    last_seq: u64,
}
