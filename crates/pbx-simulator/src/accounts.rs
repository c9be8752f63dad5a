//! Accounts and valid tokens: the middleware's session table.
//!
//! A valid signature isn't enough: the exact token must be in the user's list. The list is
//! held in memory and written to disk at some changes only, which is why a restart can kill a
//! verified token and revive the one it replaced.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use fastrand::Rng;
use secrecy::ExposeSecret;

use super::{
    factor::Factor,
    legacy,
    options::Account,
    token::{Claims, Key},
};

/// The sessions of the middleware, by the user name as given at login.
type Table = BTreeMap<String, Session>;

#[derive(Debug, Clone, Default)]
struct Session {
    /// A token is listed twice if two logins fell into one second.
    tokens: Vec<String>,
    /// Persistent tokens by purpose; a logout keeps them.
    persistent: BTreeMap<String, String>,
    /// The reason why the middleware can't pass anything on, if any.
    dead: Option<SessionFault>,
}

impl Session {
    fn lists(&self, token: &str) -> bool {
        self.tokens.iter().chain(self.persistent.values()).any(|listed| listed == token)
    }

    /// Invalidates all tokens, as after a change of the second factor.
    fn clear(&mut self) {
        self.tokens.clear();
        self.persistent.clear();
    }
}

/// The fault of a session for which a login succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionFault {
    /// The backend refuses the token that the middleware holds.
    Refused,
    /// The backend never issued one.
    NoBackendToken,
}

/// Accounts, sessions and second factors.
#[derive(Debug)]
pub(super) struct Accounts {
    users: Vec<Account>,
    pub(super) key: Key,
    memory: Table,
    disk: Table,
    factors: BTreeMap<String, Factor>,
    /// The server's own tokens.
    pub(super) legacy: legacy::Tokens,
    rng: Rng,
}

/// Seconds in a hundred years.
const CENTURY: i64 = 3_155_760_000;

/// The user and lifetime a token is made for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grant<'a> {
    pub(super) username: &'a str,
    /// Unix seconds.
    pub(super) now: i64,
    pub(super) lifetime: i64,
}

/// The state of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenState {
    /// The middleware has no session of that user.
    NoSession,
    /// There is a session, but the token isn't in its list.
    Unlisted,
    /// Listed, but unusable.
    SessionFault(SessionFault),
    Good,
}

/// The result of a one-time password.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verified {
    NoSecret,
    Wrong,
    /// The named user has a secret but no session: the middleware crashes on it.
    Crash,
    Token(String),
}

impl Accounts {
    pub(super) fn new(accounts: Vec<Account>, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let factors = accounts
            .iter()
            .filter_map(|account| {
                let secret = account.totp_secret.clone()?;
                Some((account.username.clone(), Factor::new(secret, true)))
            })
            .collect();
        let key = Key::new(&std::array::from_fn::<u8, 32, _>(|_| rng.u8(..)));
        Self {
            users: accounts,
            key,
            memory: Table::new(),
            disk: Table::new(),
            factors,
            legacy: legacy::Tokens::default(),
            rng,
        }
    }

    /// The account the backend finds for a name: it lower-cases, strips the domain and knows
    /// extension numbers, while the middleware takes the name as it is.
    pub(super) fn account(&self, name: &str) -> Option<&Account> {
        let bare = name.split('@').next().unwrap_or(name);
        self.users
            .iter()
            .find(|account| account.username == bare || account.extension.as_deref() == Some(bare))
    }

    pub(super) fn right(&self, name: &str, password: &str) -> bool {
        self.account(name).is_some_and(|account| account.password.expose_secret() == password)
    }

    /// A token for a login that succeeded. A name in another form than the account's gets one too,
    /// but a dead one. Every login is written to disk.
    pub(super) fn admit(&mut self, grant: Grant<'_>, hollow: bool) -> (String, Claims) {
        let alias = self.account(grant.username).is_none_or(|found| found.username != grant.username);
        let dead =
            if hollow { Some(SessionFault::NoBackendToken) } else { alias.then_some(SessionFault::Refused) };
        let claims = Claims {
            two_factor: self.enabled(grant.username),
            aud: None,
            exp: grant.now + grant.lifetime,
            iat: grant.now,
            id: grant.username.to_owned(),
            orig_iat: Some(grant.now),
            otp_verified: false,
            profile_id: "3".to_owned(),
        };
        let token = self.key.sign(&claims);
        let session = self.memory.entry(grant.username.to_owned()).or_default();
        session.tokens.push(token.clone());
        session.dead = dead;
        self.save();
        (token, claims)
    }

    pub(super) fn token_state(&self, username: &str, token: &str) -> TokenState {
        match self.memory.get(username) {
            None => TokenState::NoSession,
            Some(session) if !session.lists(token) => TokenState::Unlisted,
            Some(session) => session.dead.map_or(TokenState::Good, TokenState::SessionFault),
        }
    }

    pub(super) fn enabled(&self, username: &str) -> bool {
        self.factors.get(username).is_some_and(|factor| factor.enabled)
    }

    /// Replaces `token` by a verified one of the user `grant` names. Not written to disk.
    pub(super) fn verify(&mut self, grant: Grant<'_>, token: &str, otp: &str) -> Verified {
        let Some(factor) = self.factors.get_mut(grant.username) else { return Verified::NoSecret };
        factor.recovery_codes(&mut self.rng);
        if !factor.accepts(otp, grant.now) {
            return Verified::Wrong;
        }
        let first = !std::mem::replace(&mut factor.enabled, true);
        let Some(session) = self.memory.get_mut(grant.username) else { return Verified::Crash };
        let new = self.key.sign(&Claims {
            two_factor: true,
            aud: None,
            exp: grant.now + grant.lifetime,
            iat: grant.now,
            id: grant.username.to_owned(),
            orig_iat: None,
            otp_verified: true,
            profile_id: "3".to_owned(),
        });
        if first {
            session.clear();
        } else if let Some(index) = session.tokens.iter().position(|listed| listed == token) {
            session.tokens.remove(index);
        }
        session.tokens.push(new.clone());
        Verified::Token(new)
    }

    /// The seed of a user, created now if there is none.
    pub(super) fn seed(&mut self, username: &str) -> String {
        let rng = &mut self.rng;
        let factor = self.factors.entry(username.to_owned()).or_insert_with(|| Factor::generate(rng));
        factor.seed().to_owned()
    }

    pub(super) fn recovery_codes(&mut self, username: &str) -> Vec<String> {
        let rng = &mut self.rng;
        self.factors.get_mut(username).map_or_else(Vec::new, |factor| factor.recovery_codes(rng).to_vec())
    }

    pub(super) fn change_password(&mut self, username: &str, password: &str) {
        for account in self.users.iter_mut().filter(|account| account.username == username) {
            account.password = password.into();
        }
    }

    /// Switches the second factor on and empties the list, which is not written to disk.
    pub(super) fn enable(&mut self, username: &str, secret: &str) {
        self.factors.insert(username.to_owned(), Factor::new(secret.into(), true));
        if let Some(session) = self.memory.get_mut(username) {
            session.clear();
        }
    }

    /// Removes the second factor and all tokens; `false` if there was none.
    pub(super) fn disable(&mut self, username: &str) -> bool {
        let had = self.factors.remove(username).is_some();
        if had {
            self.memory.remove(username);
            self.save();
        }
        had
    }

    /// Removes every copy of a token from the list; removing the last token ends the session.
    pub(super) fn log_out(&mut self, username: &str, token: &str) {
        if let Some(session) = self.memory.get_mut(username) {
            session.tokens.retain(|listed| listed != token);
            if session.tokens.is_empty() && session.persistent.is_empty() {
                self.memory.remove(username);
            }
        }
        self.save();
    }

    /// Empties a user's list but keeps the session.
    pub(super) fn revoke(&mut self, username: &str) {
        if let Some(session) = self.memory.get_mut(username) {
            session.clear();
        }
        self.save();
    }

    /// Creates a token for a hundred years, and revokes the previous one for this purpose. Written to disk.
    pub(super) fn persist(&mut self, claims: &Claims, audience: &str, now: i64) -> String {
        let claims = Claims {
            aud: Some(audience.to_owned()),
            exp: now + CENTURY,
            iat: now,
            orig_iat: None,
            ..claims.clone()
        };
        let token = self.key.sign(&claims);
        let session = self.memory.entry(claims.id).or_default();
        session.persistent.insert(audience.to_owned(), token.clone());
        self.save();
        token
    }

    pub(super) fn is_persistent(&self, username: &str, audience: &str) -> bool {
        self.memory.get(username).is_some_and(|session| session.persistent.contains_key(audience))
    }

    pub(super) fn end_persistent(&mut self, username: &str, audience: &str) {
        if let Some(session) = self.memory.get_mut(username) {
            session.persistent.remove(audience);
        }
        self.save();
    }

    /// Of a login at the server itself: forty hexadecimal digits.
    pub(super) fn nonce(&mut self) -> String {
        HEXLOWER.encode(&std::array::from_fn::<u8, 20, _>(|_| self.rng.u8(..)))
    }

    /// Loses the backend's tokens, as a restarted backend may. The lists stay.
    pub(super) fn kill(&mut self) {
        self.legacy.forget();
        self.memory.values_mut().for_each(|session| session.dead = Some(SessionFault::Refused));
    }

    pub(super) fn tokens(&self) -> usize {
        self.memory.values().map(|session| session.tokens.len()).sum()
    }

    pub(super) fn save(&mut self) {
        self.disk.clone_from(&self.memory);
    }

    /// Restores the state after a restart of the middleware.
    pub(super) fn reload(&mut self) {
        self.memory.clone_from(&self.disk);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;

    const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn grant(now: i64) -> Grant<'static> {
        Grant { username: "ada", now, lifetime: 100 }
    }

    fn code(now: i64) -> String {
        let secret = totp_rs::Secret::try_from_base32(SEED).unwrap();
        let totp = totp_rs::Builder::new().with_secret(secret).build_noncompliant();
        totp.generate(u64::try_from(now).unwrap()).to_string()
    }

    #[test]
    fn a_restart_revives_the_token_that_a_verified_one_replaced() {
        let mut accounts = Accounts::new(vec![Account::new("ada", "x").with_totp(SEED)], 1);
        let (first, claims) = accounts.admit(grant(1_000), false);
        assert!(claims.pending());
        let Verified::Token(second) = accounts.verify(grant(1_001), &first, &code(1_001)) else {
            panic!("refused")
        };
        assert_eq!(accounts.token_state("ada", &first), TokenState::Unlisted);
        assert_eq!(accounts.token_state("ada", &second), TokenState::Good);
        accounts.reload();
        assert_eq!(accounts.token_state("ada", &first), TokenState::Good);
        assert_eq!(accounts.token_state("ada", &second), TokenState::Unlisted);
    }

    #[test]
    fn two_logins_in_one_second_share_a_token() {
        let mut accounts = Accounts::new(vec![Account::new("ada", "x")], 1);
        let (first, _) = accounts.admit(grant(1_000), false);
        let (second, _) = accounts.admit(grant(1_000), false);
        assert_eq!((&first, accounts.tokens()), (&second, 2));
        accounts.log_out("ada", &first);
        assert_eq!(accounts.token_state("ada", &second), TokenState::NoSession);
    }

    #[test]
    fn a_name_in_another_form_gets_a_dead_session() {
        let mut accounts = Accounts::new(vec![Account::new("ada", "x")], 1);
        assert!(accounts.right("ada@office", "x"));
        assert!(!accounts.right("Ada", "x"));
        let (token, _) = accounts.admit(Grant { username: "ada@office", now: 1_000, lifetime: 100 }, false);
        assert_eq!(
            accounts.token_state("ada@office", &token),
            TokenState::SessionFault(SessionFault::Refused)
        );
    }
}
