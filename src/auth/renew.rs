//! Renewal: there is no refresh route, so a token is renewed by another login, ahead of its end.
//!
//! Nobody waits for it. Should it fail until the old token ends, the next [`Account::grant`] logs
//! in just the same; so it retries patiently, and its warnings are seen nowhere else.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    account::{Account, HeldToken, Shared},
    clock,
    error::{AuthError, Consequence},
    token::Token,
};
use crate::{
    bounds,
    request::TriggerReceiver,
    retry::{Backoff, Range},
};

const SOON: Range = Range { from: Duration::from_secs(30), to: Duration::from_mins(10) };
const SLOWLY: Range = Range { from: Duration::from_mins(5), to: Duration::from_hours(1) };

/// Assumed lifetime of a token without an expiry.
const ASSUMED: Duration = Duration::from_hours(24);
/// For one logout of an old token.
const LOGOUT: Duration = Duration::from_secs(10);

/// When to renew: after 70 to 80 % of the lifetime, spread by `jitter` (0 to 1) so that several
/// bridges started together don't log in together. Of the usual two weeks almost three days are left
/// for retries.
pub(super) fn renew_after(lifetime: Option<Duration>, jitter: f64) -> Duration {
    let share = 0.8 - 0.1 * jitter.clamp(0.0, 1.0);
    let lifetime = bounds::bounded(lifetime.unwrap_or(ASSUMED), &bounds::TOKEN_LIFETIME);
    lifetime.mul_f64(share).max(*bounds::TOKEN_LIFETIME.start())
}

impl Account {
    /// Renews the token for as long as there is one, and logs out those that are out of use, until
    /// `stop`. After a failure it waits for minutes, or until `retry` is triggered. Run it as a task.
    pub async fn renew(&self, stop: CancellationToken, retry: TriggerReceiver) {
        stop.run_until_cancelled(self.shared.renewals(retry)).await;
    }
}

impl Shared {
    async fn renewals(&self, mut retry: TriggerReceiver) {
        let mut soon = Backoff::new(SOON);
        let mut slowly = Backoff::new(SLOWLY);
        loop {
            self.sweep().await;
            let held = self.held().clone();
            let Some(HeldToken { grant, renew_at }) = held else {
                self.changed.notified().await;
                continue;
            };
            tokio::select! {
                () = self.changed.notified() => continue,
                () = clock::until(&*self.clock, renew_at) => {}
            }
            retry.clear();
            let Err(error) = self.replace(&grant.token).await else {
                soon.reset();
                slowly.reset();
                continue;
            };
            let delay = match error.consequence() {
                Consequence::Soon | Consequence::Later | Consequence::NewLogin => soon.delay(),
                Consequence::Slowly | Consequence::Operator => slowly.delay(),
            };
            let delay = delay.max(error.retry_after().unwrap_or_default());
            let user = &self.username;
            warn!(user, %error, again_in = ?delay, "could not renew the token; the current one stays in use");
            tokio::select! {
                () = self.clock.sleep(delay) => {}
                () = retry.triggered() => {}
            }
        }
    }

    /// Logs in and swaps. Nothing if `old` is no longer the token in use.
    async fn replace(&self, old: &Token) -> Result<(), AuthError> {
        let mut state = self.login_state.lock().await;
        if !self.held().as_ref().is_some_and(|held| held.grant.token.is_same(old)) {
            return Ok(());
        }
        let grant = self.round(&mut state).await?;
        let user = &self.username;
        info!(user, expires_in = ?grant.token.lifetime(), "token renewed");
        Ok(())
    }

    /// Logs out the retired tokens, once a proven one is in use: then none of them is the user's last,
    /// whose logout would also end the session that live sockets were opened with.
    async fn sweep(&self) {
        loop {
            // Locked for each, so that a login waits for one logout at most.
            let state = self.login_state.lock().await;
            let Some(held) = self.held().clone() else { return };
            let Some(old) = self.retired() else { return };
            let in_use = held.grant.token.is_same(&old);
            if in_use || state.unproven.as_ref().is_some_and(|token| token.is_same(&old)) {
                continue;
            }
            match tokio::time::timeout(LOGOUT, self.client.logout(old.authorization())).await {
                Ok(Ok(())) => debug!("old token logged out"),
                Ok(Err(error)) => debug!(%error, "could not log out an old token"),
                Err(_) => {
                    debug!("logout of an old token timed out: it is left to expire");
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_comes_between_70_and_80_percent_of_the_lifetime() {
        let day = Duration::from_hours(24);
        assert_eq!(renew_after(Some(day * 10), 0.0), day * 8);
        assert!(renew_after(Some(day * 10), 1.0).abs_diff(day * 7) < Duration::from_millis(1));
        assert!(renew_after(None, 0.0) < day, "an unknown end is taken for a near one");
    }

    #[test]
    fn an_absurd_lifetime_neither_prevents_nor_floods_renewals() {
        for (lifetime, expected) in [(0, 10), (6, 10), (20, 16)] {
            let after = renew_after(Some(Duration::from_secs(lifetime)), 0.0);
            assert_eq!(after.as_secs(), expected, "{lifetime}");
        }
        assert!(renew_after(Some(Duration::MAX), 0.0) < *bounds::TOKEN_LIFETIME.end());
    }
}
