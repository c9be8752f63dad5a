//! The account: who holds the token, and who may log in.

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

/// What the account logs in with.
#[derive(Debug, Clone)]
pub struct Config {
    /// In lower case, without `@domain`, and never an extension: the middleware takes those at login, but the
    /// session behind them is dead.
    pub username: String,
    /// How it logs in, and with what.
    pub credentials: Credentials,
    /// Where the token outlives the process; then a stop doesn't log it out. Of use with a password only.
    pub token_cache: Option<PathBuf>,
}

/// One user of one PBX. A cheap handle: clones share the token.
#[derive(Clone)]
pub struct Account {
    pub(super) shared: Arc<Shared>,
}

/// What a login is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    /// Nothing, or user name and password.
    #[default]
    Password,
    /// The one-time password: it may have to wait for the next step, twice.
    OneTimePassword,
    /// Proving that the token is of use.
    Proof,
}

/// Access: a token that has been proven, and what it opens.
#[derive(Debug, Clone)]
pub struct Grant {
    /// For REST and for the socket's login.
    pub token: Token,
    /// As of when the token was proven.
    pub me: api::Me,
    /// The name to log the socket in with: the same text as at login.
    pub username: String,
}

pub(super) struct Shared {
    /// As at every login, letter for letter.
    pub(super) username: String,
    /// For the next login, in place of those it has.
    renewed: Mutex<Option<Keys>>,
    pub(super) cache: Option<Cache>,
    pub(super) client: api::Client,
    pub(super) clock: Arc<dyn Clock>,
    /// Held during a whole login or logout. The middleware's session table has no lock of its own and has been
    /// seen to crash under parallel logins.
    pub(super) login_state: tokio::sync::Mutex<LoginState>,
    held: Mutex<Option<Held>>,
    /// Tokens out of use that the PBX may still list.
    retired: Mutex<Vec<Token>>,
    /// Finished logins, good or bad.
    rounds: AtomicU64,
    /// Wakes the renewal: the token in use changed, or one retired.
    pub(super) changed: Notify,
    /// Where the login under way, or the last one, has got to.
    pub(super) stage: watch::Sender<Stage>,
    counted: Mutex<Counted>,
}

/// What became of logins since the process began, and what is known of the PBX's clock.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    succeeded: u64,
    refused: u64,
    unanswered: u64,
    ahead: SignedDuration,
}

/// How an account stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// When its token ends; none if there is no token, or its end is not known.
    pub expires: Option<Timestamp>,
    /// When it is renewed; none if it never is.
    pub renews: Option<Timestamp>,
    /// Logins that brought a token.
    pub succeeded: u64,
    /// Logins that the PBX turned down.
    pub refused: u64,
    /// Logins that it did not answer, or not as a PBX does.
    pub unanswered: u64,
    /// How far the PBX's clock is ahead of ours, as of the last login.
    pub ahead: SignedDuration,
}

/// What only the one login at a time touches.
pub(super) struct LoginState {
    pub(super) keys: Keys,
    /// A one-time password or recovery code that a person typed, for the next login.
    pub(super) given: Option<SecretString>,
    /// How far the PBX's clock is ahead of ours, by the `Date` of its answers.
    pub(super) ahead: SignedDuration,
    /// One-time passwords follow our clock: the PBX accepted one of it after it had refused one of its answers' `Date`,
    /// which a proxy may have written.
    pub(super) own_clock: bool,
    /// A token whose one-time password was refused, or missing: the next login starts with it. The PBX lists it until it
    /// expires, and refuses to log it out.
    pub(super) pending: Option<Token>,
    /// A token whose proof failed for want of an answer: the next login starts with the proof, which
    /// spares the directory a password check and us a one-time password.
    pub(super) unproven: Option<Token>,
    /// Dead sessions in a row.
    pub(super) dead: u32,
    /// What the last login failed with.
    failure: Option<AuthError>,
}

#[derive(Clone)]
pub(super) struct Held {
    pub(super) grant: Grant,
    /// `None`: never.
    pub(super) renew_at: Option<Moment>,
}

impl Account {
    /// Fails only if the TOTP secret is none. Makes no request; reads the token cache.
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
                counted: Mutex::default(),
            }),
        })
    }

    /// The present grant, or else one from a login.
    ///
    /// Of several callers one logs in and all get its outcome, good or bad. May take a minute: a
    /// one-time password may have to wait for the next step, twice. It does not retry otherwise; see
    /// [`AuthError::consequence`].
    ///
    /// Cancel safe: a login that has begun goes on, for the next caller.
    pub async fn grant(&self) -> Result<Grant, AuthError> {
        if let Some(grant) = self.shared.current() {
            return Ok(grant);
        }
        let shared = Arc::clone(&self.shared);
        // A task of its own: the PBX finishes a login whose client has gone, so a caller that went away would have the
        // next one's run beside it, and leave a token that nobody logs out.
        match tokio::spawn(async move { shared.grant().await }.in_current_span()).await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Where the login under way has got to; after a failed one, where it failed.
    pub fn stages(&self) -> watch::Receiver<Stage> {
        self.shared.stage.subscribe()
    }

    /// How it stands.
    pub fn figures(&self) -> Figures {
        let counted = *self.shared.counted.lock();
        let held = self.shared.held();
        let token = held.as_ref().map(|held| &held.grant.token);
        let now = Moment::now(&*self.shared.clock);
        // By the present time of day, which may have been set since.
        let wall = |at: Moment| now.wall.checked_add(at.uptime - now.uptime).ok();
        let expires = token.and_then(|token| wall(token.received().after(token.lifetime()?)?));
        let renews = held.as_ref().and_then(|held| wall(held.renew_at?));
        let Counted { succeeded, refused, unanswered, ahead } = counted;
        Figures { expires, renews, succeeded, refused, unanswered, ahead }
    }

    /// The PBX no longer takes this token: the next [`Account::grant`] logs in anew. Without effect
    /// if the token is already out of use, so a late report can't end its successor.
    pub fn discard(&self, token: &Token) {
        let shared = &self.shared;
        let discarded = {
            let mut held = shared.held();
            if held.as_ref().is_some_and(|held| held.grant.token.is_same(token)) { held.take() } else { None }
        };
        if let Some(Held { grant, .. }) = discarded {
            // Whether it is really dead is the PBX's to know; a logout of a dead token does no harm.
            shared.retire(grant.token);
        }
    }

    /// Other credentials of the same make, from the next login on. Those in use, and the token, stay until then.
    /// Fails only if the TOTP secret is none.
    pub fn renew_credentials(&self, credentials: Credentials) -> Result<(), AuthError> {
        let keys = Keys::new(credentials)?;
        *self.shared.renewed.lock() = Some(keys);
        Ok(())
    }

    /// Logs out every token that the PBX may still list, for a clean stop; stop the renewal first.
    /// Never longer than `limit`; what fails is left to expire. Open sockets stay up. A cached token stays, for the next
    /// start.
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
                    tracing::debug!(%error, "a token could not be logged out");
                }
            }
        };
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::debug!("the logout took too long and was left");
        }
    }
}

impl Shared {
    pub(super) fn held(&self) -> MutexGuard<'_, Option<Held>> {
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

    /// One login from start to end; its outcome becomes that of all who wait.
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
        let mut counted = self.counted.lock();
        counted.ahead = ahead;
        match outcome {
            Ok(_) => counted.succeeded += 1,
            Err(error) if error.is_refusal() => counted.refused += 1,
            Err(_) => counted.unanswered += 1,
        }
    }

    pub(super) fn hold(&self, grant: Grant) {
        let renew_at = (grant.token.is_renewed())
            .then(|| renew_after(grant.token.lifetime(), fastrand::f64()))
            .and_then(|after| grant.token.received().after(after));
        let fresh = grant.token.clone();
        let before = self.held().replace(Held { grant, renew_at });
        if fresh.is_short_lived()
            && !before.as_ref().is_some_and(|before| before.grant.token.is_short_lived())
        {
            warn!(
                user = self.username,
                lifetime = ?fresh.lifetime(),
                renewed_every = ?bounds::TOKEN_LIFETIME.start(),
                "the PBX issues tokens that expire at once: check the clock and the settings of its CTI middleware"
            );
        }
        match before {
            Some(before) if !before.grant.token.is_same(&fresh) => self.retire(before.grant.token),
            _ => self.changed.notify_one(),
        }
    }

    pub(super) fn retire(&self, token: Token) {
        /// A PBX that is away takes no logouts, and the oldest tokens are the first to expire anyway.
        const MOST: usize = 16;
        if !token.is_ours() {
            return;
        }
        let mut retired = self.retired.lock();
        if retired.len() == MOST {
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
