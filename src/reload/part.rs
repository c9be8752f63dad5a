//! The parts of a bridge that a reload changes, and the keys of the configuration that belong to them.

/// The keys of a source that a reload applies.
pub(super) const CREDENTIALS: [&str; 6] =
    ["password", "password_file", "totp_secret", "totp_secret_file", "token", "token_file"];

/// The keys and tables of a sink that are its rules.
pub(super) const RULES: [&str; 5] = ["subject", "dataschema", "heartbeat", "routes", "privacy"];

/// The keys of a source that change what sinks hide.
pub(super) const DIALLING: [&str; 3] = ["country_code", "outside_prefix", "trunk_prefix"];

/// The part of a bridge that a key belongs to and a reload changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Log,
    Credentials(&'a str),
    /// Secrets and certificates of a sink.
    Secrets(&'a str),
    Rules(&'a str),
    /// The rules of every sink.
    Dialling,
}

/// The name and the first part of the key in a table `[kind.NAME]`.
pub(super) fn table_key<'a>(key: &'a str, kind: &str) -> Option<(&'a str, &'a str)> {
    let (name, key) = key.strip_prefix(kind)?.strip_prefix('.')?.split_once('.')?;
    Some((name, key.split(['.', '[']).next().unwrap_or(key)))
}
