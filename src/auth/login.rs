//! The steps of one login.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use tracing::{info, warn};

use super::{
    account::{Desk, Grant, Shared, Stage},
    clock::Moment,
    credentials::Credentials,
    error::AuthError,
    token::{Claims, Token},
    totp,
};
use crate::{
    api::{self, ApiError, Me, Said},
    bounds,
};

/// A token whose one-time password is due is used again for so long. Should the PBX keep it in its list, yet accept nothing
/// for it, a fresh login is the way out.
const REUSED: Duration = Duration::from_hours(1);

impl Shared {
    /// From nothing to a proven grant. Changes nothing but `desk`.
    pub(super) async fn login(&self, desk: &mut Desk) -> Result<Grant, AuthError> {
        if let Some(left) = desk.unproven.clone().filter(|token| token.is_fresh(self.moment())) {
            match self.client.me(left.authorization()).await {
                Ok(me) => return Ok(self.proven(desk, left, me)),
                Err(error) if !is_dead(&error) => return Err(error.into()),
                Err(_) => self.bury(desk),
            }
        }
        let mut token = self.with_one_time_password(desk).await?;
        self.to_be_proven(desk, &token).await;
        let mut proof = self.client.me(token.authorization()).await;
        // A pending one-time password and a revoked token look alike here. Only the claims tell
        // them apart, and this token has none that we can read.
        if token.claims().is_none() && desk.keys.codes.is_some() && is_no_permission(&proof) {
            token = self.one_time_password(desk, token).await?;
            self.to_be_proven(desk, &token).await;
            proof = self.client.me(token.authorization()).await;
        }
        match proof {
            Ok(me) => Ok(self.proven(desk, token, me)),
            Err(ApiError::Refused { url, status, said }) if !token.is_ours() && status < 500 => {
                let user = self.username.clone();
                Err(match said {
                    // The backend's own answer: the token is listed, and what stands behind it is gone.
                    Said::Nothing => AuthError::TokenAsleep { url, user, status },
                    _ => AuthError::TokenRefused { url, user, status },
                })
            }
            Err(ApiError::Refused { url, status, .. }) if matches!(status, 400 | 401 | 403) => {
                self.bury(desk);
                let again = desk.dead > 0;
                desk.dead = desk.dead.saturating_add(1);
                Err(AuthError::DeadSession { url, user: self.username.clone(), status, again })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The token that the proof comes next for.
    async fn with_one_time_password(&self, desk: &mut Desk) -> Result<Token, AuthError> {
        if let Some(pending) = desk.pending.take().filter(|token| self.may_be_reused(token)) {
            match self.second(desk, pending, true).await {
                // It was withdrawn since it was received, as by a restart of the PBX, or the secret was.
                Err(AuthError::Withdrawn { .. } | AuthError::OtpNoSecret { .. }) => desk.pending = None,
                outcome => return outcome,
            }
        }
        let token = self.first(desk).await?;
        let due = token.claims().is_some_and(Claims::otp_due);
        if due { self.second(desk, token, false).await } else { Ok(token) }
    }

    fn may_be_reused(&self, pending: &Token) -> bool {
        let now = self.moment();
        pending.is_fresh(now) && now.since(pending.received()) < REUSED
    }

    /// The one-time password, for a token that stays pending if it is refused or missing.
    async fn second(&self, desk: &mut Desk, pending: Token, is_reused: bool) -> Result<Token, AuthError> {
        let has_code = desk.keys.codes.is_some() || desk.given.is_some();
        let outcome = if is_reused && !has_code {
            Err(self.without_code(&pending).await)
        } else {
            self.one_time_password(desk, pending.clone()).await
        };
        // Whatever else went wrong, the PBX may have accepted the code, which ends the token.
        let is_left = |error: &AuthError| error.is_refusal() && !matches!(error, AuthError::Withdrawn { .. });
        if outcome.as_ref().is_err_and(is_left) {
            desk.pending = Some(pending);
        }
        outcome
    }

    /// The token that a one-time password or the proof comes next for.
    async fn first(&self, desk: &mut Desk) -> Result<Token, AuthError> {
        let user = &self.username;
        self.stage.send_replace(Stage::Password);
        let refused = |error| AuthError::at_login(error, user);
        match desk.keys.credentials.clone() {
            Credentials::Password { password, .. } => {
                let login = self.client.login(user, &password).await.map_err(refused)?;
                Ok(self.received(desk, login))
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
    pub(super) async fn one_time_password(&self, desk: &mut Desk, token: Token) -> Result<Token, AuthError> {
        let user = &self.username;
        let url = || self.client.url().to_string();
        self.stage.send_replace(Stage::OneTimePassword);
        if let Some(code) = desk.given.take() {
            let login = self.client.verify_otp(user, token.secret(), &code).await;
            return match login {
                Ok(login) => Ok(self.received(desk, login)),
                Err(ApiError::Refused { said: Said::InvalidOtp, .. }) => {
                    Err(AuthError::CodeRefused { url: url(), user: user.clone() })
                }
                Err(error) => Err(AuthError::at_otp(error, user)),
            };
        }
        // One more by the other clock or, where both agree, in the next step: a code may be late by the time it arrives.
        for own in [desk.own_clock, !desk.own_clock] {
            let ahead = if own { SignedDuration::ZERO } else { desk.ahead };
            let Some(codes) = &mut desk.keys.codes else {
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
                    self.follow(desk, own);
                    return Ok(self.received(desk, login));
                }
                Err(ApiError::Refused { said: Said::InvalidOtp, .. }) => {}
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
    fn follow(&self, desk: &mut Desk, own: bool) {
        if desk.ahead.is_zero() || desk.own_clock == own {
            return;
        }
        desk.own_clock = own;
        if own {
            info!(
                user = self.username,
                date_ahead_s = desk.ahead.as_secs(),
                "the `Date` of the PBX's answers is not its clock, perhaps that of a proxy: one-time passwords follow \
                 this machine's clock"
            );
        }
    }

    fn received(&self, desk: &mut Desk, login: api::Login) -> Token {
        let now = self.moment();
        if let Some(date) = login.date {
            // Not believed beyond that: codes follow this machine's clock then.
            let ahead = Some(totp::skew(date, now.wall))
                .filter(|ahead| ahead.unsigned_abs() <= *bounds::CLOCK_OFFSET.end())
                .unwrap_or_default();
            // `Date` alone makes it waver by a second: that is no change.
            if (ahead - desk.ahead).abs() >= SignedDuration::from_secs(2) {
                warn!(
                    user = self.username,
                    pbx_ahead_s = ahead.as_secs(),
                    "the clocks of PBX and this machine differ; one-time passwords follow the PBX's as long as it accepts them"
                );
                desk.ahead = ahead;
            }
        }
        Token::new(login, now, desk.ahead)
    }

    fn moment(&self) -> Moment {
        Moment::now(&*self.clock)
    }

    /// Kept before the proof, so that neither a dropped future nor the end of the process loses it.
    async fn to_be_proven(&self, desk: &mut Desk, token: &Token) {
        if token.is_ours() {
            desk.unproven = Some(token.clone());
            if let Some(cache) = &self.cache {
                cache.save(token).await;
            }
        }
        self.stage.send_replace(Stage::Proof);
    }

    fn proven(&self, desk: &mut Desk, token: Token, me: Me) -> Grant {
        desk.unproven = None;
        desk.dead = 0;
        Grant { token, me, username: self.username.clone() }
    }

    /// A dead session's token is still in the PBX's list, where it would stay for two weeks.
    fn bury(&self, desk: &mut Desk) {
        if let Some(token) = desk.unproven.take() {
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

fn is_no_permission(proof: &Result<Me, ApiError>) -> bool {
    matches!(proof, Err(ApiError::Refused { status: 403, said: Said::NoPermission, .. }))
}
