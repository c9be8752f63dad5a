//! Reads a snapshot in its own task, so that the session's socket never waits for it.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::snapshot::{Sliced, Snapshot};
use crate::{
    api::ApiError,
    auth::{Account, GetError},
};

/// The reason why a snapshot could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::session) enum Unread {
    /// The account may not read it.
    Refused,
    /// A lasting failure.
    Failed(String),
    /// A transient failure, and the wait that the PBX asked for.
    Transient(String, Option<Duration>),
    /// The token was no longer accepted; a new one may be.
    TokenDied(String),
    /// There is no token, which other snapshots need as well.
    NoToken(String),
}

pub(super) type Task = AbortOnDropHandle<Result<Sliced, Unread>>;

/// Requests a snapshot now. Dropping the task cancels it.
pub(super) fn start(account: &Account, snapshot: Snapshot, limit: usize) -> Task {
    let account = account.clone();
    let read = async move {
        let answer = account.get(snapshot.path(), limit).await.map_err(|error| unread(&error))?;
        snapshot.slice(&answer, Timestamp::now()).map_err(|error| Unread::Transient(error.to_string(), None))
    };
    AbortOnDropHandle::new(tokio::spawn(read.in_current_span()))
}

fn unread(error: &GetError) -> Unread {
    let text = error.to_string();
    match error {
        GetError::Login(_) => Unread::NoToken(text),
        GetError::TokenDied(_) => Unread::TokenDied(text),
        GetError::Api(error) => match error {
            ApiError::Refused { status: 403, .. } => Unread::Refused,
            ApiError::Refused { status: 404, .. }
            | ApiError::Redirect { .. }
            | ApiError::TooLarge { .. }
            | ApiError::Setup { .. } => Unread::Failed(text),
            ApiError::Limited { retry_after, .. } => Unread::Transient(text, *retry_after),
            ApiError::Unreachable { .. }
            | ApiError::TimedOut { .. }
            | ApiError::Untrusted { .. }
            | ApiError::Trust(_)
            | ApiError::NotTheApi { .. }
            | ApiError::Refused { .. }
            | ApiError::Unreadable { .. }
            | ApiError::CutShort { .. } => Unread::Transient(text, None),
        },
    }
}
