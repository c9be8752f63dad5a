//! Everything a request can end in, other than the answer that was asked for.

use std::{fmt, time::Duration};

use crate::{
    exit::Exit,
    text::PeerText,
    tls::{TlsError, TlsFault},
};

/// Why a request gave no usable answer. `url` never has user info or a query.
#[derive(Debug, Clone, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ApiError {
    /// DNS, TCP, the proxy, or a connection that ended before the answer did.
    #[error("{url} can't be reached: {reason}; check `url`, the network and whether the PBX is up")]
    Unreachable { url: String, reason: PeerText },
    #[error("{url} did not answer within {}: it is overloaded or starting, or a firewall drops the packets", humantime::format_duration(*.after))]
    TimedOut { url: String, after: Duration },
    #[error("{url} has no trusted TLS: {fault}")]
    Untrusted { url: String, fault: TlsFault },
    /// A redirect is never followed: it would carry the password to another place.
    #[error(
        "{url} answered {status}, a redirect to {}: set `url` to where the API really is (often https instead of http)",
        host.as_ref().map_or("an unnamed place", PeerText::as_str)
    )]
    Redirect { url: String, status: u16, host: Option<PeerText> },
    #[error(
        "{url} answered {status} with a web page: this is not the CTI API, check `url` (host and path, usually https://HOST/api)"
    )]
    NotTheApi { url: String, status: u16 },
    /// Status 429. The middleware allows 25 requests per second and client address and sends no `Retry-After`;
    /// a proxy before it may.
    #[error(
        "{url} answered 429, too many requests from this address: stop or slow down what else asks the PBX from here; the bridge tries \
         again by itself"
    )]
    Limited { url: String, retry_after: Option<Duration> },
    /// A status other than 200.
    #[error("{url} answered {status} ({said}){}", remedy(*status))]
    Refused { url: String, status: u16, said: Said },
    /// 200, yet not what this request answers with.
    #[error(
        "{url} answered 200, but {reason}: a proxy may change answers, or this is not the CTI API; check `url`"
    )]
    Unreadable { url: String, reason: &'static str },
    /// The connection ended within the body of a 200.
    #[error("{url} broke off its answer: {reason}; the PBX or a proxy before it may be restarting")]
    CutShort { url: String, reason: PeerText },
    #[error("{url} answered with more than {limit} bytes: this is not the CTI API, check `url`")]
    TooLarge { url: String, limit: usize },
    #[error(transparent)]
    Trust(std::sync::Arc<TlsError>),
    /// The proxy's URL or the base URL is of no use to an HTTP client.
    #[error("no HTTP client for {url}: {reason}; check `url` and `proxy`")]
    Setup { url: String, reason: PeerText },
}

/// What to do about a status that the PBX or a proxy before it gives when it has a fault of its own.
fn remedy(status: u16) -> &'static str {
    match status {
        502..=504 => {
            ": the CTI server behind it is down or starting; if it lasts, check on the PBX that its services run"
        }
        500..=599 => ": the PBX has a fault of its own; if it lasts, see the logs of its CTI services",
        _ => "",
    }
}

impl ApiError {
    /// The status that the server answered with, if it answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Redirect { status, .. } | Self::NotTheApi { status, .. } | Self::Refused { status, .. } => {
                Some(*status)
            }
            Self::Limited { .. } => Some(429),
            Self::Unreadable { .. } | Self::CutShort { .. } | Self::TooLarge { .. } => Some(200),
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Untrusted { .. }
            | Self::Trust(_)
            | Self::Setup { .. } => None,
        }
    }

    /// Whether the token is of no use any more. 401: it, or the one behind it, has died; 403 with these words: it is no
    /// longer listed.
    pub fn is_dead_token(&self) -> bool {
        matches!(
            self,
            Self::Refused { status: 401, .. } | Self::Refused { status: 403, said: Said::NoPermission, .. }
        )
    }

    /// Whether the connection itself failed: the certificate files are read anew before the next one.
    pub(super) fn is_transport(&self) -> bool {
        self.status().is_none()
    }
}

/// What the body of a refusal says: a closed set, because an answer may echo what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// No body, or an unreadable rest of one.
    Nothing,
    /// `incorrect Username or Password`: also when the backend is down or still starting.
    IncorrectCredentials,
    /// `missing Username or Password`: the request's body did not arrive as it was sent.
    MissingCredentials,
    /// `you don't have permission …`: the token is not in the list, or its one-time password is due.
    NoPermission,
    /// The token is missing, malformed, of another key, expired or without an expiry.
    BadToken,
    /// `invalid_otp`.
    InvalidOtp,
    /// `user secret not found`: the user never made a QR code, or is written in another case.
    NoOtpSecret,
    /// `invalid password`, to the request that switches two-factor authentication off.
    InvalidPassword,
    /// `error in revocate 2FA for user`: there is nothing to switch off.
    NoTwoFactor,
    /// `request fields malformed`.
    Malformed,
    /// `Failed to reach V1 API`, or a fault of the middleware's own: it is up, its backend isn't.
    Backend,
    /// JSON with another message.
    Other,
    /// Not JSON, so hardly the API.
    Foreign,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "no reason given",
            Self::IncorrectCredentials => "incorrect user name or password",
            Self::MissingCredentials => "missing user name or password",
            Self::NoPermission => "no permission",
            Self::BadToken => "token not valid",
            Self::InvalidOtp => "invalid one-time password",
            Self::NoOtpSecret => "no one-time password secret for this user",
            Self::InvalidPassword => "invalid password",
            Self::NoTwoFactor => "two-factor authentication is not set up for this user",
            Self::Malformed => "malformed request",
            Self::Backend => "its backend failed",
            Self::Other => "another reason",
            Self::Foreign => "not in the API's form",
        })
    }
}

/// How a one-shot command ends whose request failed.
impl From<&ApiError> for Exit {
    fn from(error: &ApiError) -> Self {
        match error {
            ApiError::Refused { status: 400..=403, .. } => Self::Refused,
            ApiError::Trust(_) | ApiError::Setup { .. } => Self::Config,
            _ => Self::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_pbx_is_not_told_without_a_remedy() {
        let said =
            |status| ApiError::Refused { url: "u".to_owned(), status, said: Said::Nothing }.to_string();
        assert!(said(500).contains("see the logs"), "{}", said(500));
        assert!([502, 503, 504].iter().all(|status| said(*status).contains("that its services run")));
        assert_eq!(said(403), "u answered 403 (no reason given)");
    }
}
