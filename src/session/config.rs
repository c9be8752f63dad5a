//! `[sources.NAME]`: one PBX and the account that the bridge uses there.

mod secrets;
mod table;

use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
pub use table::Table;
use url::Url;

use crate::{
    auth::Credentials,
    event::OnTakeover,
    net::Address,
    route::privacy::Dialling,
    socket::{Limits, Target},
    tls::Trust,
};

/// One source, validated.
#[derive(Debug, Clone)]
pub struct Config {
    /// The API's base URL, with a trailing slash: `https://pbx.example.org/api/`.
    pub base: Url,
    /// The user name, in lower case and without a domain, as every interface of the PBX expects it.
    pub username: String,
    /// The credentials for the login. The secret of one-time passwords is base32 in upper case, without spaces and padding.
    pub credentials: Credentials,
    /// The file that keeps the token across restarts, if any.
    pub token_cache: Option<PathBuf>,
    /// The client type that the session presents itself as.
    pub ua_type: UaType,
    /// The reaction when another session of the same type takes over.
    pub on_takeover: OnTakeover,
    /// A live session that delivers nothing for this long, although there are queues, is reopened. `None` disables this.
    pub dead_feed_after: Option<Duration>,
    /// Enables reading the PBX's state when a session begins, and on request.
    pub resync: bool,
    /// The interval of further resyncs. `None` disables them.
    pub resync_interval: Option<Duration>,
    /// Enables the comparison of a sample of the events with the catalogue.
    pub detect_drift: bool,
    /// Enables deriving calls; `None` leaves it to `[derive]`.
    pub derive_calls: Option<bool>,
    /// The TLS trust settings.
    pub trust: Trust,
    /// The HTTP proxy to connect through; plain `http`.
    pub proxy: Option<Address>,
    /// Time limit of each step of a connection attempt (TCP, TLS, upgrade, open, namespace) and of each write.
    pub connect_timeout: Duration,
    /// Time limit of one API request, from connecting to the end of the answer.
    pub request_timeout: Duration,
    /// Time limit for the session to be accepted.
    pub login_timeout: Duration,
    /// Enables publishing `actionNethLink`.
    pub publish_action_nethlink: bool,
    /// The largest websocket message, in bytes.
    pub max_frame: usize,
    /// How numbers are dialled at the PBX, so that all forms of a number have one pseudonym.
    pub dialling: Dialling,
}

impl Config {
    /// The websocket's URL: `wss://pbx.example.org/api/ws/`, or `/socket.io/` at the root of the host without the
    /// middleware. The slash at the end is part of the path.
    pub fn websocket(&self) -> Url {
        let mut url = self.base.clone();
        // Both are special schemes, so neither can fail.
        let _ = url.set_scheme(if self.base.scheme() == "https" { "wss" } else { "ws" });
        let path = match self.credentials {
            Credentials::Password { .. } | Credentials::Token(_) => "ws/",
            Credentials::Legacy { .. } => "/socket.io/",
        };
        url.join(path).unwrap_or(url)
    }
}

impl Config {
    /// The target that the session's socket connects to.
    pub fn target(&self) -> Target {
        Target { url: self.websocket(), trust: self.trust.clone(), proxy: self.proxy.clone() }
    }

    /// The time limits of that socket.
    pub fn limits(&self) -> Limits {
        let mut limits = Limits::each(self.connect_timeout);
        limits.socket.max_message = self.max_frame;
        limits
    }
}

/// The login method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// POST /api/login for a JWT, with a one-time password if the account asks for one.
    Jwt,
    /// A persistent token, as created by `cti-bridge token create`; no password.
    Token,
    /// The interface of PBXs that were not upgraded: /webrest and /socket.io.
    Legacy,
}

/// The client type that the session presents itself as. The PBX ends a user's other session of the same type; so
/// anything but `none` can disconnect a person's client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the PBX's own words")]
pub enum UaType {
    None,
    Desktop,
    Mobile,
}

impl UaType {
    /// The PBX's name for it in the login frame. `None` omits the field.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Desktop => Some("desktop"),
            Self::Mobile => Some("mobile"),
        }
    }
}
