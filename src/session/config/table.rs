//! The table as it appears in the file, and its validation.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{
    Config, Method, UaType,
    secrets::{Secrets, cacheable},
};
use crate::event::OnTakeover;
use crate::{
    config::{Interval, Secret, Section, Size, Span},
    net::Address,
    route::privacy::Dialling,
};

/// A PBX, and the account that the bridge uses there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a key of its own")]
#[schemars(extend("required" = ["url", "username"]))] // as the default serves all other keys, the derive can't tell
pub struct Table {
    /// The PBX: `https://host`. The API's path `/api` (`/webrest` with `auth = "legacy"`) is added unless the URL has one.
    url: Option<Address>,
    /// The account's user name, without a domain; not an extension's number.
    username: Option<String>,
    /// The account's password. Prefer `password_file`.
    password: Option<Secret>,
    /// A file with the password: an absolute path, a name in `$CREDENTIALS_DIRECTORY`, or a path relative to this file.
    password_file: Option<String>,
    /// The secret of the account's one-time passwords (2FA), in base32. Prefer `totp_secret_file`.
    totp_secret: Option<Secret>,
    /// A file with it.
    totp_secret_file: Option<String>,
    /// A persistent token, for `auth = "token"`. Prefer `token_file`.
    token: Option<Secret>,
    /// A file with it.
    token_file: Option<String>,
    /// The login method: "jwt" with a password, "token" with a persistent token and no password, "legacy" for a PBX that was
    /// not upgraded.
    auth: Method,
    /// A file that keeps the login's token across restarts, so that they leave no unused tokens on the PBX; for
    /// `auth = "jwt"`. The bridge then does not log out when it stops.
    token_cache: Option<String>,
    /// The client type that the session presents itself as. The PBX allows one session of each type per user: anything
    /// but "none" ends the session of a person who uses the same account.
    ua_type: UaType,
    /// The reaction when another session of the same type takes over.
    on_takeover: OnTakeover,
    /// A live session that delivers no event for this long, although there are queues (each reports once a minute),
    /// raises a warning and is reopened; or "off".
    dead_feed_after: Interval,
    /// Read the PBX's state when a session begins, on SIGUSR1 and every `resync_interval`, and publish it as the
    /// corresponding events.
    resync: bool,
    /// The interval at which the state is read during a session, as events can be lost on an intact session; or "off".
    resync_interval: Interval,
    /// Compare a sample of the events with the event catalogue, and publish each difference as a `drift` event.
    detect_drift: bool,
    /// Derive calls from this PBX's events. If unset, as in `[derive]`.
    derive_calls: Option<bool>,
    /// Certificate authorities (PEM), in addition to those of the operating system.
    ca_file: Option<String>,
    /// Accept any certificate. For tests only.
    insecure_skip_verify: bool,
    /// Allow `http://` to another machine. Password and call data can then be read on the network.
    allow_plaintext: bool,
    /// The HTTP proxy to connect through: `http://[user:password@]host:port`.
    proxy: Option<Address>,
    /// Time limit of each step of a connection attempt (TCP, TLS, upgrade, handshake) and of each write.
    connect_timeout: Span,
    /// Time limit of one API request. A slow login can take the PBX more than 30 s.
    request_timeout: Span,
    /// Time limit for the session to be accepted. The PBX itself waits 8 s during a takeover.
    login_timeout: Span,
    /// Publish `actionNethLink` too. It can carry the admin password of a telephone.
    publish_action_nethlink: bool,
    /// The country code of the PBX's numbers, without `+`: "39". Gives a number the same pseudonym in its national and international
    /// forms; without it, each form has its own.
    country_code: Option<String>,
    /// The digits dialled for a line to the outside, such as "0": not part of the number.
    outside_prefix: Option<String>,
    /// The digits before a national number that its international form lacks, such as "0" in Germany. Italy has none.
    trunk_prefix: Option<String>,
    /// The largest message the PBX may send; a larger one ends the session. Also the largest answer of its API.
    max_frame: Size,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            url: None,
            username: None,
            password: None,
            password_file: None,
            totp_secret: None,
            totp_secret_file: None,
            token: None,
            token_file: None,
            auth: Method::Jwt,
            token_cache: None,
            ua_type: UaType::None,
            on_takeover: OnTakeover::StandBy,
            dead_feed_after: Interval(Some(DEAD_FEED)),
            resync: true,
            resync_interval: Interval(Some(RESYNC)),
            detect_drift: true,
            derive_calls: None,
            ca_file: None,
            insecure_skip_verify: false,
            allow_plaintext: false,
            proxy: None,
            connect_timeout: Span::seconds(10),
            request_timeout: Span::seconds(40),
            login_timeout: Span::seconds(15),
            publish_action_nethlink: false,
            country_code: None,
            outside_prefix: None,
            trunk_prefix: None,
            max_frame: Size(64 << 20),
        }
    }
}

/// The time after which a socket.io server takes over an older session of the same type.
const TAKE_OVER: Duration = Duration::from_secs(8);
const RESYNC: Duration = Duration::from_hours(1);
/// Each resync reads some hundred KiB, which the PBX must gather.
const LEAST_RESYNC: Duration = Duration::from_mins(1);
const DEAD_FEED: Duration = Duration::from_mins(3);
/// Tolerates one late update of a queue.
const LEAST_SILENCE: Duration = Duration::from_mins(2);
/// A snapshot of a large PBX is a few hundred KiB.
const LEAST_FRAME: usize = 1 << 20;

impl Table {
    /// Checks what the schema can't, and reads the secrets. Returns `None` if it has reported a problem.
    pub(crate) fn validate(self, section: &mut Section<'_>) -> Option<Config> {
        let base = self.url.and_then(|url| base(&url, self.auth, self.allow_plaintext, section));
        let username = self.username.and_then(|name| username(&name, section));
        let secrets = Secrets {
            method: self.auth,
            password: (self.password, self.password_file),
            totp_secret: (self.totp_secret, self.totp_secret_file),
            token: (self.token, self.token_file),
        };
        let credentials = secrets.validate(username.as_deref(), section);
        let token_cache = self.token_cache.filter(|_| cacheable(self.auth, section));
        if let Some(proxy) = &self.proxy
            && (proxy.url().scheme() != "http" || !is_root(proxy.url()))
        {
            section.problem("proxy", "must be an HTTP proxy: write http://host:port");
        }
        if self.login_timeout.0 <= TAKE_OVER && self.ua_type != UaType::None {
            section
                .warn("login_timeout", "the PBX waits 8 s when it takes over a session: write 15s or more");
        }
        if self.dead_feed_after.0.is_some_and(|after| after < LEAST_SILENCE) {
            section.warn("dead_feed_after", "every queue reports once a minute: write 2m or more");
        }
        if self.resync_interval.0.is_some_and(|every| every < LEAST_RESYNC) {
            section.warn("resync_interval", "each time costs the PBX some work: write 1m or more");
        }
        if self.max_frame.0 < LEAST_FRAME {
            section
                .problem("max_frame", "is less than one snapshot of a large PBX needs: write 1MiB or more");
        }
        let trust = section.trust(self.ca_file, (None, None), self.insecure_skip_verify);
        let dialling = dialling([self.country_code, self.outside_prefix, self.trunk_prefix], section);
        Some(Config {
            base: base?,
            username: username?,
            credentials: credentials?,
            token_cache: token_cache.map(|name| section.path(&name)),
            ua_type: self.ua_type,
            on_takeover: self.on_takeover,
            dead_feed_after: self.dead_feed_after.0,
            resync: self.resync,
            resync_interval: self.resync_interval.0,
            detect_drift: self.detect_drift,
            derive_calls: self.derive_calls,
            trust,
            proxy: self.proxy,
            connect_timeout: self.connect_timeout.0,
            request_timeout: self.request_timeout.0,
            login_timeout: self.login_timeout.0,
            publish_action_nethlink: self.publish_action_nethlink,
            max_frame: self.max_frame.0,
            dialling,
        })
    }
}

fn dialling(prefixes: [Option<String>; 3], section: &mut Section<'_>) -> Dialling {
    let keys = ["country_code", "outside_prefix", "trunk_prefix"];
    let mut checked = keys.into_iter().zip(prefixes).map(|(key, digits)| {
        let digits = digits.unwrap_or_default();
        if digits.len() > 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            section.problem(
                key,
                "is not a prefix of a number: write up to four digits, such as \"39\" or \"0\"",
            );
        }
        digits
    });
    let mut next = || checked.next().unwrap_or_default();
    let (country_code, outside_prefix, trunk_prefix) = (next(), next(), next());
    if country_code.is_empty() && !(outside_prefix.is_empty() && trunk_prefix.is_empty()) {
        section.warn(
            "country_code",
            "is not set, so the prefixes have no effect: write the country code, such as \"39\"",
        );
    }
    Dialling { country_code, outside_prefix, trunk_prefix }
}

fn is_root(url: &Url) -> bool {
    matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none()
}

fn base(address: &Address, method: Method, allow_plaintext: bool, section: &mut Section<'_>) -> Option<Url> {
    let mut url = address.url().clone();
    let user_info = address.user_info().map(|_| "holds user info: use `username` and `password_file`");
    let rest = (url.query().is_some() || url.fragment().is_some()).then_some(
        "has a query or fragment: write https://host, or https://host/path if the API is elsewhere",
    );
    let scheme = match url.scheme() {
        "https" => None,
        "http" if allow_plaintext || address.is_loopback() => None,
        "http" => Some(
            "would send the password in the clear: write https://, or set `allow_plaintext = true` if the network path is safe",
        ),
        _ => Some("must begin with https://"),
    };
    let wrong: Vec<_> = [user_info, rest, scheme].into_iter().flatten().collect();
    for text in &wrong {
        section.problem("url", *text);
    }
    if !wrong.is_empty() {
        return None;
    }
    let path = match url.path().trim_end_matches('/') {
        "" if method == Method::Legacy => "/webrest/".to_owned(),
        "" => "/api/".to_owned(),
        path => format!("{path}/"),
    };
    url.set_path(&path);
    Some(url)
}

/// The middleware keeps sessions under the name as it was typed, while the server behind it lower-cases
/// names and strips domains: with any other spelling the login succeeds and the session is dead.
fn username(name: &str, section: &mut Section<'_>) -> Option<String> {
    let name = name.trim();
    let wrong = if name.is_empty() {
        "is empty: write the user's name"
    } else if name.contains('@') {
        "holds an @: write the user's name without its domain (the PBX accepts the login, but the session is dead)"
    } else if name.chars().any(char::is_control) {
        "holds a control character: write it again"
    } else {
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            section.warn(
                "username",
                "looks like an extension's number: a session opened with one is dead, write the user's name",
            );
        }
        return Some(name.to_lowercase());
    };
    section.problem("username", wrong);
    None
}
