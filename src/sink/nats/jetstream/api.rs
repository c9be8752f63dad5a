//! The calls to the JetStream API.
//!
//! Implemented here, on the link's client: the client's own context waits longer than a link may, and its types
//! would drop settings of a newer server that they do not know when a subject is added.

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

/// The time limit of a call. Below the driver's limit for opening a link, so that the cause is known first.
const PATIENCE: Duration = Duration::from_secs(4);

/// A stream, through one connection.
#[derive(Debug)]
pub(super) struct Api<'a> {
    pub(super) connected: &'a Connected,
    pub(super) stream: &'a str,
}

/// A stream as the server describes it.
#[derive(Debug)]
pub(super) struct Info {
    /// The unparsed settings, as the base of an update.
    pub(super) raw: Value,
    pub(super) config: stream::Config,
    pub(super) last_sequence: u64,
}

/// A stored message.
#[derive(Debug, Deserialize)]
pub(super) struct StoredMessage {
    pub(super) seq: u64,
    #[serde(default)]
    pub(super) subject: String,
    /// The headers on the wire, in Base64.
    #[serde(default)]
    pub(super) hdrs: String,
    /// The payload, in Base64.
    #[serde(default)]
    pub(super) data: String,
}

impl Api<'_> {
    /// Describes the stream. `None` if it does not exist.
    pub(super) async fn info(&self) -> Result<Option<Info>, SinkError> {
        match self.call::<Described>("INFO", &Value::Null).await? {
            Ok(described) => self.described(described).map(Some),
            Err(Fault { err_code: 10059, .. }) => Ok(None),
            Err(fault) => Err(self.error(&fault, "describe")),
        }
    }

    /// Creates the stream.
    pub(super) async fn create(&self, config: &stream::Config) -> Result<Info, SinkError> {
        let config = serde_json::to_value(config).unwrap_or_default();
        match self.call("CREATE", &config).await? {
            Ok(described) => self.described(described),
            Err(fault) => Err(self.error(&fault, "create")),
        }
    }

    /// Changes the settings of the stream.
    pub(super) async fn update(&self, config: &Value) -> Result<Info, SinkError> {
        match self.call("UPDATE", config).await? {
            Ok(described) => self.described(described),
            Err(fault) => Err(self.error(&fault, "add subjects to")),
        }
    }

    /// Reads the newest message whose subject matches `filter`. `None` without one.
    pub(super) async fn last(&self, filter: &str) -> Result<Option<StoredMessage>, SinkError> {
        self.message(&json!({ "last_by_subj": filter })).await
    }

    async fn message(&self, which: &Value) -> Result<Option<StoredMessage>, SinkError> {
        #[derive(Deserialize)]
        struct Found {
            message: StoredMessage,
        }
        match self.call::<Found>("MSG.GET", which).await? {
            Ok(found) => Ok(Some(found.message)),
            // No message found.
            Err(Fault { err_code: 10037, .. }) => Ok(None),
            Err(fault) => Err(self.error(&fault, "read")),
        }
    }

    /// Reads the message with this sequence. `None` if it does not exist.
    pub(super) async fn get(&self, seq: u64) -> Result<Option<StoredMessage>, SinkError> {
        self.message(&json!({ "seq": seq })).await
    }

    /// Lists the streams with a subject that intersects `subject`. Empty if the account may not list streams.
    pub(super) async fn streams_with(&self, subject: &str) -> Result<Vec<PeerText>, SinkError> {
        #[derive(Deserialize)]
        struct Names {
            #[serde(default)]
            streams: Option<Vec<String>>,
        }
        let subject = json!({ "subject": subject });
        let names = self.request::<Names>("STREAM.NAMES", &subject).await?.ok();
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
                format!("{} describes stream {} in an unknown format", self.connected.server, self.stream),
            )
            .because(error)
            .remedy("use a newer cti-bridge")
        })?;
        Ok(Info { raw: config, config: typed, last_sequence: state.last_seq })
    }

    async fn call<T: DeserializeOwned>(
        &self,
        what: &str,
        payload: &Value,
    ) -> Result<Result<T, Fault>, SinkError> {
        self.request(&format!("STREAM.{what}.{}", self.stream), payload).await
    }

    /// Sends a request; `request` is the subject without the API's prefix.
    async fn request<T: DeserializeOwned>(
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
        let silent = || {
            SinkError::again(
                Trouble::Silent,
                format!("{server} is up, but JetStream does not answer: check that its cluster has a leader"),
            )
        };
        let answer = answer.map_err(|_| silent())?.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders if api != "$JS.API" => SinkError::again(
                Trouble::Setup,
                format!(
                    "{server} has no JetStream at {api}: check `domain`, the leaf node's connection to it, and the account's \
                     permissions; after a restart it may take a moment"
                ),
            ),
            RequestErrorKind::NoResponders => SinkError::again(
                Trouble::Setup,
                format!(
                    "{server} has no JetStream: enable it (`jetstream {{}}` in its configuration) and give the account access, \
                     or set `domain` if it is behind a leaf node; after a restart it may take a moment"
                ),
            ),
            RequestErrorKind::TimedOut => silent(),
            _ => events.failed(error),
        })?;
        if let Ok(Failed { error }) = serde_json::from_slice(&answer.payload) {
            return Ok(Err(error));
        }
        serde_json::from_slice(&answer.payload).map(Ok).map_err(|error| {
            SinkError::again(Trouble::Silent, format!("{server} answered {subject} with invalid JSON"))
                .because(error)
                .remedy("check that it is a nats-server")
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
