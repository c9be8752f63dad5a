//! Connections, for both modes.
//!
//! Each connection is a new client with reconnecting disabled: a client that reconnects resends its buffer without the
//! driver's knowledge, and out of order. Each attempt goes to the next server, so that a server that is down or has lost
//! its disk does not block the others.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_nats::{Client, ConnectOptions};
use parking_lot::Mutex;
use secrecy::ExposeSecret as _;

use super::{
    config::{Config, Credentials},
    events::{Events, violated},
    guard::{Encryption, Guard},
    unreachable::{no_connection, refusal},
};
use crate::{
    health::Trouble,
    net::{Address, UserInfo},
    sink::SinkError,
};

/// The time limit for one server. The driver limits the attempt as a whole.
const CONNECT: Duration = Duration::from_secs(5);
/// The ping interval. A connection that is lost silently while idle is detected within twice this time.
const PING: Duration = Duration::from_secs(5);

/// The age up to which a size limit is valid. An older one is read again before an event is refused.
pub(super) const FRESH: Duration = Duration::from_secs(2);

/// The servers of one cluster, with the credentials.
#[derive(Debug)]
pub(super) struct Servers {
    config: Config,
    /// The number of attempts so far; each tries the next server.
    attempts: AtomicUsize,
    /// By server: the error of its last attempt.
    failures: Mutex<BTreeMap<String, String>>,
}

/// A new connection.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) events: Arc<Events>,
    /// The server's address, for errors.
    pub(super) server: String,
    /// The subject prefix of the JetStream API.
    pub(super) api: String,
}

impl Servers {
    pub(super) fn new(config: &Config) -> Self {
        Self { config: config.clone(), attempts: AtomicUsize::new(0), failures: Mutex::default() }
    }

    /// The configuration of the sink, with its current secrets.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the same servers with the secrets and certificates of another configuration.
    pub(super) fn renewed(&self, other: &Config) -> Self {
        let mut config = self.config.clone();
        config.renew(other);
        let attempts = AtomicUsize::new(self.attempts.load(Ordering::Relaxed));
        Self { config, attempts, failures: Mutex::default() }
    }

    /// Connects to the next server. `allow` completes the sentence "allow the account …". The error covers all servers that failed.
    pub(super) async fn connect(&self, allow: String) -> Result<Connected, SinkError> {
        let server = self
            .next_server()
            .ok_or_else(|| SinkError::operator(Trouble::Setup, "`servers` is empty".to_owned()))?;
        self.connect_to(server, allow).await.map_err(|error| self.failed(&server.to_string(), error))
    }

    /// Records that a server failed. Returns the error with those of the other servers that failed when they were last tried.
    pub(super) fn failed(&self, server: &str, error: SinkError) -> SinkError {
        let own = format!("{error:#}");
        let mut failures = self.failures.lock();
        let mut others: Vec<&str> = failures
            .iter()
            .filter(|(other, text)| *other != server && **text != own)
            .map(|(_, text)| text.as_str())
            .collect();
        others.dedup();
        let others = others.join("; ");
        failures.insert(server.to_owned(), own);
        let error = error.at(server);
        if others.is_empty() { error } else { error.remedy(others) }
    }

    /// Forgets all failures, as a server works.
    pub(super) fn succeeded(&self) {
        self.failures.lock().clear();
    }

    /// Connects to this server. `allow` completes the sentence "allow the account …".
    pub(super) async fn connect_to(&self, server: &Address, allow: String) -> Result<Connected, SinkError> {
        let events = Arc::new(Events::new(server.to_string(), allow));
        let options = self.options(server, &events)?;
        let is_required = self.config.require_tls || server.url().scheme() == "tls";
        let encryption =
            Encryption { is_required, is_first: self.config.tls_first, trust: &self.config.trust };
        let guard = Guard::connect(server, &encryption, Arc::clone(&events.violation), CONNECT).await;
        let Guard { address, from, stop } = guard.map_err(|error| no_connection(server, error))?;
        let _ = events.guard.set(stop);
        let connected = options.local_address(from).connect(address).await;
        let client = connected.map_err(|error| match events.violation.get() {
            Some(violation) => violated(&server.to_string(), violation),
            None => refusal(server, error),
        })?;
        // Disables reconnecting: nothing listens on the only address left.
        client.set_server_pool("nats://127.0.0.1:1").await.map_err(|error| {
            SinkError::again(Trouble::Unreachable, format!("{server} closed the connection immediately"))
                .because(error)
        })?;
        let api = api(self.config.stream.domain.as_deref());
        Ok(Connected { client, events, server: server.to_string(), api })
    }

    /// Reads the largest message that a server accepts now, in bytes. A server announces a changed limit only to new connections.
    pub(super) async fn max_payload(&self, connected: &Connected) -> Result<usize, SinkError> {
        let Connected { client, server, .. } = connected;
        let Some(address) = self.config.servers.iter().find(|known| known.to_string() == *server) else {
            return Ok(client.max_payload());
        };
        let fresh = self.connect_to(address, "to connect".to_owned()).await?;
        let limit = fresh.client.max_payload();
        if limit > client.max_payload() {
            return Err(SinkError::again(
                Trouble::Setup,
                format!("{server} now accepts larger messages (max_payload is {limit}): reconnecting"),
            ));
        }
        Ok(limit)
    }

    fn options(&self, server: &Address, events: &Arc<Events>) -> Result<ConnectOptions, SinkError> {
        let events = Arc::clone(events);
        let options = ConnectOptions::new()
            .name("cti-bridge")
            .custom_inbox_prefix(&self.config.inbox_prefix)
            .max_reconnects(1)
            .ignore_discovered_servers()
            .connection_timeout(CONNECT)
            .ping_interval(PING)
            .client_capacity(16 * 1024)
            // Subjects are built from escaped tokens and checked templates.
            .skip_subject_validation(true)
            .event_callback(move |event| {
                events.record(&event);
                std::future::ready(())
            });
        Ok(match &self.config.credentials {
            // The credentials of the URL. Passed separately, as the client would show those of an address in its errors.
            Credentials::None => match server.user_info() {
                None => options,
                Some(UserInfo { username, password: Some(password) }) => options.user_and_password(
                    username.expose_secret().to_owned(),
                    password.expose_secret().to_owned(),
                ),
                Some(UserInfo { username: token, password: None }) => {
                    options.token(token.expose_secret().to_owned())
                }
            },
            Credentials::File(text) => options.credentials(text.expose_secret()).map_err(|_| {
                SinkError::operator(
                    Trouble::Credentials,
                    "`credentials_file` is not a NATS credentials file: create one with `nsc generate creds`"
                        .to_owned(),
                )
            })?,
            Credentials::Nkey(seed) => options.nkey(seed.expose_secret().to_owned()),
            Credentials::Password { username, password } => {
                options.user_and_password(username.clone(), password.expose_secret().to_owned())
            }
            Credentials::Token(token) => options.token(token.expose_secret().to_owned()),
        })
    }

    fn next_server(&self) -> Option<&Address> {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        self.config.servers.get(attempt % self.config.servers.len().max(1))
    }
}

/// Returns the subject prefix of the JetStream API in this domain.
pub(super) fn api(domain: Option<&str>) -> String {
    domain.map_or_else(|| "$JS.API".to_owned(), |domain| format!("$JS.{domain}.API"))
}
