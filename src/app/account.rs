//! The account of each source: made at the start, and its credentials read again.

use std::path::PathBuf;

use jiff::Timestamp;

use super::{REREAD, Running};
use crate::{
    api,
    auth::{self, Account},
    health::{Health, State},
    reload::Changes,
    session,
};

impl Running {
    /// Without being asked, while a source or sink fails, or a token is about to be renewed, or was not when it should have
    /// been: a secret that is mounted may be replaced without a signal, and each login with an old password counts in the
    /// directory.
    pub(super) async fn look_for_credentials(&mut self) {
        let is_failing = |(_, health): &(&String, &Health)| matches!(health.state, State::Failing { .. });
        let board = self.context.board.snapshot();
        let failing = |kind: &str| board.iter().filter(is_failing).any(|(name, _)| name.starts_with(kind));
        let soon = Timestamp::now() + REREAD * 2;
        let due = |account: &Account| account.figures().renews.is_some_and(|at| at < soon);
        if !failing("source/") && !failing("sink/") && !self.accounts.values().any(due) {
            return;
        }
        if self.reread(false).await.is_some_and(|changes| !changes.credentials.is_empty()) {
            self.retry.make();
        }
    }

    /// Credentials that have changed are used from the next login on; secrets and certificates of a sink by a new
    /// connection. Unless it was asked for, a sink that works keeps the one it has.
    pub(super) async fn reread(&mut self, asked: bool) -> Option<Changes> {
        let board = self.context.board.clone();
        let includes = |sink: &str| asked || !board.is_active(&format!("sink/{sink}"));
        let changes = match self.options.reload.as_mut()?.read(includes).await {
            Ok(changes) => changes,
            Err(problems) => {
                if asked {
                    tracing::error!(%problems, "the configuration can't be used now: everything stays as it was");
                }
                return None;
            }
        };
        for (sink, config) in &changes.sinks {
            tracing::info!(sink, "secrets or certificates have changed: connecting with the new ones");
            self.context.renewals.announce(sink, config.clone());
        }
        for (source, credentials) in &changes.credentials {
            let Some(account) = self.accounts.get(source) else { continue };
            match account.renew_credentials(credentials.clone()) {
                Ok(()) => tracing::info!(source, "new credentials: the next login is made with them"),
                Err(error) => tracing::error!(source, %error, "new credentials are of no use"),
            }
        }
        Some(changes)
    }
}

/// The API of one source. Reads files, connects to nothing.
pub(crate) fn client(config: &session::config::Config) -> Result<api::Client, api::ApiError> {
    api::Client::new(api::Config {
        base: config.base.clone(),
        trust: config.trust.clone(),
        proxy: config.proxy.as_ref().map(|proxy| proxy.with_user_info().clone()),
        connect_timeout: config.connect_timeout,
        request_timeout: config.request_timeout,
        // Not less than ever held, however small the frames are to be.
        max_answer: config.max_frame.max(4 << 20),
    })
}

/// Why a source has no account; each says the remedy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error(transparent)]
    Api(#[from] api::ApiError),
    #[error(transparent)]
    Auth(#[from] auth::AuthError),
}

/// The account of one source. Reads files, connects to nothing.
pub(crate) fn account(config: &session::config::Config) -> Result<Account, AccountError> {
    account_with(config, None)
}

pub(super) fn account_with(
    config: &session::config::Config,
    token_cache: Option<PathBuf>,
) -> Result<Account, AccountError> {
    let (username, credentials) = (config.username.clone(), config.credentials.clone());
    Ok(Account::new(auth::Config { username, credentials, token_cache }, client(config)?)?)
}
