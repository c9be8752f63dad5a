//! The account of each source, and the reload of its credentials.

use jiff::Timestamp;

use super::{CREDENTIAL_POLL, Running};
use crate::{
    auth::Account,
    health::{Health, State},
    reload::Changes,
};

impl Running {
    /// Reloads credentials without a signal while a source or sink fails, or a renewal is due or late: a mounted secret may
    /// be replaced silently, and each login with an old password counts in the directory.
    pub(super) async fn poll_credentials(&mut self) {
        let is_failing = |(_, health): &(&String, &Health)| matches!(health.state, State::Failing { .. });
        let board = self.context.board.snapshot();
        let failing = |kind: &str| board.iter().filter(is_failing).any(|(name, _)| name.starts_with(kind));
        let soon = Timestamp::now() + CREDENTIAL_POLL * 2;
        let due = |account: &Account| account.stats().renews.is_some_and(|at| at < soon);
        if !failing("source/") && !failing("sink/") && !self.accounts.values().any(due) {
            return;
        }
        if self.reload(false).await.is_some_and(|changes| !changes.credentials.is_empty()) {
            self.retry.fire();
        }
    }

    /// Reloads the configuration. Changed credentials are used from the next login on, changed secrets and certificates of a
    /// sink by a new connection. Without a request (`is_requested`) a working sink keeps its connection.
    pub(super) async fn reload(&mut self, is_requested: bool) -> Option<Changes> {
        let board = self.context.board.clone();
        let includes = |sink: &str| is_requested || !board.is_active(&format!("sink/{sink}"));
        let changes = match self.options.reload.as_mut()?.read(includes).await {
            Ok(changes) => changes,
            Err(problems) => {
                if is_requested {
                    tracing::error!(%problems, "invalid configuration: nothing was changed");
                }
                return None;
            }
        };
        for (sink, config) in &changes.sinks {
            tracing::info!(sink, "secrets or certificates changed: reconnecting with the new ones");
            self.context.renewals.announce(sink, config.clone());
        }
        for (source, credentials) in &changes.credentials {
            let Some(account) = self.accounts.get(source) else { continue };
            match account.renew_credentials(credentials.clone()) {
                Ok(()) => tracing::info!(source, "credentials changed: the next login will use them"),
                Err(error) => tracing::error!(source, %error, "new credentials are invalid"),
            }
        }
        Some(changes)
    }
}
