//! `[sinks.NAME]` with `type = "nats"`.

mod jetstream;
mod table;

use std::{
    hash::{Hash as _, Hasher},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
pub use table::Table;

use super::{JetStream, Nats, overlap};
use crate::{
    net::Address,
    route::{Names, template::Template},
    sink::{
        Bridge, Connecting, Driver, Kind, NoSubscription, Overlap, Probe, ProbeStep, RouteSubject,
        SinkConfig, SinkError, Subscribing, Subscription, Task, config::ContentMode, verify::Held,
    },
    tls::Trust,
};

/// A NATS sink, as it needs it.
#[derive(Debug, Clone)]
pub struct Config {
    /// The servers to try; one at least. `tls://` asks for TLS. User info is set apart in each.
    pub servers: Vec<Address>,
    /// The publishing mode.
    pub mode: Mode,
    /// The mode of a `CloudEvent`.
    pub content_mode: ContentMode,
    /// The credentials; a server's own user info takes precedence.
    pub credentials: Credentials,
    /// Speak TLS with every server; with one that is `tls://` in any case.
    pub require_tls: bool,
    /// TLS before the server's greeting.
    pub tls_first: bool,
    /// The prefix of reply subjects, without a trailing dot.
    pub inbox_prefix: String,
    /// Whom to trust, and who we are.
    pub trust: Trust,
    /// The subject template.
    pub subject: Template,
    /// The subjects of routes.
    pub route_subjects: Vec<RouteSubject>,
    /// The settings of [`Mode::JetStream`].
    pub stream: Stream,
}

impl Config {
    /// Takes over another one's secrets and certificates, for the same servers.
    pub(in crate::sink) fn renew(&mut self, other: &Self) {
        self.credentials = other.credentials.clone();
        self.trust = other.trust.clone();
        let urls =
            |config: &Self| config.servers.iter().map(|server| server.url().clone()).collect::<Vec<_>>();
        if urls(self) == urls(other) {
            self.servers.clone_from(&other.servers);
        }
    }
}

impl SinkConfig for Config {
    fn type_name(&self) -> &'static str {
        "nats"
    }

    fn destination(&self) -> Template {
        self.subject.clone()
    }

    fn with_route_subjects(&self, subjects: &[RouteSubject]) -> Option<Kind> {
        Some(Arc::new(Self { route_subjects: subjects.to_vec(), ..self.clone() }))
    }

    fn address(&self, names: &Names) -> Vec<(&'static str, String)> {
        vec![("subject", String::from_utf8_lossy(&names.destination).into_owned())]
    }

    fn route_problems(&self, bridge: Bridge<'_>) -> Vec<(usize, String)> {
        overlap::of_routes(self, bridge.sources)
    }

    fn run(&self, driver: Driver, bridge: Bridge<'_>) -> Task {
        match self.mode {
            Mode::Core => Box::pin(driver.run(Nats::new(self))),
            Mode::JetStream => Box::pin(driver.run(JetStream::new(self, bridge))),
        }
    }

    // Subjects of this class lie outside any stream of ours: nothing fences them.
    fn replay(&self, driver: Driver, _: Bridge<'_>) -> Task {
        Box::pin(driver.run(Nats::new(self)))
    }

    fn probe<'a>(&'a self, bridge: Bridge<'a>) -> Connecting<'a> {
        Box::pin(async move {
            let (probe, report) = super::Probe::connect(self, bridge).await?;
            Ok((Box::new(probe) as Box<dyn Probe>, report))
        })
    }

    fn probe_steps(&self) -> &'static [ProbeStep] {
        match self.mode {
            Mode::Core => &[ProbeStep::Publish],
            Mode::JetStream => &[ProbeStep::Inspect, ProbeStep::Publish],
        }
    }

    fn read_back<'a>(
        &'a self,
        bridge: Bridge<'a>,
        each: &'a mut (dyn FnMut(&Held) + Send),
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            match self.mode {
                Mode::Core => Err(SinkError::keeps_nothing()),
                Mode::JetStream => JetStream::new(self, bridge).read_back(each).await,
            }
        })
    }

    fn subscribe<'a>(&'a self, bridge: Bridge<'a>) -> Result<Subscribing<'a>, NoSubscription> {
        Ok(Box::pin(async move {
            let subscription = super::Subscription::open(self, bridge.sources).await?;
            Ok(Box::new(subscription) as Box<dyn Subscription>)
        }))
    }

    fn overlap(&self, second: &dyn SinkConfig, bridge: Bridge<'_>) -> Option<Overlap> {
        overlap::find(bridge, self, second.downcast_ref()?)
    }

    fn needs_durable_journal(&self) -> bool {
        self.mode == Mode::JetStream && self.stream.fence
    }

    fn trust(&self) -> Option<&Trust> {
        Some(&self.trust)
    }

    fn reloadable(&self) -> &'static [&'static str] {
        &[
            "username",
            "password",
            "password_file",
            "token",
            "token_file",
            "nkey",
            "nkey_file",
            "credentials_file",
            "ca_file",
            "cert_file",
            "key_file",
            "insecure_skip_verify",
        ]
    }

    fn hash_secrets(&self, mut state: &mut dyn Hasher) {
        match &self.credentials {
            Credentials::None => {}
            Credentials::File(secret) | Credentials::Nkey(secret) | Credentials::Token(secret) => {
                secret.expose_secret().hash(&mut state);
            }
            Credentials::Password { username, password } => {
                (username, password.expose_secret()).hash(&mut state);
            }
        }
        self.servers.iter().for_each(|server| server.with_user_info().hash(&mut state));
    }
}

/// The stream, and how it is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// The name; `None` uses the bridge's instance.
    pub name: Option<String>,
    /// The JetStream domain of the stream; `None` uses that of the server.
    pub domain: Option<String>,
    /// Enables creating the stream, and adding missing subjects.
    pub create: bool,
    /// The maximum age of messages in a new stream; `None` sets no limit.
    pub max_age: Option<Duration>,
    /// The maximum size of a new stream.
    pub max_bytes: i64,
    /// On how many servers a new stream is kept.
    pub replicas: usize,
    /// Each message names the stream sequence that must come before it.
    pub fence: bool,
    /// Each message carries an id for the server's deduplication.
    pub msg_id: bool,
    /// Messages at the end that count as if they were not there, by their sequence in the stream.
    pub ignored: Vec<u64>,
}

/// The publishing mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Core NATS: nothing is acknowledged, so nothing is promised.
    Core,
    /// A stream of our own: everything once, in order.
    JetStream,
}

/// The credentials.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "named after what NATS calls them")]
pub enum Credentials {
    None,
    /// The text of a `.creds` file: a JWT and the seed of its key.
    File(SecretString),
    /// The seed of an nkey.
    Nkey(SecretString),
    Password {
        username: String,
        password: SecretString,
    },
    Token(SecretString),
}
