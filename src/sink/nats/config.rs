//! `[sinks.NAME]` with `type = "nats"`.

mod table;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
pub use table::Table;

use crate::{config::Address, route::template::Template, sink::config::ContentMode, tls::Trust};

/// A NATS sink, as it needs it.
#[derive(Debug, Clone)]
pub struct Config {
    /// The servers to try; one at least. `tls://` asks for TLS. User info is set apart in each.
    pub servers: Vec<Address>,
    /// How messages are published.
    pub mode: Mode,
    /// How a `CloudEvent` travels.
    pub content_mode: ContentMode,
    /// What to log in with; a server's own user info goes before it.
    pub credentials: Credentials,
    /// Speak TLS with every server; with one that is `tls://` in any case.
    pub require_tls: bool,
    /// Whom to trust, and who we are.
    pub trust: Trust,
    /// Where messages go.
    pub subject: Template,
}

/// How messages are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Core NATS: nothing is acknowledged, so nothing is promised.
    Core,
}

/// What to log in with.
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
