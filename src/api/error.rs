//! The errors of a request.

use std::{fmt, time::Duration};

use crate::{
    exit::Exit,
    text::PeerText,
    tls::{TlsError, TlsFault},
};

/// The reason why a request gave no usable answer. `url` never has user info or a query.
#[derive(Debug, Clone, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ApiError {
    /// DNS, TCP, the proxy, or a connection that ended before the answer did.
    #[error("{url} can't be reached: {reason}; check `url`, the network and whether the PBX is up")]
    Unreachable { url: String, reason: PeerText },
    #[error("{url} did not answer within {}: it is overloaded or starting, or a firewall drops the packets", humantime::format_duration(*.after))]
    TimedOut { url: String, after: Duration },
    #[error("TLS with {url} failed: {fault}")]
    Untrusted { url: String, fault: TlsFault },
    /// A redirect. It is never followed, as it would send the password to another server.
    #[error(
        "{url} answered {status}, a redirect to {}: set `url` to the API's real address (often https instead of http)",
        host.as_ref().map_or("an unnamed place", PeerText::as_str)
    )]
    Redirect { url: String, status: u16, host: Option<PeerText> },
    #[error(
        "{url} answered {status} with a web page: this is not the CTI API, check `url` (host and path, usually https://HOST/api)"
    )]
    NotTheApi { url: String, status: u16 },
    /// Status 429. The middleware allows 25 requests per second and client address and sends no `Retry-After`;
    /// a proxy in front of it may.
    #[error(
        "{url} answered 429, too many requests from this address: stop or slow down what else asks the PBX from here; the bridge tries \
         again by itself"
    )]
    Limited { url: String, retry_after: Option<Duration> },
    /// A status other than 200.
    #[error("{url} answered {status} ({reason}){}", remedy(*status))]
    Refused { url: String, status: u16, reason: RefusalReason },
    /// A 200 with an unexpected body.
    #[error(
        "{url} answered 200, but {reason}: a proxy may change answers, or this is not the CTI API; check `url`"
    )]
    Unreadable { url: String, reason: &'static str },
    /// The connection ended in the middle of the body of a 200.
    #[error("{url} cut its answer short: {reason}; the PBX or a proxy in front of it may be restarting")]
    CutShort { url: String, reason: PeerText },
    #[error("{url} answered with more than {limit} bytes: this is not the CTI API, check `url`")]
    TooLarge { url: String, limit: usize },
    #[error(transparent)]
    Trust(std::sync::Arc<TlsError>),
    /// The HTTP client rejects the proxy's URL or the base URL.
    #[error("no HTTP client for {url}: {reason}; check `url` and `proxy`")]
    Setup { url: String, reason: PeerText },
}

/// The remedy for a status by which the PBX, or a proxy in front of it, reports an internal error.
fn remedy(status: u16) -> &'static str {
    match status {
        502..=504 => {
            ": the CTI server behind it is down or starting; if that persists, check on the PBX that its services run"
        }
        500..=599 => ": the PBX has an internal error; if it persists, see the logs of its CTI services",
        _ => "",
    }
}

impl ApiError {
    /// The status of the answer, if there was one.
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

    /// Returns true if the token is invalid. 401: it, or the backend's token, has expired; 403 with this reason: it is no
    /// longer listed.
    pub fn is_dead_token(&self) -> bool {
        matches!(
            self,
            Self::Refused { status: 401, .. }
                | Self::Refused { status: 403, reason: RefusalReason::NoPermission, .. }
        )
    }

    /// Returns true if the connection itself failed: the certificate files are reloaded before the next one.
    pub(super) fn is_transport(&self) -> bool {
        self.status().is_none()
    }
}

/// The reason in the body of a refusal: a closed set, because an answer may echo the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    /// No body, or an unreadable fragment of one.
    Nothing,
    /// `incorrect Username or Password`: also when the backend is down or still starting.
    IncorrectCredentials,
    /// `missing Username or Password`: the request's body was changed on the way.
    MissingCredentials,
    /// `you don't have permission …`: the token is not in the list, or its one-time password is due.
    NoPermission,
    /// The token is missing, malformed, of another key, expired or without an expiry.
    BadToken,
    /// `invalid_otp`.
    InvalidOtp,
    /// `user secret not found`: the user never created a QR code, or the name is written in another case.
    NoOtpSecret,
    /// `invalid password`, to the request that switches two-factor authentication off.
    InvalidPassword,
    /// `error in revocate 2FA for user`: there is nothing to switch off.
    NoTwoFactor,
    /// `request fields malformed`.
    Malformed,
    /// `Failed to reach V1 API`, or an internal error of the middleware: it is up, its backend isn't.
    Backend,
    /// JSON with another message.
    Other,
    /// Not JSON, so probably not the API.
    Foreign,
}

impl fmt::Display for RefusalReason {
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

/// Maps a failed request of a one-shot command.
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
    fn an_internal_error_of_the_pbx_comes_with_a_remedy() {
        let said = |status| {
            ApiError::Refused { url: "u".to_owned(), status, reason: RefusalReason::Nothing }.to_string()
        };
        assert!(said(500).contains("see the logs"), "{}", said(500));
        assert!([502, 503, 504].iter().all(|status| said(*status).contains("that its services run")));
        assert_eq!(said(403), "u answered 403 (no reason given)");
    }
}
