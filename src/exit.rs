//! Exit codes, after `sysexits.h`. The systemd unit and the README repeat them.

use crate::{api::ApiError, auth::AuthError};

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Stopped as asked; everything that could be delivered was.
    Clean = 0,
    /// The command line is wrong.
    Usage = 64,
    /// The PBX or the broker can't be reached or used. One-shot commands only, as for [`Exit::Refused`].
    Unavailable = 69,
    /// A bug: a task ended unasked.
    Internal = 70,
    /// The journal can't be used.
    Journal = 73,
    /// The drain deadline passed at stop. What was not delivered has been counted and named.
    Undelivered = 75,
    /// The PBX refused the credentials. One-shot commands only: the service never gives up.
    Refused = 77,
    /// The configuration is wrong.
    Config = 78,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// The one that weighs more: the first fault stays.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if self == Self::Clean { other } else { self }
    }
}

/// How a one-shot command ends that could not log in.
impl From<&AuthError> for Exit {
    fn from(error: &AuthError) -> Self {
        match error {
            AuthError::Credentials { .. }
            | AuthError::OtpMissing { .. }
            | AuthError::OtpNoSecret { .. }
            | AuthError::OtpRefused { .. }
            | AuthError::DeadSession { .. }
            | AuthError::Withdrawn { .. } => Self::Refused,
            AuthError::TotpSecret(_) => Self::Config,
            AuthError::NotReceived { .. } | AuthError::NoApi { .. } => Self::Unavailable,
            AuthError::Api(error) => error.into(),
        }
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
