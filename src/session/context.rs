//! State kept across the sessions of one source.

use tokio::time::{Duration, Instant};

use super::{
    Input, attempt::LoggingIn, drift::Detector, feed::Feed, frames::end_reason, login::LoginError,
    resync::Resync, supervisor::Source, takeover,
};
use crate::{
    auth::{Consequence, Grant},
    event::{AuthFailure, EndReason},
    socket::Socket,
};

pub(super) struct Context {
    pub(super) source: Source,
    pub(super) feed: Feed,
    pub(super) resync: Resync,
    pub(super) drift: Detector,
    pub(super) failure: Failure,
    /// Times of the recent take-overs.
    takeovers: Vec<Instant>,
}

/// Why the last attempt or session ended.
#[derive(Debug, Default)]
pub(super) struct Failure {
    /// One sentence, with the remedy.
    pub(super) detail: String,
    /// The same for programs, for a failed login.
    pub(super) reason: AuthFailure,
    /// Only an operator can fix it.
    pub(super) needs_operator: bool,
    /// The wait that the PBX asked for.
    pub(super) retry_after: Option<Duration>,
}

impl Context {
    pub(super) fn new(source: Source) -> Self {
        Self {
            feed: Feed::new(source.config.dead_feed_after),
            resync: Resync::new(&source),
            drift: Detector::new(source.config.detect_drift, source.findings.clone()),
            failure: Failure::default(),
            takeovers: Vec::new(),
            source,
        }
    }

    /// Gets a token.
    pub(super) async fn authenticate(&mut self) -> Result<Grant, Input> {
        let error = match self.source.account.grant().await {
            Ok(grant) => return Ok(grant),
            Err(error) => error,
        };
        let consequence = error.consequence();
        self.failure = Failure {
            detail: error.to_string(),
            reason: error.reason(),
            needs_operator: consequence == Consequence::Operator,
            retry_after: error.retry_after(),
        };
        Err(Input::NotGranted(consequence))
    }

    /// Opens the socket and joins the namespace.
    pub(super) async fn connect(&mut self) -> Result<Socket, Input> {
        self.source.connect().await.map_err(|error| {
            self.failure.detail = error.to_string();
            Input::NotConnected
        })
    }

    /// Sends the login.
    pub(super) async fn log_in(&mut self, login: &mut LoggingIn) {
        self.failure.needs_operator = false;
        // The next read reports a failed write.
        if let Err(closed) = login.send(&self.source).await {
            self.failure.detail = closed.to_string();
        }
    }

    /// Waits for the answer to the login.
    pub(super) async fn answer(&mut self, login: &mut LoggingIn) -> Input {
        let Err(error) = login.accepted(&self.source).await else { return Input::Accepted };
        self.failure.detail = error.to_string();
        self.failure.reason = match error {
            LoginError::Forgotten | LoginError::Unanswered(_) => AuthFailure::SessionUnanswered,
            _ => AuthFailure::SessionRefused,
        };
        match error {
            LoginError::Forgotten | LoginError::Unanswered(_) => Input::Unanswered,
            LoginError::Refused => Input::Refused,
            LoginError::NamespaceClosed => Input::Ended(EndReason::NamespaceClosed),
            LoginError::Flooded => Input::Ended(EndReason::Internal),
            LoginError::Closed(closed) => Input::Ended(end_reason(&closed)),
        }
    }

    /// Reports that the PBX no longer accepts this token.
    pub(super) fn discard(&self, grant: Option<Grant>) {
        if let Some(grant) = grant {
            self.source.account.discard(&grant.token);
        }
    }

    /// Counts a take-over by another session.
    pub(super) fn taken_over(&mut self) -> Input {
        self.takeovers.retain(|at| at.elapsed() < takeover::WINDOW);
        self.takeovers.push(Instant::now());
        let recent = u32::try_from(self.takeovers.len()).unwrap_or(u32::MAX);
        let policy = (!self.source.is_untyped()).then_some(self.source.config.on_takeover);
        Input::TakenOver { policy, recent }
    }
}
