//! The account: holds the token, and allows one login at a time.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, MutexGuard};
use secrecy::SecretString;
use tokio::sync::{Notify, watch};
use tracing::{Instrument as _, warn};

use super::{
    cache::Cache,
    clock::{Clock, Moment, System},
    credentials::{Credentials, Keys},
    error::AuthError,
    renew::renew_after,
    token::Token,
};
use crate::{api, bounds};

/// The settings of an account.
#[derive(Debug, Clone)]
pub struct Config {
    /// In lower case, without `@domain`, and never an extension: the middleware accepts those at login, but the
    /// resulting session is dead.
    pub username: String,
    /// The method and its secrets.
    pub credentials: Credentials,
    /// Where the token outlives the process; then a stop doesn't log it out. Of use with a password only.
    pub token_cache: Option<PathBuf>,
}

/// A user of a PBX. Cheap to clone; clones share the token.
#[derive(Clone)]
pub struct Account {
    pub(super) shared: Arc<Shared>,
}

/// The step of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    /// User name and password, or no login.
    #[default]
    Password,
    /// The one-time password: it may have to wait for the next step, twice.
    OneTimePassword,
    /// The proof that the token works.
    Proof,
}

/// A proven token, and what it gives access to.
#[derive(Debug, Clone)]
pub struct Grant {
    /// For REST and for the socket's login.
    pub token: Token,
    /// The user as of the proof.
    pub me: api::Me,
    /// The name for the socket's login: exactly as at the login.
    pub username: String,
}

pub(super) struct Shared {
    /// Exactly as at every login.
    pub(super) username: String,
    /// Replaces the credentials at the next login.
    renewed: Mutex<Option<Keys>>,
    pub(super) cache: Option<Cache>,
    pub(super) client: api::Client,
    pub(super) clock: Arc<dyn Clock>,
    /// Held during a whole login or logout. The middleware's session table has no lock of its own and has been
    /// seen to crash under parallel logins.
    pub(super) login_state: tokio::sync::Mutex<LoginState>,
    held: Mutex<Option<HeldToken>>,
    /// Tokens out of use that the PBX may still list.
    retired: Mutex<Vec<Token>>,
    /// Finished logins, successful or not.
    rounds: AtomicU64,
    /// Wakes the renewal: the token in use changed, or one retired.
    pub(super) changed: Notify,
    /// The step of the current or last login.
    pub(super) stage: watch::Sender<Stage>,
    counters: Mutex<LoginCounters>,
}

/// The logins since the process started, and the offset of the PBX's clock.
#[derive(Debug, Clone, Copy, Default)]
struct LoginCounters {
    succeeded: u64,
    refused: u64,
    unanswered: u64,
    ahead: SignedDuration,
}

/// The state of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountStats {
    /// Expiry of the token; `None` without a token, or if unknown.
    pub expires: Option<Timestamp>,
    /// Time of the renewal; `None` if there is none.
    pub renews: Option<Timestamp>,
    /// Successful logins.
    pub succeeded: u64,
    /// Logins that the PBX refused.
    pub refused: u64,
    /// Logins without a valid answer.
    pub unanswered: u64,
    /// How far the PBX's clock is ahead of ours, as of the last login.
    pub ahead: SignedDuration,
}

/// State that only the current login may touch.
pub(super) struct LoginState {
    pub(super) keys: Keys,
    /// A one-time password or recovery code that a person typed, for the next login.
    pub(super) given: Option<SecretString>,
    /// How far the PBX's clock is ahead of ours, by the `Date` of its answers.
    pub(super) ahead: SignedDuration,
    /// One-time passwords follow our clock: the PBX accepted one computed by it after refusing one computed by the `Date` of
    /// its answers, which a proxy may have written.
    pub(super) own_clock: bool,
    /// A token whose one-time password was refused, or missing: the next login starts with it. The PBX lists it until it
    /// expires, and refuses to log it out.
    pub(super) pending: Option<Token>,
    /// A token whose proof got no answer: the next login starts with the proof, which saves a password check and a one-time
    /// password.
    pub(super) unproven: Option<Token>,
    /// Consecutive dead sessions.
    pub(super) dead: u32,
    /// The error of the last login.
    failure: Option<AuthError>,
}

#[derive(Clone)]
pub(super) struct HeldToken {
    pub(super) grant: Grant,
    /// `None` disables the renewal.
    pub(super) renew_at: Option<Moment>,
}

impl Account {
    /// Fails only if the TOTP secret is invalid. Makes no request; reads the token cache.
    pub fn new(config: Config, client: api::Client) -> Result<Self, AuthError> {
        Self::with_clock(config, client, Arc::new(System))
    }

    /// [`Account::new`] on another clock.
    pub fn with_clock(config: Config, client: api::Client, clock: Arc<dyn Clock>) -> Result<Self, AuthError> {
        let Config { username, credentials, token_cache } = config;
        let keys = Keys::new(credentials)?;
        let token_cache = token_cache.filter(|_| matches!(keys.credentials, Credentials::Password { .. }));
        let cache = token_cache.map(|path| Cache::new(path, client.url(), &username));
        let state = LoginState {
            keys,
            given: None,
            ahead: SignedDuration::ZERO,
            own_clock: false,
            pending: None,
            unproven: cache.as_ref().and_then(|cache| cache.load(Moment::now(&*clock))),
            dead: 0,
            failure: None,
        };
        Ok(Self {
            shared: Arc::new(Shared {
                username,
                renewed: Mutex::new(None),
                cache,
                client,
                clock,
                login_state: tokio::sync::Mutex::new(state),
                held: Mutex::new(None),
                retired: Mutex::new(Vec::new()),
                rounds: AtomicU64::new(0),
                changed: Notify::new(),
                stage: watch::Sender::default(),
                counters: Mutex::default(),
            }),
        })
    }

    /// Returns the current grant, or logs in.
    ///
    /// Of several callers one logs in, and all get its outcome. May take a minute: a
    /// one-time password may have to wait for the next step, twice. It does not retry otherwise; see
    /// [`AuthError::consequence`].
    ///
    /// Cancel safe: a login that has started continues for the next caller.
    pub async fn grant(&self) -> Result<Grant, AuthError> {
        if let Some(grant) = self.shared.current() {
            return Ok(grant);
        }
        let shared = Arc::clone(&self.shared);
        // In a task of its own: the PBX completes a login whose client has gone, so a cancelled login would run beside the
        // next one, and leave a token that nobody logs out.
        match tokio::spawn(async move { shared.grant().await }.in_current_span()).await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// The step of the current login; after a failed one, the step that failed.
    pub fn stages(&self) -> watch::Receiver<Stage> {
        self.shared.stage.subscribe()
    }

    /// The state of the account.
    pub fn stats(&self) -> AccountStats {
        let counters = *self.shared.counters.lock();
        let held = self.shared.held();
        let token = held.as_ref().map(|held| &held.grant.token);
        let now = Moment::now(&*self.shared.clock);
        // By the current wall clock, which may have been set since.
        let wall = |at: Moment| now.wall.checked_add(at.uptime - now.uptime).ok();
        let expires = token.and_then(|token| wall(token.received().after(token.lifetime()?)?));
        let renews = held.as_ref().and_then(|held| wall(held.renew_at?));
        let LoginCounters { succeeded, refused, unanswered, ahead } = counters;
        AccountStats { expires, renews, succeeded, refused, unanswered, ahead }
    }

    /// Reports that the PBX no longer accepts this token: the next [`Account::grant`] logs in again. Without effect if the
    /// token is no longer in use, so a late report cannot discard its successor.
    pub fn discard(&self, token: &Token) {
        let shared = &self.shared;
        let discarded = {
            let mut held = shared.held();
            if held.as_ref().is_some_and(|held| held.grant.token.is_same(token)) { held.take() } else { None }
        };
        if let Some(HeldToken { grant, .. }) = discarded {
            // It may still be listed; logging out a dead token does no harm.
            shared.retire(grant.token);
        }
    }

    /// Replaces the credentials by others of the same method, from the next login on. The token stays until then.
    /// Fails only if the TOTP secret is invalid.
    pub fn renew_credentials(&self, credentials: Credentials) -> Result<(), AuthError> {
        let keys = Keys::new(credentials)?;
        *self.shared.renewed.lock() = Some(keys);
        Ok(())
    }

    /// Logs out every token that the PBX may still list, for a clean stop; stop the renewal first. Takes at most `limit`;
    /// tokens that cannot be logged out expire. Open sockets stay up. A cached token stays for the next start.
    pub async fn logout(&self, limit: Duration) {
        let shared = &self.shared;
        let all = async {
            let mut state = shared.login_state.lock().await;
            let mut tokens = std::mem::take(&mut *shared.retired.lock());
            let unproven = state.unproven.take();
            let held = shared.held().take().map(|held| held.grant.token);
            let kept = unproven.clone().or_else(|| held.clone()).filter(|_| shared.cache.is_some());
            tokens.extend(unproven.into_iter().chain(held));
            tokens.retain(|token| token.is_ours() && !kept.as_ref().is_some_and(|kept| kept.is_same(token)));
            for (index, token) in tokens.iter().enumerate() {
                if tokens[..index].iter().any(|earlier| earlier.is_same(token)) {
                    continue;
                }
                if let Err(error) = shared.client.logout(token.authorization()).await {
                    tracing::debug!(%error, "could not log out a token");
                }
            }
        };
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::debug!("logout timed out: the token is left to expire");
        }
    }
}

impl Shared {
    pub(super) fn held(&self) -> MutexGuard<'_, Option<HeldToken>> {
        self.held.lock()
    }

    fn current(&self) -> Option<Grant> {
        let now = Moment::now(&*self.clock);
        self.held().as_ref().filter(|held| held.grant.token.is_fresh(now)).map(|held| held.grant.clone())
    }

    async fn grant(&self) -> Result<Grant, AuthError> {
        let seen = self.rounds.load(Ordering::Acquire);
        let mut state = self.login_state.lock().await;
        if let Some(grant) = self.current() {
            return Ok(grant);
        }
        if self.rounds.load(Ordering::Acquire) != seen
            && let Some(failure) = &state.failure
        {
            return Err(failure.clone());
        }
        self.round(&mut state).await
    }

    /// Runs one login; all waiting callers get its outcome.
    pub(super) async fn round(&self, state: &mut LoginState) -> Result<Grant, AuthError> {
        let renewed = self.renewed.lock().take();
        if let Some(keys) = renewed {
            state.keys = keys;
        }
        let outcome = self.login(state).await;
        self.count(&outcome, state.ahead);
        state.failure = outcome.as_ref().err().cloned();
        if let Ok(grant) = &outcome {
            self.hold(grant.clone());
        }
        self.rounds.fetch_add(1, Ordering::Release);
        outcome
    }

    fn count(&self, outcome: &Result<Grant, AuthError>, ahead: SignedDuration) {
        let mut counters = self.counters.lock();
        counters.ahead = ahead;
        match outcome {
            Ok(_) => counters.succeeded += 1,
            Err(error) if error.is_refusal() => counters.refused += 1,
            Err(_) => counters.unanswered += 1,
        }
    }

    pub(super) fn hold(&self, grant: Grant) {
        let renew_at = (grant.token.is_renewed())
            .then(|| renew_after(grant.token.lifetime(), fastrand::f64()))
            .and_then(|after| grant.token.received().after(after));
        let new = grant.token.clone();
        let before = self.held().replace(HeldToken { grant, renew_at });
        if new.is_short_lived() && !before.as_ref().is_some_and(|before| before.grant.token.is_short_lived())
        {
            warn!(
                user = self.username,
                lifetime = ?new.lifetime(),
                renewed_every = ?bounds::TOKEN_LIFETIME.start(),
                "the PBX issues tokens that expire at once: check the clock and the settings of its CTI middleware"
            );
        }
        match before {
            Some(before) if !before.grant.token.is_same(&new) => self.retire(before.grant.token),
            _ => self.changed.notify_one(),
        }
    }

    pub(super) fn retire(&self, token: Token) {
        /// A PBX that is down accepts no logouts, and the oldest tokens expire first anyway.
        const LIMIT: usize = 16;
        if !token.is_ours() {
            return;
        }
        let mut retired = self.retired.lock();
        if retired.len() == LIMIT {
            retired.remove(0);
        }
        retired.push(token);
        drop(retired);
        self.changed.notify_one();
    }

    pub(super) fn retired(&self) -> Option<Token> {
        self.retired.lock().pop()
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("username", &self.shared.username)
            .field("client", &self.shared.client)
            .finish_non_exhaustive()
    }
}
