//! The steps of a login.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use tracing::{info, warn};

use super::{
    account::{Grant, LoginState, Shared, Stage},
    clock::Moment,
    credentials::Credentials,
    error::AuthError,
    token::{Claims, Token},
    totp,
};
use crate::{
    api::{self, ApiError, Me, RefusalReason},
    bounds,
};

/// A token whose one-time password is due is reused for this long. If the PBX lists it but accepts no code for it, a new
/// login is the only remedy.
const REUSED: Duration = Duration::from_hours(1);

impl Shared {
    /// Logs in, up to a proven grant. Changes nothing but `state`.
    pub(super) async fn login(&self, state: &mut LoginState) -> Result<Grant, AuthError> {
        if let Some(grant) = self.prove_leftover(state).await? {
            return Ok(grant);
        }
        let mut token = self.with_one_time_password(state).await?;
        let mut proof = self.prove(state, &token).await;
        // A pending one-time password and a revoked token look alike here. Only the claims tell
        // them apart, and this token has none that we can read.
        if token.claims().is_none()
            && state.keys.codes.is_some()
            && proof.as_ref().is_err_and(is_no_permission)
        {
            token = self.one_time_password(state, token).await?;
            proof = self.prove(state, &token).await;
        }
        match proof {
            Ok(me) => Ok(self.proven(state, token, me)),
            Err(error) => Err(self.not_proven(state, &token, error)),
        }
    }

    /// The grant of a token whose proof got no answer before.
    async fn prove_leftover(&self, state: &mut LoginState) -> Result<Option<Grant>, AuthError> {
        let Some(left) = state.unproven.clone().filter(|token| token.is_fresh(self.moment())) else {
            return Ok(None);
        };
        match self.client.me(left.authorization()).await {
            Ok(me) => Ok(Some(self.proven(state, left, me))),
            Err(error) if !is_dead(&error) => Err(error.into()),
            Err(_) => {
                self.retire_unproven(state);
                Ok(None)
            }
        }
    }

    /// Asks the PBX what the token opens. It is kept before, so that neither a dropped future nor the end of the process
    /// loses it.
    async fn prove(&self, state: &mut LoginState, token: &Token) -> Result<Me, ApiError> {
        if token.is_ours() {
            state.unproven = Some(token.clone());
            if let Some(cache) = &self.cache {
                cache.save(token).await;
            }
        }
        self.stage.send_replace(Stage::Proof);
        self.client.me(token.authorization()).await
    }

    fn not_proven(&self, state: &mut LoginState, token: &Token, error: ApiError) -> AuthError {
        let user = self.username.clone();
        match error {
            // The backend's own answer: the token is listed, and its session is gone.
            ApiError::Refused { url, status, reason: RefusalReason::Nothing }
                if !token.is_ours() && status < 500 =>
            {
                AuthError::TokenAsleep { url, user, status }
            }
            ApiError::Refused { url, status, .. } if !token.is_ours() && status < 500 => {
                AuthError::TokenRefused { url, user, status }
            }
            ApiError::Refused { url, status, .. } if matches!(status, 400 | 401 | 403) => {
                self.retire_unproven(state);
                let again = state.dead > 0;
                state.dead = state.dead.saturating_add(1);
                AuthError::DeadSession { url, user, status, again }
            }
            error => error.into(),
        }
    }

    /// Gets a token that only the proof is missing for.
    async fn with_one_time_password(&self, state: &mut LoginState) -> Result<Token, AuthError> {
        if let Some(pending) = state.pending.take().filter(|token| self.may_be_reused(token)) {
            match self.second(state, pending, true).await {
                // The token was revoked since it was received, as by a restart of the PBX, or the secret was.
                Err(AuthError::Withdrawn { .. } | AuthError::OtpNoSecret { .. }) => state.pending = None,
                outcome => return outcome,
            }
        }
        let token = self.first(state).await?;
        let due = token.claims().is_some_and(Claims::otp_due);
        if due { self.second(state, token, false).await } else { Ok(token) }
    }

    fn may_be_reused(&self, pending: &Token) -> bool {
        let now = self.moment();
        pending.is_fresh(now) && now.since(pending.received()) < REUSED
    }

    /// The one-time password, for a token that stays pending if it is refused or missing.
    async fn second(
        &self,
        state: &mut LoginState,
        pending: Token,
        is_reused: bool,
    ) -> Result<Token, AuthError> {
        let has_code = state.keys.codes.is_some() || state.given.is_some();
        let outcome = if is_reused && !has_code {
            Err(self.without_code(&pending).await)
        } else {
            self.one_time_password(state, pending.clone()).await
        };
        // Whatever else went wrong, the PBX may have accepted the code, which ends the token.
        let is_left = |error: &AuthError| error.is_refusal() && !matches!(error, AuthError::Withdrawn { .. });
        if outcome.as_ref().is_err_and(is_left) {
            state.pending = Some(pending);
        }
        outcome
    }

    /// Gets a token that a one-time password or the proof is missing for.
    async fn first(&self, state: &mut LoginState) -> Result<Token, AuthError> {
        let user = &self.username;
        self.stage.send_replace(Stage::Password);
        let refused = |error| AuthError::at_login(error, user);
        match state.keys.credentials.clone() {
            Credentials::Password { password, .. } => {
                let login = self.client.login(user, &password).await.map_err(refused)?;
                Ok(self.received(state, login))
            }
            Credentials::Token(token) => Ok(Token::persistent(token, self.moment())),
            Credentials::Legacy { password } => {
                let token = self.client.legacy_login(user, &password).await.map_err(refused)?;
                Ok(Token::legacy(user.clone(), token, self.moment()))
            }
        }
    }

    /// The step-1 token is dead afterwards. Should this fail, it stays listed until it expires: a
    /// logout with the one-time password pending is refused.
    pub(super) async fn one_time_password(
        &self,
        state: &mut LoginState,
        token: Token,
    ) -> Result<Token, AuthError> {
        let user = &self.username;
        let url = || self.client.url().to_string();
        self.stage.send_replace(Stage::OneTimePassword);
        if let Some(code) = state.given.take() {
            let login = self.client.verify_otp(user, token.secret(), &code).await;
            return match login {
                Ok(login) => Ok(self.received(state, login)),
                Err(ApiError::Refused { reason: RefusalReason::InvalidOtp, .. }) => {
                    Err(AuthError::CodeRefused { url: url(), user: user.clone() })
                }
                Err(error) => Err(AuthError::at_otp(error, user)),
            };
        }
        // One more by the other clock or, where both agree, in the next step: a code may be late by the time it arrives.
        for own in [state.own_clock, !state.own_clock] {
            let ahead = if own { SignedDuration::ZERO } else { state.ahead };
            let Some(codes) = &mut state.keys.codes else {
                return Err(AuthError::OtpMissing { url: url(), user: user.clone() });
            };
            let code = loop {
                match codes.take(pbx_time(self.clock.now(), ahead)) {
                    Ok(code) => break code,
                    Err(wait) => self.clock.sleep(wait).await,
                }
            };
            match self.client.verify_otp(user, token.secret(), &code).await {
                Ok(login) => {
                    self.follow(state, own);
                    return Ok(self.received(state, login));
                }
                Err(ApiError::Refused { reason: RefusalReason::InvalidOtp, .. }) => {}
                Err(error) => return Err(AuthError::at_otp(error, user)),
            }
        }
        Err(AuthError::OtpRefused { url: url(), user: user.clone() })
    }

    /// There is no code for a token that was received earlier. It may have been withdrawn since, and two-factor
    /// authentication switched off: an empty code, which can't be right, shows whether the PBX still lists it.
    async fn without_code(&self, token: &Token) -> AuthError {
        let user = &self.username;
        match self.client.verify_otp(user, token.secret(), &SecretString::default()).await {
            Ok(_) | Err(ApiError::Refused { status: 400, .. }) => {
                AuthError::OtpMissing { url: self.client.url().to_string(), user: user.clone() }
            }
            Err(error) => AuthError::at_otp(error, user),
        }
    }

    /// The PBX accepted a code by our clock, or by that of its answers.
    fn follow(&self, state: &mut LoginState, own: bool) {
        if state.ahead.is_zero() || state.own_clock == own {
            return;
        }
        state.own_clock = own;
        if own {
            info!(
                user = self.username,
                date_ahead_s = state.ahead.as_secs(),
                "the `Date` of the PBX's answers is not its clock, perhaps that of a proxy: one-time passwords follow \
                 this machine's clock"
            );
        }
    }

    fn received(&self, state: &mut LoginState, login: api::Login) -> Token {
        let now = self.moment();
        if let Some(date) = login.date {
            // Not believed beyond that: codes follow this machine's clock then.
            let ahead = Some(totp::skew(date, now.wall))
                .filter(|ahead| ahead.unsigned_abs() <= *bounds::CLOCK_OFFSET.end())
                .unwrap_or_default();
            // `Date` alone makes it waver by a second: that is no change.
            if (ahead - state.ahead).abs() >= SignedDuration::from_secs(2) {
                warn!(
                    user = self.username,
                    pbx_ahead_s = ahead.as_secs(),
                    "the clocks of PBX and this machine differ; one-time passwords follow the PBX's as long as it accepts them"
                );
                state.ahead = ahead;
            }
        }
        Token::new(login, now, state.ahead)
    }

    fn moment(&self) -> Moment {
        Moment::now(&*self.clock)
    }

    fn proven(&self, state: &mut LoginState, token: Token, me: Me) -> Grant {
        state.unproven = None;
        state.dead = 0;
        Grant { token, me, username: self.username.clone() }
    }

    /// A dead session's token is still in the PBX's list, where it would stay for two weeks.
    fn retire_unproven(&self, state: &mut LoginState) {
        if let Some(token) = state.unproven.take() {
            self.retire(token);
        }
    }
}

fn pbx_time(now: Timestamp, ahead: SignedDuration) -> Timestamp {
    now.saturating_add(ahead).unwrap_or(now)
}

fn is_dead(error: &ApiError) -> bool {
    matches!(error, ApiError::Refused { status: 400 | 401 | 403, .. })
}

fn is_no_permission(error: &ApiError) -> bool {
    matches!(error, ApiError::Refused { status: 403, reason: RefusalReason::NoPermission, .. })
}
