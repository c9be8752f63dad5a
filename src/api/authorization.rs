//! The credentials of a request.

use std::fmt;

use reqwest::header::{HeaderValue, InvalidHeaderValue};
use secrecy::{ExposeSecret, SecretString};

/// The value of the `Authorization` header. `Debug` does not print it.
#[derive(Clone)]
pub enum Authorization {
    /// `Bearer …`: a JWT of the middleware, from a login or a persistent one.
    Bearer(SecretString),
    /// `user:token`: the legacy interface, without the middleware.
    Legacy {
        /// The user name exactly as at login.
        username: String,
        /// 40 hexadecimal digits.
        token: SecretString,
    },
}

impl Authorization {
    /// The bare token, for the login on the socket.
    pub fn secret(&self) -> &SecretString {
        match self {
            Self::Bearer(token) | Self::Legacy { token, .. } => token,
        }
    }
}

impl TryFrom<&Authorization> for HeaderValue {
    type Error = InvalidHeaderValue;

    fn try_from(authorization: &Authorization) -> Result<Self, Self::Error> {
        let token = authorization.secret().expose_secret();
        let text = match authorization {
            Authorization::Bearer(_) => format!("Bearer {token}"),
            Authorization::Legacy { username, .. } => format!("{username}:{token}"),
        };
        // As bytes: a user name may have non-ASCII characters.
        let mut value = Self::from_bytes(text.as_bytes())?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer([REDACTED])",
            Self::Legacy { .. } => "Legacy([REDACTED])",
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_header_and_none_is_printed() {
        let legacy = Authorization::Legacy { username: "zoë".into(), token: "planted".into() };
        for (authorization, expected) in
            [(Authorization::Bearer("planted".into()), "Bearer planted"), (legacy, "zoë:planted")]
        {
            let header = HeaderValue::try_from(&authorization).unwrap();
            assert_eq!(header.as_bytes(), expected.as_bytes());
            assert!(!format!("{header:?} {authorization:?}").contains("planted"));
        }
        assert!(HeaderValue::try_from(&Authorization::Bearer("a\nb".into())).is_err());
    }
}
