//! Applies a reloaded configuration.

use jiff::Timestamp;

use super::{CREDENTIAL_POLL, Running};
use crate::{
    auth::Account,
    health::{Health, State},
    reload::{Changes, Difference, Differences, Failure},
    telemetry,
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
        let Some(reload) = self.options.reload.clone() else { return };
        let includes = |sink: &str| !self.context.board.is_active(&format!("sink/{sink}"));
        let Ok(changes) = reload.apply_secrets(includes).await else { return };
        self.use_secrets(&changes);
        if !changes.credentials.is_empty() {
            self.retry.fire();
        }
    }

    /// Reloads the configuration: applies what can change while the bridge runs, and reports the rest. An invalid configuration
    /// changes nothing.
    pub(super) async fn reload(&self) {
        let Some(reload) = &self.options.reload else { return };
        let changes = match reload.apply().await {
            Ok(changes) => changes,
            Err(Failure::Invalid(problems)) => {
                tracing::error!(%problems, "invalid configuration: nothing was changed");
                return;
            }
            // Reported where it was found.
            Err(Failure::Unread | Failure::Busy) => return,
        };
        self.use_secrets(&changes);
        for (sink, rules) in changes.rules {
            tracing::info!(sink, "rules changed: they apply to all events from now on");
            self.context.switches.announce(&sink, rules, &self.context.journal);
        }
        if let Some(level) = &changes.level {
            telemetry::set_level(level);
        }
        let Differences { reload, restart, .. } = changes.differences;
        for Difference { key, .. } in &restart {
            tracing::warn!(key, "changed in the configuration: this takes effect with the next restart");
        }
        tracing::info!(applied = reload.len(), need_restart = restart.len(), "configuration reloaded");
    }

    /// Passes on credentials, which are used from the next login on, and a sink's secrets and certificates, which are used by a new
    /// connection.
    fn use_secrets(&self, changes: &Changes) {
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
    }
}
