//! `[admin]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::hosts;
use crate::config::{Secret, Section, pasted};

/// The endpoint, as it needs it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Names it may be asked by, beside addresses and `localhost`.
    pub hosts: Vec<String>,
    /// What an action has to show; none: there are no actions.
    pub token: Option<SecretString>,
}

/// Health, metrics, a page for people, and actions, over HTTP.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Table {
    /// Address and port it listens on, or "off".
    listen: String,
    /// Host names it is asked by, beside addresses and localhost: those of a proxy or an ingress. Others are answered with 421,
    /// but for health and metrics.
    hosts: Vec<String>,
    /// Take POST requests to `/actions/…`: resync, reconnect, log-level. They need the token.
    actions: bool,
    /// What such a request has to show, as `Authorization: Bearer …`. 16 characters at least.
    token: Option<Secret>,
    /// The file that holds it.
    token_file: Option<String>,
}

/// Where it listens unless it is told otherwise. 9464 is the port of OpenTelemetry's Prometheus exporters.
pub const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

impl Default for Table {
    fn default() -> Self {
        Self { listen: DEFAULT.to_string(), hosts: Vec::new(), actions: false, token: None, token_file: None }
    }
}

/// Fewer characters can be guessed.
const SHORTEST: usize = 16;

impl Table {
    /// Checks what the schema can't. `Ok(None)`: it is off. The error goes with a problem.
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
                "is no address with a port: write 127.0.0.1:9464, 0.0.0.0:9464 for every address of this machine, or \"off\"",
            );
            return Err(());
        };
        if self.actions && !listen.ip().is_loopback() {
            section.warn(
                "actions",
                "are taken without TLS from other machines, so anyone on the way can read the token: put a proxy with TLS before it",
            );
        }
        Ok(Some(Config { listen, hosts, token: token.filter(|_| self.actions) }))
    }
}
