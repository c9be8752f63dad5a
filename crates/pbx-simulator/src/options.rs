//! The options of a simulated PBX.

use std::{fs, io, net::SocketAddr, path::Path, time::Duration};

use secrecy::SecretString;

use super::{knobs::Knobs, profile::Profile, replay::Replay};

/// The options of a [`super::Simulator`].
#[derive(Debug)]
pub struct Options {
    /// The address to listen on; port 0 selects a free one.
    pub listen: SocketAddr,
    /// The accounts.
    pub accounts: Vec<Account>,
    /// Serve TLS instead of plain HTTP.
    pub tls: Option<Tls>,
    /// The seed of the random generator; equal seeds produce equal events.
    pub seed: u64,
    /// The source of generated events.
    pub source: Source,
    /// The initial faults.
    pub knobs: Knobs,
}

impl Options {
    /// A free port of loopback, one user, no events, no faults.
    pub fn quiet(account: Account) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            accounts: vec![account],
            tls: None,
            seed: 1,
            source: Source::Silence,
            knobs: Knobs::default(),
        }
    }
}

/// The source of events, in addition to those that a test emits.
#[derive(Debug)]
pub enum Source {
    /// Nowhere.
    Silence,
    /// The telephone calls of a small office.
    Calls(Flow),
    /// Recorded traffic.
    Replay(Replay),
}

/// The pace and size of [`Source::Calls`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flow {
    /// Events per second, on average over some minutes of the office's life.
    pub rate: f64,
    /// Pad the object of every event to this many bytes of JSON; shorter ones only.
    pub payload_bytes: Option<usize>,
}

impl Default for Flow {
    fn default() -> Self {
        Self { rate: 5.0, payload_bytes: None }
    }
}

/// One user who may log in.
#[derive(Debug, Clone)]
pub struct Account {
    /// Lower case, without a domain, as the backend keeps it.
    pub username: String,
    /// The password.
    pub password: SecretString,
    /// Base32 seed of one-time passwords. Two-factor authentication is on if there is one.
    pub totp_secret: Option<SecretString>,
    /// The user's main extension; decides on the notifications of his own calls.
    pub extension: Option<String>,
    /// The account's permissions.
    pub profile: Profile,
}

impl Account {
    /// An account that sees everything, without two-factor authentication or an extension.
    pub fn new(username: &str, password: &str) -> Self {
        Self {
            username: username.to_owned(),
            password: password.into(),
            totp_secret: None,
            extension: None,
            profile: Profile::default(),
        }
    }

    /// With two-factor authentication; `secret` is base32, 16 characters or more.
    #[must_use]
    pub fn with_totp(mut self, secret: &str) -> Self {
        self.totp_secret = Some(secret.into());
        self
    }
}

/// The server's certificate chain and private key, both PEM.
#[derive(Debug, Clone)]
pub struct Tls {
    /// PEM text of the chain, the server's own certificate first.
    pub certificates: String,
    /// PEM text of the key.
    pub key: SecretString,
}

impl Tls {
    /// Reads both from files. The error names the file.
    pub fn read(certificates: &Path, key: &Path) -> io::Result<Self> {
        let read = |path: &Path| {
            let named = |error: io::Error| {
                io::Error::new(error.kind(), format!("can't read {}: {error}", path.display()))
            };
            fs::read_to_string(path).map_err(named)
        };
        Ok(Self { certificates: read(certificates)?, key: read(key)?.into() })
    }
}

/// The real server's times, which knobs may shorten.
pub(super) mod times {
    use super::Duration;

    pub(in super::super) const PING_INTERVAL: Duration = Duration::from_secs(25);
    /// 2 h 47 min: a client that takes it for a dead-peer timer notices nothing for that long.
    pub(in super::super) const PING_TIMEOUT: Duration = Duration::from_secs(10_000);
    /// The backend closes a transport that joined no namespace in this time.
    pub(in super::super) const JOIN_WAIT: Duration = Duration::from_secs(45);
    /// How long a new login waits for the old session of the same kind of client.
    pub(in super::super) const TAKEOVER_WAIT: Duration = Duration::from_secs(8);
    pub(in super::super) const TOKEN_LIFETIME: Duration = Duration::from_hours(14 * 24);
}
