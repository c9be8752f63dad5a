//! `[sources.NAME]`: one PBX and the account that listens to it.

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
    socket::{Limits, Target},
    tls::Trust,
};

/// One source, as the rest of the program needs it.
#[derive(Debug, Clone)]
pub struct Config {
    /// The API's base, with a slash at its end: `https://pbx.example.org/api/`.
    pub base: Url,
    /// In lower case and without a domain, as the PBX wants it in every place.
    pub username: String,
    /// How to log in, and with what. The secret of one-time passwords is base32 in upper case, without spaces and padding.
    pub credentials: Credentials,
    /// The file in which the token outlives the process, if it does.
    pub token_cache: Option<PathBuf>,
    /// What the session presents itself as.
    pub ua_type: UaType,
    /// What it does when another session of the same type takes over.
    pub on_takeover: OnTakeover,
    /// A live session that brings nothing for so long, though there are queues, is opened anew. None: it is left alone.
    pub dead_feed_after: Option<Duration>,
    /// Whether the PBX's state is read when a session begins, and when asked for.
    pub resync: bool,
    /// It is read this often, too. None: it is not.
    pub resync_interval: Option<Duration>,
    /// Whom to trust.
    pub trust: Trust,
    /// The HTTP proxy on the way; plain `http`.
    pub proxy: Option<Address>,
    /// Limit of each step towards a connection: TCP, TLS, upgrade, open, namespace; and of each write.
    pub connect_timeout: Duration,
    /// Limit of one request to the API, from connect to the end of its answer.
    pub request_timeout: Duration,
    /// Limit of the wait for the session to be accepted.
    pub login_timeout: Duration,
    /// Whether `actionNethLink` is published.
    pub publish_action_nethlink: bool,
    /// The largest websocket message, in bytes.
    pub max_frame: usize,
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
    /// Where the session's socket goes, and how.
    pub fn target(&self) -> Target {
        Target { url: self.websocket(), trust: self.trust.clone(), proxy: self.proxy.clone() }
    }

    /// The bounds of that socket.
    pub fn limits(&self) -> Limits {
        let mut limits = Limits::each(self.connect_timeout);
        limits.socket.max_message = self.max_frame;
        limits
    }
}

/// How to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// POST /api/login for a JWT, with a one-time password if the account asks for one.
    Jwt,
    /// A persistent token, as `cti-bridge token create` makes one; no password.
    Token,
    /// The interface of PBXes that were not upgraded: /webrest and /socket.io.
    Legacy,
}

/// What the session presents itself as. The PBX ends a user's other session of the same type; so
/// anything but `none` can throw a person out of their client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the PBX's own words")]
pub enum UaType {
    None,
    Desktop,
    Mobile,
}

impl UaType {
    /// The PBX's word, in the login frame. `none` is none: the field is left out.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Desktop => Some("desktop"),
            Self::Mobile => Some("mobile"),
        }
    }
}
