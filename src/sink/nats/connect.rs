//! Connecting, alike in every mode.
//!
//! Each connection is a fresh client whose own reconnecting is off: it would resend what it buffered, behind the
//! driver's back, and out of order. The next attempt goes to the next server, so that one that is down or has lost
//! its disk does not hold up the others.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_nats::{Client, ConnectErrorKind, ConnectOptions};
use parking_lot::Mutex;
use secrecy::ExposeSecret as _;

use super::{
    config::{Config, Credentials},
    events::{Events, violated},
    guard::{Encryption, Guard, GuardError},
};
use crate::{
    health::Trouble,
    net::{Address, UserInfo},
    sink::SinkError,
    text::PeerText,
};

/// Time for one server to answer; the driver's deadline bounds the whole.
const CONNECT: Duration = Duration::from_secs(5);
/// How soon a connection that died without a word is noticed when nothing is in flight: twice this.
const PING: Duration = Duration::from_secs(5);

/// A limit that was read within this time decides at once; an older one is read again before an event is refused.
pub(super) const FRESH: Duration = Duration::from_secs(2);

/// The servers of one cluster, and how to log in there.
#[derive(Debug)]
pub(super) struct Servers {
    config: Config,
    /// Counts the attempts, so that each tries the next server.
    attempts: AtomicUsize,
    /// By server, why it was of no use when it was tried last.
    failures: Mutex<BTreeMap<String, String>>,
}

/// One connection that has just been made.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) events: Arc<Events>,
    /// What errors call the server.
    pub(super) server: String,
    /// What the subjects of the JetStream API begin with.
    pub(super) api: String,
}

impl Servers {
    pub(super) fn new(config: &Config) -> Self {
        Self { config: config.clone(), attempts: AtomicUsize::new(0), failures: Mutex::default() }
    }

    /// The same servers, with another configuration's secrets and certificates.
    pub(super) fn renewed(&self, other: &Config) -> Self {
        let mut config = self.config.clone();
        config.renew(other);
        let attempts = AtomicUsize::new(self.attempts.load(Ordering::Relaxed));
        Self { config, attempts, failures: Mutex::default() }
    }

    /// Connects to the next server. `allow` ends the sentence on a permission that is missing. An error names all servers
    /// that are of no use.
    pub(super) async fn connect(&self, allow: String) -> Result<Connected, SinkError> {
        let server = self
            .next_server()
            .ok_or_else(|| SinkError::operator(Trouble::Setup, "`servers` is empty".to_owned()))?;
        self.connect_to(server, allow).await.map_err(|error| self.failed(&server.to_string(), error))
    }

    /// Notes that a server is of no use now; the error then names the others, too, that were of none when they were tried last.
    pub(super) fn failed(&self, server: &str, error: SinkError) -> SinkError {
        let mut failures = self.failures.lock();
        failures.insert(server.to_owned(), error.to_string());
        let mut sentences: Vec<&str> = failures.values().map(String::as_str).collect();
        sentences.dedup();
        let sentence = sentences.join("; ");
        error.at(server, sentence)
    }

    /// A server is of use: all is forgotten.
    pub(super) fn succeeded(&self) {
        self.failures.lock().clear();
    }

    /// Connects to this one.
    pub(super) async fn connect_to(&self, server: &Address, allow: String) -> Result<Connected, SinkError> {
        let events = Arc::new(Events::new(server.to_string(), allow));
        let options = self.options(server, &events)?;
        let is_required = self.config.require_tls || server.url().scheme() == "tls";
        let encryption =
            Encryption { is_required, is_first: self.config.tls_first, trust: &self.config.trust };
        let guard = Guard::connect(server, &encryption, Arc::clone(&events.violation), CONNECT).await;
        let Guard { address, from, kept } = guard.map_err(|error| no_connection(server, error))?;
        let _ = events.guard.set(kept);
        let connected = options.local_address(from).connect(address).await;
        let client = connected.map_err(|error| match events.violation.get() {
            Some(violation) => violated(&server.to_string(), violation),
            None => refusal(server, &error),
        })?;
        // A lost connection stays lost: there is nothing at the only address left.
        if client.set_server_pool("nats://127.0.0.1:1").await.is_err() {
            return Err(SinkError::again(
                Trouble::Unreachable,
                format!("{server} closed the connection at once"),
            ));
        }
        let api = api(self.config.stream.domain.as_deref());
        Ok(Connected { client, events, server: server.to_string(), api })
    }

    /// The largest message that a server takes now. It tells that to a new connection only, though it may have been
    /// configured again meanwhile.
    pub(super) async fn max_payload(&self, connected: &Connected) -> Result<usize, SinkError> {
        let Connected { client, server, .. } = connected;
        let Some(address) = self.config.servers.iter().find(|known| known.to_string() == *server) else {
            return Ok(client.max_payload());
        };
        let asked = self.connect_to(address, "to connect".to_owned()).await?;
        let limit = asked.client.max_payload();
        if limit > client.max_payload() {
            return Err(SinkError::again(
                Trouble::Setup,
                format!("{server} takes larger messages now (max_payload is {limit}): connecting again"),
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
                events.note(&event);
                std::future::ready(())
            });
        Ok(match &self.config.credentials {
            // What stands in the URL. The client would take it from an address that it parsed itself, and show it in errors.
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
                    "`credentials_file` is not a NATS credentials file: make one with `nsc generate creds`"
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

/// What the subjects of the JetStream API begin with, in this domain.
pub(super) fn api(domain: Option<&str>) -> String {
    domain.map_or_else(|| "$JS.API".to_owned(), |domain| format!("$JS.{domain}.API"))
}

/// Why a server can't be reached, with the remedy.
fn no_connection(server: &Address, error: GuardError) -> SinkError {
    match error {
        GuardError::Trust(error) => SinkError::operator(Trouble::Tls, error.to_string()),
        GuardError::Tls(fault) => SinkError::operator(Trouble::Tls, format!("no TLS with {server}: {fault}")),
        GuardError::Name => SinkError::again(
            Trouble::Unreachable,
            format!("the name in {server} does not resolve: check `servers` and the DNS"),
        ),
        GuardError::TimedOut => SinkError::again(
            Trouble::Unreachable,
            format!("{server} does not answer: check that it is running and reachable"),
        ),
        GuardError::Violation(violation) => violated(&server.to_string(), &violation),
        GuardError::Io(error) if error.kind() == ErrorKind::UnexpectedEof => SinkError::again(
            Trouble::Unreachable,
            format!(
                "{server} closed the connection without a greeting: check that it is a NATS server; if it begins with TLS (`handshake_first`), set \
                 `tls_first = true`"
            ),
        ),
        error @ (GuardError::Io(_) | GuardError::NoInfo) => SinkError::again(
            Trouble::Unreachable,
            format!("can't connect to {server} ({error}): check that it is running and reachable"),
        ),
    }
}

fn refusal(server: &Address, error: &async_nats::ConnectError) -> SinkError {
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => SinkError::operator(
            Trouble::Credentials,
            format!(
                "{server} refuses the credentials: check `username` and `password_file`, `token_file`, `nkey_file` or `credentials_file`"
            ),
        ),
        ConnectErrorKind::TimedOut => SinkError::again(
            Trouble::Unreachable,
            format!("{server} does not answer: check that it is running and reachable"),
        ),
        _ => SinkError::again(
            Trouble::Unreachable,
            format!("can't connect to {server} ({}): check that it is running and reachable", cause(error)),
        ),
    }
}

/// The innermost cause: the outer ones only say that connecting failed.
fn cause(error: &async_nats::ConnectError) -> PeerText {
    let error: &(dyn std::error::Error + 'static) = error;
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map(|cause| PeerText::new(&cause.to_string())).unwrap_or_default()
}
