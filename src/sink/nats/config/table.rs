//! The table as it is written, and what makes it right.

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Position;

use super::{Config, Credentials, Mode, Stream, jetstream};
use crate::{
    config::{Age, Secret, Section, Size},
    net::Address,
    route::template::Template,
    sink::{
        SinkTable,
        config::{Adopted, Config as SinkConfig, ContentMode, adopt},
    },
    tls::Trust,
};

/// A NATS server or cluster.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools, reason = "a table of switches, as the operator writes it")]
pub struct Table {
    /// The servers of one cluster: `nats://host:4222`, or `tls://host:4222` for TLS.
    #[schemars(length(min = 1))]
    servers: Vec<Address>,
    /// "core": core NATS, best effort. "jetstream": a stream, every event exactly once and in order.
    pub(super) mode: Mode,
    /// The subject of each message. `{source}`, `{class}`, `{slug}` and `{entity}` are filled in.
    pub(super) subject: String,
    /// JetStream: the name of the stream; defaults to the bridge's `instance`.
    pub(super) stream: Option<String>,
    /// JetStream: the domain of the stream, if the server reaches it through a leaf node.
    pub(super) domain: Option<String>,
    /// JetStream: create the stream if it does not exist, and add missing subjects.
    pub(super) create_stream: bool,
    /// JetStream: the maximum age of messages in a created stream, or "off".
    pub(super) stream_max_age: Age,
    /// JetStream: the maximum size of a created stream; beyond it, the oldest messages are discarded.
    pub(super) stream_max_bytes: Size,
    /// JetStream: the number of replicas of a created stream.
    #[schemars(range(min = 1, max = 5))]
    pub(super) stream_replicas: i64,
    /// JetStream: let the server reject duplicates and messages out of order. Disable only if others also write to the stream.
    pub(super) fence: bool,
    /// JetStream: send `Nats-Msg-Id`, for a stream without `fence`.
    pub(super) msg_id: bool,
    /// JetStream: continue in a stream that another journal wrote, or after a foreign message: as the error names it.
    pub(super) adopt: Option<String>,
    /// "binary": `CloudEvents` attributes in headers. "structured": one JSON object.
    content_mode: ContentMode,
    /// Log in with a credentials file, as written by `nsc generate creds`.
    credentials_file: Option<String>,
    /// Log in with an nkey: its seed. Prefer `nkey_file`.
    nkey: Option<Secret>,
    /// A file with the seed.
    nkey_file: Option<String>,
    /// Log in with user and password.
    username: Option<String>,
    /// The password. Prefer `password_file`.
    password: Option<Secret>,
    /// A file with the password.
    password_file: Option<String>,
    /// Log in with a token. Prefer `token_file`.
    token: Option<Secret>,
    /// A file with the token.
    token_file: Option<String>,
    /// Use TLS with every server, also with `nats://`.
    require_tls: bool,
    /// Start TLS before the server's greeting, for servers with `handshake_first`. Implies `require_tls`.
    tls_first: bool,
    /// The prefix of reply subjects, for an account that may not subscribe to _INBOX.>.
    inbox_prefix: String,
    /// Allow an unencrypted connection to another machine. Credentials and call data can then be read on the network.
    allow_plaintext: bool,
    /// Certificate authorities (PEM), in addition to those of the operating system.
    ca_file: Option<String>,
    /// The client certificate chain (PEM), for servers that require one.
    cert_file: Option<String>,
    /// Its private key (PEM).
    key_file: Option<String>,
    /// Accept any certificate. For tests only.
    insecure_skip_verify: bool,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            servers: "nats://127.0.0.1:4222".parse().into_iter().collect(),
            mode: Mode::Core,
            subject: "cti.v1.{source}.{class}.{slug}.{entity}".to_owned(),
            stream: None,
            domain: None,
            create_stream: true,
            stream_max_age: Age::days(7),
            stream_max_bytes: Size(1 << 30),
            stream_replicas: 1,
            fence: true,
            msg_id: false,
            adopt: None,
            content_mode: ContentMode::Binary,
            credentials_file: None,
            nkey: None,
            nkey_file: None,
            username: None,
            password: None,
            password_file: None,
            token: None,
            token_file: None,
            require_tls: false,
            tls_first: false,
            inbox_prefix: "_INBOX".to_owned(),
            allow_plaintext: false,
            ca_file: None,
            cert_file: None,
            key_file: None,
            insecure_skip_verify: false,
        }
    }
}

impl SinkTable for Table {
    fn validate(mut self, section: &mut Section<'_>) -> Option<SinkConfig> {
        self.require_tls |= self.tls_first;
        check_servers(&self, section);
        if !is_subject(&self.inbox_prefix) {
            section.problem(
                "inbox_prefix",
                "is not a subject: write tokens with dots between, as \"_INBOX_bridge\", without wildcards",
            );
        }
        let subject =
            self.subject.parse::<Template>().map_err(|error| section.problem("subject", error.to_string()));
        let Adopted { journal: adopt, ignored } = adopt(self.adopt.as_deref(), section);
        let stream = jetstream::stream(&self, subject.as_ref().ok(), section);
        let stream = Stream { ignored, ..stream };
        let credentials = self.credentials(section);
        let identity = (self.cert_file, self.key_file);
        let trust = section.trust(self.ca_file, identity, self.insecure_skip_verify);
        let tls = self.require_tls || self.servers.iter().any(|server| server.url().scheme() == "tls");
        if !tls && trust != Trust::default() {
            section.warn("require_tls", "TLS files are set, but TLS is used only if the server asks for it: write tls:// or set `require_tls = true`");
        }
        let config = Config {
            servers: self.servers,
            mode: self.mode,
            content_mode: self.content_mode,
            credentials: credentials?,
            require_tls: self.require_tls,
            tls_first: self.tls_first,
            inbox_prefix: self.inbox_prefix,
            trust,
            subject: subject.ok()?,
            route_subjects: Vec::new(),
            stream,
        };
        Some(SinkConfig::new(adopt, config))
    }
}

impl Table {
    /// The configured login method. Returns `None` if it has reported a problem.
    fn credentials(&mut self, section: &mut Section<'_>) -> Option<Credentials> {
        let nkey_key = if self.nkey_file.is_some() { "nkey_file" } else { "nkey" };
        // All files are read, also after a problem: what is wrong with them is said at once.
        let file =
            self.credentials_file.take().map(|name| Given(section.secret_file("credentials_file", &name)));
        let nkey = given(section, "nkey", self.nkey.take(), self.nkey_file.take());
        let token = given(section, "token", self.token.take(), self.token_file.take());
        let password = given(section, "password", self.password.take(), self.password_file.take());
        let username = self.username.take();
        let set: Vec<&str> = [
            ("credentials_file", file.is_some()),
            ("nkey", nkey.is_some()),
            ("username", username.is_some() || password.is_some()),
            ("token", token.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, is_set)| is_set.then_some(key))
        .collect();
        if let [_, second, ..] = set.as_slice() {
            section
                .problem(second, format!("there are several ways to log in ({}): keep one", set.join(", ")));
        }
        match (username, password) {
            (Some(username), Some(Given(password))) => {
                return Some(Credentials::Password { username, password: password? });
            }
            (Some(_), None) => {
                section.problem("username", "has no password: set `password_file` (or `password`)");
                return None;
            }
            (None, Some(_)) => {
                section.problem("password", "has no user: set `username`");
                return None;
            }
            (None, None) => {}
        }
        match (file, nkey, token) {
            (Some(Given(file)), ..) => {
                file.inspect(|file| check_credentials_file(file, section)).map(Credentials::File)
            }
            (None, Some(Given(seed)), _) => {
                seed.inspect(|seed| check_seed(seed, nkey_key, section)).map(Credentials::Nkey)
            }
            (None, None, Some(Given(token))) => token.map(Credentials::Token),
            (None, None, None) => Some(Credentials::None),
        }
    }
}

/// A configured secret. Returns `None` if it can't be read, which is reported as a problem.
struct Given(Option<SecretString>);

/// The secret from a key or its file, if one of them is set.
fn given(section: &mut Section<'_>, key: &str, value: Option<Secret>, file: Option<String>) -> Option<Given> {
    let is_set = value.is_some() || file.is_some();
    let secret = section.secret(key, value, file);
    is_set.then_some(Given(secret))
}

/// Returns true for a subject without wildcards, made of complete tokens.
fn is_subject(text: &str) -> bool {
    let is_legal = |ch: char| ch.is_ascii_graphic() && !matches!(ch, '*' | '>');
    text.split('.').all(|token| !token.is_empty() && token.chars().all(is_legal))
}

fn check_servers(table: &Table, section: &mut Section<'_>) {
    if table.servers.is_empty() {
        section.problem("servers", "is empty: write [\"nats://host:4222\"]");
    }
    for server in &table.servers {
        let (url, clear) = (server.url(), server.url().scheme() == "nats");
        let name = &url[..Position::BeforePath];
        if !clear && url.scheme() != "tls" {
            section.problem("servers", format!("{name} must begin with nats:// or tls://"));
        } else if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            section.problem("servers", format!("{name} has a path: write nats://host:4222"));
        } else if clear && !table.require_tls && !table.allow_plaintext && !server.is_loopback() {
            section.problem(
                "servers",
                format!(
                    "{name} would be spoken to in the clear: write tls://, or set `require_tls = true`, \
                     or `allow_plaintext = true` if the network path is safe"
                ),
            );
        }
    }
}

/// Checks a seed, as the client would only report that a server refused it.
fn check_credentials_file(text: &SecretString, section: &mut Section<'_>) {
    let holds = |part: &str| text.expose_secret().contains(part);
    if !holds("BEGIN NATS USER JWT") || !holds("BEGIN USER NKEY SEED") {
        let remedy = "give the file that `nsc generate creds` writes";
        section.problem("credentials_file", format!("holds no user JWT with the seed of its key: {remedy}"));
    }
}

/// A user's seed is `SU` and 56 more characters of base32.
fn check_seed(seed: &SecretString, key: &str, section: &mut Section<'_>) {
    let seed = seed.expose_secret().as_bytes();
    let base32 = |byte: &u8| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(byte);
    if seed.len() != 58 || !seed.starts_with(b"SU") || !seed.iter().all(base32) {
        section.problem(
            key,
            "is not a user's seed: write the line that begins with SU (not the public key, U…)",
        );
    }
}
