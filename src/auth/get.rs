//! What is read from the API with the account's token.

use super::{Account, AuthError, Token};
use crate::api::{ApiError, RefusalReason};

/// Why nothing was read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GetError {
    /// There is no token to ask with.
    #[error(transparent)]
    Login(#[from] AuthError),
    /// The PBX no longer accepts the token. It is discarded: the next [`Account::get`] logs in again.
    #[error("{0}")]
    TokenDied(ApiError),
    /// Everything else; 403 means that the account may not.
    #[error(transparent)]
    Api(ApiError),
}

impl Account {
    /// `GET` of whatever stands below the API's base, with the present token or one from a login: the body of a 200, of
    /// `limit` bytes at most. Cancel safe.
    pub async fn get(&self, path: &str, limit: usize) -> Result<Vec<u8>, GetError> {
        let grant = self.grant().await?;
        let answer = self.shared.client.get(grant.token.authorization(), path, limit).await;
        answer.map_err(|error| {
            if error.is_dead_token() {
                self.discard(&grant.token);
                GetError::TokenDied(error)
            } else {
                GetError::Api(error)
            }
        })
    }

    /// Whether the PBX's middleware has certainly lost this token. Cancel safe.
    pub async fn is_forgotten(&self, token: &Token) -> bool {
        let answer = self.shared.client.me(token.authorization()).await;
        matches!(answer, Err(ApiError::Refused { status: 403, reason: RefusalReason::NoPermission, .. }))
    }
}
