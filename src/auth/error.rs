//! The errors of a login, and their consequences.

use std::time::Duration;

use crate::{
    api::{ApiError, RefusalReason},
    auth::TotpError,
    event::AuthFailure,
    exit::Exit,
};

/// What to do about a failed login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// Try again soon: the PBX is down for the moment, and has refused no credential.
    Soon,
    /// Try again with the usual backoff: the PBX, or a proxy, asks for fewer requests.
    Later,
    /// Try again in minutes: each attempt may count towards locking the account.
    Slowly,
    /// The token is dead; log in again at once, with the usual backoff.
    NewLogin,
    /// An operator has to change something. Raise an alarm and try again in minutes, as the service never gives up.
    Operator,
}

/// The reason why there is no grant. `url` has no user info; no text of the server is repeated.
#[derive(Debug, Clone, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum AuthError {
    /// A request failed.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// 401 at login. The middleware gives the same answer when its backend is down or still starting.
    #[error(
        "{url} refused the login of `{user}`: either user name or password is wrong, or the PBX is still starting (it answers both alike); \
         if it persists, check `username` (lower case, no @domain, not an extension), `password`, and that the user has a profile"
    )]
    Credentials { url: String, user: String },
    /// 401 with `missing Username or Password`: the request was altered on its way.
    #[error(
        "{url} found no user name or password in the login of `{user}`: a proxy alters requests, check `url` and `proxy`"
    )]
    NotReceived { url: String, user: String },
    #[error(
        "{url} answered {status}: there is no CTI API at that path, check `url` (usually https://HOST/api), and `auth` \
         (\"legacy\" for a PBX that was not upgraded, \"jwt\" for all others)"
    )]
    NoApi { url: String, status: u16 },
    #[error(
        "{url}: `{user}` needs a one-time password, and no `totp_secret` is configured; set it, or switch two-factor authentication off for this user"
    )]
    OtpMissing { url: String, user: String },
    #[error(
        "{url} has no one-time password secret for `{user}`: create a QR code for this user in the web interface and set `totp_secret` to its secret \
         (or the case of `username` differs from that in the PBX)"
    )]
    OtpNoSecret { url: String, user: String },
    /// Refused twice: in two steps, or by two clocks.
    #[error(
        "{url} refused two one-time passwords of `{user}` in a row: check `totp_secret`, and the clocks of this machine and of the PBX"
    )]
    OtpRefused { url: String, user: String },
    /// A code that a person typed.
    #[error(
        "{url} refused the code that was typed for `{user}`: type the one-time password that the authenticator app shows now, or a \
         recovery code that was never used"
    )]
    CodeRefused { url: String, user: String },
    /// The login was answered 200, yet `/user/me` refuses its token.
    #[error(
        "{url} answered {status} right after the login of `{user}`: the PBX created a dead session; it may be restarting; \
         if it persists, check `username` (lower case, no @domain, not an extension)"
    )]
    DeadSession {
        url: String,
        user: String,
        status: u16,
        /// The previous login failed the same way.
        again: bool,
    },
    /// `/user/me` refuses a persistent token.
    #[error(
        "{url} answered {status} to the persistent token of `{user}`: it was withdrawn, as by a newer one for the same purpose \
         or a change of two-factor authentication; make a new one with `cti-bridge token create`"
    )]
    TokenRefused { url: String, user: String, status: u16 },
    /// The middleware lists a persistent token, and its backend knows nothing of the user.
    #[error(
        "{url} answered {status} to the persistent token of `{user}`: the PBX knows the token, but its CTI backend does not recognise it; \
         it may be restarting; if it persists, log in as `{user}` once or restart the CTI server"
    )]
    TokenAsleep { url: String, user: String, status: u16 },
    /// Between login and one-time password the token was withdrawn.
    #[error(
        "{url} answered {status} to the one-time password of `{user}`: its token was withdrawn meanwhile (the PBX restarted, or two-factor authentication was changed)"
    )]
    Withdrawn { url: String, user: String, status: u16 },
    #[error(transparent)]
    TotpSecret(#[from] TotpError),
}

impl AuthError {
    /// What to do about it.
    pub fn consequence(&self) -> Consequence {
        match self {
            Self::Api(error) => of_request(error),
            Self::Credentials { .. }
            | Self::OtpRefused { .. }
            | Self::CodeRefused { .. }
            | Self::DeadSession { again: true, .. } => Consequence::Slowly,
            Self::DeadSession { again: false, .. } | Self::Withdrawn { .. } => Consequence::NewLogin,
            // No password is sent, so nothing can be locked.
            Self::TokenAsleep { .. } => Consequence::Soon,
            Self::NotReceived { .. }
            | Self::NoApi { .. }
            | Self::TokenRefused { .. }
            | Self::OtpMissing { .. }
            | Self::OtpNoSecret { .. }
            | Self::TotpSecret(_) => Consequence::Operator,
        }
    }

    /// The reason that `auth.failed` gives.
    pub fn reason(&self) -> AuthFailure {
        match self {
            Self::Api(error) => reason_of_request(error),
            Self::Credentials { .. } => AuthFailure::CredentialsRefused,
            Self::NotReceived { .. } => AuthFailure::CredentialsMissing,
            Self::NoApi { .. } => AuthFailure::NoApi,
            Self::OtpMissing { .. } => AuthFailure::OtpRequired,
            Self::OtpNoSecret { .. } => AuthFailure::OtpNotEnrolled,
            Self::OtpRefused { .. } | Self::CodeRefused { .. } => AuthFailure::OtpRefused,
            Self::TotpSecret(_) => AuthFailure::OtpSecretInvalid,
            Self::DeadSession { .. } => AuthFailure::SessionDead,
            Self::TokenRefused { .. } => AuthFailure::TokenRefused,
            Self::TokenAsleep { .. } => AuthFailure::TokenUnrecognised,
            Self::Withdrawn { .. } => AuthFailure::TokenWithdrawn,
        }
    }

    /// Whether the PBX has surely turned the request down, so that it changed nothing.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Api(ApiError::Refused { status, .. }) => *status < 500,
            Self::Api(ApiError::Limited { .. }) => true,
            Self::Api(_) => false,
            _ => true,
        }
    }

    /// How long the server asked us to wait at least (`Retry-After`).
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api(ApiError::Limited { retry_after, .. }) => *retry_after,
            _ => None,
        }
    }

    /// The meaning of a failed `POST /login`.
    pub(super) fn at_login(error: ApiError, user: &str) -> Self {
        let user = user.to_owned();
        match error {
            ApiError::Refused { url, status: 401, reason: RefusalReason::MissingCredentials } => {
                Self::NotReceived { url, user }
            }
            ApiError::Refused { url, status: 401, .. } => Self::Credentials { url, user },
            ApiError::Refused { url, status: status @ (404 | 405), .. } => Self::NoApi { url, status },
            other => Self::Api(other),
        }
    }

    /// The meaning of a failed `POST /2fa/verify-otp`.
    pub(super) fn at_otp(error: ApiError, user: &str) -> Self {
        let user = user.to_owned();
        match error {
            ApiError::Refused { url, reason: RefusalReason::NoOtpSecret, .. } => {
                Self::OtpNoSecret { url, user }
            }
            ApiError::Refused { url, status: status @ (401 | 403), .. } => {
                Self::Withdrawn { url, user, status }
            }
            other => Self::Api(other),
        }
    }
}

fn reason_of_request(error: &ApiError) -> AuthFailure {
    match error {
        ApiError::Unreachable { .. } | ApiError::TimedOut { .. } | ApiError::CutShort { .. } => {
            AuthFailure::Unreachable
        }
        ApiError::Untrusted { .. } => AuthFailure::Untrusted,
        ApiError::Limited { .. } => AuthFailure::RateLimited,
        ApiError::Refused { .. } => AuthFailure::ServerError,
        ApiError::Redirect { .. }
        | ApiError::NotTheApi { .. }
        | ApiError::Unreadable { .. }
        | ApiError::TooLarge { .. } => AuthFailure::NoApi,
        ApiError::Trust(_) | ApiError::Setup { .. } => AuthFailure::Configuration,
    }
}

fn of_request(error: &ApiError) -> Consequence {
    match error {
        ApiError::Unreachable { .. } | ApiError::TimedOut { .. } | ApiError::CutShort { .. } => {
            Consequence::Soon
        }
        // The limiter stands before the account: a request that it stops is no attempt on the password.
        ApiError::Limited { .. } => Consequence::Later,
        ApiError::Refused { status, .. } if *status >= 500 => Consequence::Soon,
        ApiError::Refused { .. } | ApiError::Unreadable { .. } => Consequence::Slowly,
        ApiError::Untrusted { .. }
        | ApiError::Redirect { .. }
        | ApiError::NotTheApi { .. }
        | ApiError::TooLarge { .. }
        | ApiError::Trust(_)
        | ApiError::Setup { .. } => Consequence::Operator,
    }
}

/// Maps a failed login of a one-shot command.
impl From<&AuthError> for Exit {
    fn from(error: &AuthError) -> Self {
        match error {
            AuthError::Credentials { .. }
            | AuthError::OtpMissing { .. }
            | AuthError::OtpNoSecret { .. }
            | AuthError::OtpRefused { .. }
            | AuthError::CodeRefused { .. }
            | AuthError::DeadSession { .. }
            | AuthError::TokenRefused { .. }
            | AuthError::TokenAsleep { .. }
            | AuthError::Withdrawn { .. } => Self::Refused,
            AuthError::TotpSecret(_) => Self::Config,
            AuthError::NotReceived { .. } | AuthError::NoApi { .. } => Self::Unavailable,
            AuthError::Api(error) => error.into(),
        }
    }
}
