//! The API client and the account of a source, by its configuration.

use std::path::PathBuf;

use super::config::Config;
use crate::{
    api,
    auth::{self, Account},
};

/// The API of one source. Reads files, connects to nothing.
pub(crate) fn client(config: &Config) -> Result<api::Client, api::ApiError> {
    api::Client::new(api::Config {
        base: config.base.clone(),
        trust: config.trust.clone(),
        proxy: config.proxy.as_ref().map(|proxy| proxy.with_user_info().clone()),
        connect_timeout: config.connect_timeout,
        request_timeout: config.request_timeout,
        // An answer may be larger than any frame.
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
pub(crate) fn account(config: &Config) -> Result<Account, AccountError> {
    account_with(config, None)
}

pub(crate) fn account_with(config: &Config, token_cache: Option<PathBuf>) -> Result<Account, AccountError> {
    let (username, credentials) = (config.username.clone(), config.credentials.clone());
    Ok(Account::new(auth::Config { username, credentials, token_cache }, client(config)?)?)
}
