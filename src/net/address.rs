//! URLs that may carry a password.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};
use url::{Host, Position, Url};

use crate::text::secrets;

/// A URL with its user info kept apart, so that it can be printed.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Address {
    url: Url,
    user_info: Option<UserInfo>,
    full: Url,
}

/// The `user:password@` of a URL, percent-decoded.
#[derive(Debug, Clone)]
pub struct UserInfo {
    /// The part before the colon. Without a password NATS treats it as a token, so it is secret too.
    pub username: SecretString,
    /// The part after the colon.
    pub password: Option<SecretString>,
}

/// The reason why a text is not an address, with the remedy. No message quotes the text: it may hold a password, above all
/// when it can't be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// Not a URL.
    #[error("is not a valid URL ({0}): write scheme://host, as in https://pbx.example.org")]
    NotAUrl(#[from] url::ParseError),
    /// A URL without a host.
    #[error("names no host: write scheme://host, as in https://pbx.example.org")]
    NoHost,
    /// The user info has a character that ends the host.
    #[error("has an @ after its path: in user info write / as %2F, ? as %3F, # as %23")]
    MisplacedUserInfo,
    /// The user info is not UTF-8 when decoded.
    #[error("has user info that is not UTF-8 when decoded: write it again")]
    NotUtf8,
    /// A URL of a scheme without user info.
    #[error("can't carry user info: write scheme://host")]
    NoUserInfo,
}

/// The JSON Schema format of [`Address`].
pub(crate) const ADDRESS: &str = "uri";

impl Address {
    /// The URL without its user info.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The URL with its user info, as configured. Only for the client that connects: printing it reveals the password.
    pub fn with_user_info(&self) -> &Url {
        &self.full
    }

    /// The credentials in the URL.
    pub fn user_info(&self) -> Option<&UserInfo> {
        self.user_info.as_ref()
    }

    /// Returns true if traffic to it stays on this machine: `localhost`, 127.0.0.0/8, `::1`.
    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            // Schemes the URL standard doesn't know, nats:// among them, keep IPv4 addresses as names.
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                name == "localhost"
                    || name.ends_with(".localhost")
                    || name.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
            }
            None => false,
        }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let full = Url::parse(text)?;
        let mut url = full.clone();
        if url.host_str().is_none_or(str::is_empty) {
            return Err(InvalidAddress::NoHost);
        }
        if url[Position::AfterHost..].contains('@') {
            // Otherwise `nats://to/ken@host` would be a host `to`, and the rest of the secret a path that is printed.
            return Err(InvalidAddress::MisplacedUserInfo);
        }
        let decode = |text: &str| percent_decode(text).ok_or(InvalidAddress::NotUtf8);
        let user_info = if url.username().is_empty() && url.password().is_none() {
            None
        } else {
            let username = SecretString::from(decode(url.username())?);
            let password = url.password().map(decode).transpose()?.map(SecretString::from);
            // A name alone is a token.
            secrets::register(password.as_ref().unwrap_or(&username));
            Some(UserInfo { username, password })
        };
        // Both can only fail for a URL without a host.
        if url.set_username("").is_err() || url.set_password(None).is_err() {
            return Err(InvalidAddress::NoUserInfo);
        }
        Ok(Self { url, user_info, full })
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(byte);
            rest = after.get(2..)?;
        } else {
            out.push(first);
            rest = after;
        }
    }
    String::from_utf8(out).ok()
}

impl TryFrom<String> for Address {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.parse()
    }
}

/// Prints the URL with `********@` in place of the user info.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.user_info, self.url.as_str().split_once("://")) {
            (Some(_), Some((scheme, rest))) => write!(f, "{scheme}://********@{rest}"),
            _ => f.write_str(self.url.as_str()),
        }
    }
}

// For the defaults in the schema, in the printed form.
impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl JsonSchema for Address {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": ADDRESS })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn user_info_is_kept_apart() {
        let address: Address = "nats://us%40er:p%3Ass@bus.example.org:4222".parse().unwrap();
        let info = address.user_info().unwrap();
        assert_eq!(info.username.expose_secret(), "us@er");
        assert_eq!(info.password.as_ref().unwrap().expose_secret(), "p:ss");
        assert_eq!(address.url().as_str(), "nats://bus.example.org:4222");
        assert_eq!(address.to_string(), "nats://********@bus.example.org:4222");
        let debug = format!("{address:?}");
        assert!(!debug.contains("p:ss") && !debug.contains("p%3Ass") && !debug.contains("us@er"), "{debug}");
    }

    #[test]
    fn loopback_is_this_machine_only() {
        for url in [
            "http://localhost",
            "http://127.0.0.1:1",
            "http://[::1]",
            "nats://127.9.9.9",
            "nats://[::1]:4222",
            "http://LOCALHOST.",
        ] {
            assert!(url.parse::<Address>().unwrap().is_loopback(), "{url}");
        }
        for url in [
            "http://10.0.0.1",
            "nats://128.0.0.1",
            "http://localhost.example.org",
            "http://127.0.0.1.example.org",
            "http://[::2]",
        ] {
            assert!(!url.parse::<Address>().unwrap().is_loopback(), "{url}");
        }
    }

    #[test]
    fn an_unreadable_url_is_not_repeated() {
        for url in [
            "hunter2",
            "http://user:hunter2@",
            "http://user:hunter2@host:port",
            "user:hunter2@host",
            "nats://hun/ter2@host",
            "https://user:12/hunter2@host",
            "nats://hunter2?a@host",
            "unix:/hunter2",
            "",
        ] {
            assert!(!url.parse::<Address>().unwrap_err().to_string().contains("hunter2"), "{url}");
        }
    }
}
