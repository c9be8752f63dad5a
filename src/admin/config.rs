//! `[admin]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::hosts;
use crate::config::{Secret, Section, pasted};

/// The settings of the admin endpoint.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The accepted host names, in addition to addresses and `localhost`.
    pub hosts: Vec<String>,
    /// The token that actions require; `None` disables actions.
    pub token: Option<SecretString>,
}

/// Health, metrics, a status page and actions, over HTTP.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Table {
    /// The address and port to listen on, or "off".
    listen: String,
    /// The accepted host names, in addition to addresses and localhost: those of a proxy or an ingress. Requests for others get
    /// 421, except for health and metrics.
    hosts: Vec<String>,
    /// Accept POST requests to `/actions/…`: resync, reconnect, log-level. They require the token.
    actions: bool,
    /// The token for actions, sent as `Authorization: Bearer …`. At least 16 characters.
    token: Option<Secret>,
    /// A file with the token.
    token_file: Option<String>,
}

/// The default address. 9464 is the port of OpenTelemetry's Prometheus exporters.
pub const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

impl Default for Table {
    fn default() -> Self {
        Self { listen: DEFAULT.to_string(), hosts: Vec::new(), actions: false, token: None, token_file: None }
    }
}

/// The minimum length of the token; a shorter one can be guessed.
const SHORTEST: usize = 16;

impl Table {
    /// Checks what the schema can't. `Ok(None)` means that it is off; an error has been reported as a problem.
    pub(crate) fn validate(self, section: &mut Section<'_>) -> Result<Option<Config>, ()> {
        let token = section.secret("token", self.token, self.token_file);
        let key = if section.is_set("token_file") { "token_file" } else { "token" };
        if let Some(wrong) = token.as_ref().and_then(|token| pasted(token.expose_secret())) {
            section.problem(key, wrong);
            return Err(());
        }
        if token.as_ref().is_some_and(|token| token.expose_secret().len() < SHORTEST) {
            section.problem(key, "is short enough to be guessed: use 16 characters or more");
            return Err(());
        }
        if self.actions && token.is_none() {
            section.problem(
                "actions",
                "needs a token: set `token_file`, and show it as `Authorization: Bearer …`",
            );
            return Err(());
        }
        if token.is_some() && !self.actions {
            section.warn(key, "is of no use while `actions` is false");
        }
        let Some(hosts) = self.hosts.iter().map(|host| hosts::name(host)).collect() else {
            section.problem("hosts", "has what is not a host name: write names alone, without scheme and port, as in [\"bridge.example.org\"]");
            return Err(());
        };
        if self.listen == "off" {
            return Ok(None);
        }
        let Ok(listen) = self.listen.parse::<SocketAddr>() else {
            section.problem(
                "listen",
                "is not an address with a port: write 127.0.0.1:9464, 0.0.0.0:9464 for every address of this machine, or \"off\"",
            );
            return Err(());
        };
        if self.actions && !listen.ip().is_loopback() {
            section.warn(
                "actions",
                "are accepted without TLS from other machines, so anyone on the network path can read the token: put a proxy with TLS in front of it",
            );
        }
        Ok(Some(Config { listen, hosts, token: token.filter(|_| self.actions) }))
    }
}
