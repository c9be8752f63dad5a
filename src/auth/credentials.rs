//! The credentials of an account, by login method.

use secrecy::{ExposeSecret, SecretString};

use super::{
    error::AuthError,
    totp::{Codes, Totp},
};

/// The login method of an account, and its secrets.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// `auth = "jwt"`: a password for a token of two weeks (protocol of the middleware).
    Password {
        /// Of the PBX, or of the directory behind it.
        password: SecretString,
        /// Base32; needed if two-factor authentication is on for the user.
        totp_secret: Option<SecretString>,
    },
    /// `auth = "token"`: a persistent token of the middleware. Good for a hundred years, and not ours to log out.
    Token(SecretString),
    /// `auth = "legacy"`: a password for a token of the server itself, as before there was a middleware.
    Legacy {
        /// Of the PBX, or of the directory behind it.
        password: SecretString,
    },
}

impl Credentials {
    /// The password, if there is one.
    pub fn password(&self) -> Option<&SecretString> {
        match self {
            Self::Password { password, .. } | Self::Legacy { password } => Some(password),
            Self::Token(_) => None,
        }
    }

    /// The secret of the one-time passwords, if there is one.
    pub fn totp_secret(&self) -> Option<&SecretString> {
        match self {
            Self::Password { totp_secret, .. } => totp_secret.as_ref(),
            Self::Token(_) | Self::Legacy { .. } => None,
        }
    }

    /// Whether both use the same method.
    pub fn is_same_method(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Whether both are identical.
    pub fn is_same(&self, other: &Self) -> bool {
        let same = |ours: Option<&SecretString>, theirs: Option<&SecretString>| {
            ours.map(ExposeSecret::expose_secret) == theirs.map(ExposeSecret::expose_secret)
        };
        same(self.password(), other.password())
            && same(self.totp_secret(), other.totp_secret())
            && same(self.token(), other.token())
            && self.is_same_method(other)
    }

    fn token(&self) -> Option<&SecretString> {
        match self {
            Self::Token(token) => Some(token),
            Self::Password { .. } | Self::Legacy { .. } => None,
        }
    }
}

/// The credentials, and the codes that their secret yields.
pub(super) struct Keys {
    pub(super) credentials: Credentials,
    pub(super) codes: Option<Codes>,
}

impl Keys {
    /// Fails only if the TOTP secret is invalid.
    pub(super) fn new(credentials: Credentials) -> Result<Self, AuthError> {
        let codes = credentials.totp_secret().map(Totp::new).transpose()?.map(Codes::new);
        Ok(Self { credentials, codes })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn credentials_compare_by_method_and_exact_text() {
        let password = |password: &str, totp: Option<&str>| Credentials::Password {
            password: password.into(),
            totp_secret: totp.map(Into::into),
        };
        let all = [
            password("a", None),
            password("b", None),
            password("a", Some("GEZDGNBVGY3TQOJQ")),
            Credentials::Legacy { password: "a".into() },
            Credentials::Token("a".into()),
            Credentials::Token("b".into()),
        ];
        for (at, one) in all.iter().enumerate() {
            for (other_at, other) in all.iter().enumerate() {
                assert_eq!(one.is_same(other), at == other_at, "{at} {other_at}");
            }
        }
        assert!(all[0].is_same_method(&all[2]) && !all[0].is_same_method(&all[3]));
    }
}
