//! Two-factor authentication for the account itself: what the commands `2fa …` need beyond a grant.

use jiff::SignedDuration;
use secrecy::SecretString;

use super::{
    account::{Account, Grant},
    error::AuthError,
    totp::{Codes, Totp},
};
use crate::text::secrets;

impl Account {
    /// A grant from a login with a one-time password, or a recovery code, that a person typed.
    pub async fn grant_with(&self, code: SecretString) -> Result<Grant, AuthError> {
        secrets::register(&code);
        let mut state = self.shared.login_state.lock().await;
        state.given = Some(code);
        let outcome = self.shared.round(&mut state).await;
        // The login may not have asked for it.
        state.given = None;
        outcome
    }

    /// Proves to the PBX that we can compute the one-time passwords of `secret`, which switches two-factor
    /// authentication on. The first time all other tokens of the user end; `grant`'s own ends in any case.
    ///
    /// An error that [`AuthError::is_refusal`] leaves everything as it was; after another the PBX may have
    /// switched it on without our seeing the answer.
    pub async fn enrol(&self, grant: &Grant, secret: &SecretString) -> Result<Grant, AuthError> {
        let shared = &self.shared;
        let totp = Totp::new(secret)?;
        let mut state = shared.login_state.lock().await;
        state.keys.codes = Some(Codes::new(totp));
        let token = shared.one_time_password(&mut state, grant.token.clone()).await?;
        let grant = Grant { token, ..grant.clone() };
        shared.hold(grant.clone());
        Ok(grant)
    }

    /// How far the PBX's clock is ahead of ours, as of the last login.
    pub async fn ahead(&self) -> SignedDuration {
        self.shared.login_state.lock().await.ahead
    }

    /// The PBX's REST interface.
    pub fn client(&self) -> &crate::api::Client {
        &self.shared.client
    }
}
