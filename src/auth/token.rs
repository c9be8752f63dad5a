//! The bearer token and its claims.

use std::{fmt, time::Duration};

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::clock::Moment;
use crate::{
    api::{self, Authorization},
    bounds,
    text::secrets,
};

/// What a JSON Web Token claims (RFC 7519). Not verified: we have no key, and what it says about
/// itself only decides which request comes next; the server checks it anyway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// The user name.
    pub id: Option<String>,
    /// Two-factor authentication is on for the user.
    pub two_fa: bool,
    /// The one-time password has been verified for this token.
    pub otp_verified: bool,
    /// Unix seconds, by the PBX's clock.
    pub iat: Option<i64>,
    /// Unix seconds, by the PBX's clock.
    pub exp: Option<i64>,
}

impl Claims {
    /// `None` if it is not a JSON Web Token. A claim of the wrong type counts as absent.
    pub fn decode(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        let payload = BASE64URL_NOPAD.decode(payload.trim_end_matches('=').as_bytes()).ok()?;
        let claims: Value = serde_json::from_slice(&payload).ok()?;
        let claims = claims.as_object()?;
        #[allow(
            clippy::cast_possible_truncation,
            reason = "a cast from f64 saturates; such a time is absurd anyway"
        )]
        let seconds = |name: &str| {
            let value = claims.get(name)?;
            value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
        };
        Some(Self {
            id: claims.get("id").and_then(Value::as_str).map(str::to_owned),
            two_fa: claims.get("2fa") == Some(&Value::Bool(true)),
            otp_verified: claims.get("otp_verified") == Some(&Value::Bool(true)),
            iat: seconds("iat"),
            exp: seconds("exp"),
        })
    }

    /// Whether the one-time password is still to be given.
    pub fn otp_due(&self) -> bool {
        self.two_fa && !self.otp_verified
    }
}

/// A token, of whatever method. Its text can't be printed.
#[derive(Clone)]
pub struct Token {
    authorization: Authorization,
    claims: Option<Claims>,
    received: Moment,
    lifetime: Option<Duration>,
    make: Make,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Make {
    /// From a login of ours.
    Login,
    /// Persistent: valid until it is revoked.
    Persistent,
    /// Of the server itself: each use lengthens its life.
    Legacy,
}

impl Token {
    /// `now` is our clock; `ahead` is how far the PBX's is ahead of it.
    pub(super) fn new(login: api::Login, now: Moment, ahead: SignedDuration) -> Self {
        secrets::register_issued(&login.token);
        let claims = Claims::decode(login.token.expose_secret());
        let lifetime =
            lifetime(claims.as_ref(), login.expire, now.wall.saturating_add(ahead).unwrap_or(now.wall));
        let authorization = Authorization::Bearer(login.token);
        Self { authorization, claims, received: now, lifetime, make: Make::Login }
    }

    /// From an earlier process.
    pub(super) fn cached(token: SecretString, received: Moment, lifetime: Option<Duration>) -> Self {
        secrets::register_issued(&token);
        let claims = Claims::decode(token.expose_secret());
        Self { authorization: Authorization::Bearer(token), claims, received, lifetime, make: Make::Login }
    }

    /// From the configuration.
    pub(super) fn persistent(token: SecretString, now: Moment) -> Self {
        let login = api::Login { token, expire: None, date: None };
        Self { make: Make::Persistent, ..Self::new(login, now, SignedDuration::ZERO) }
    }

    /// From a login at the server itself.
    pub(super) fn legacy(username: String, token: SecretString, now: Moment) -> Self {
        secrets::register_issued(&token);
        let authorization = Authorization::Legacy { username, token };
        Self { authorization, claims: None, received: now, lifetime: None, make: Make::Legacy }
    }

    /// Whether a login of ours created it, so that we have to log it out.
    pub(super) fn is_ours(&self) -> bool {
        self.make != Make::Persistent
    }

    /// Whether it has an end that a login ahead of time can prevent.
    pub(super) fn is_renewed(&self) -> bool {
        self.make == Make::Login
    }

    /// For requests.
    pub fn authorization(&self) -> &Authorization {
        &self.authorization
    }

    /// For the socket's login.
    pub fn secret(&self) -> &SecretString {
        self.authorization.secret()
    }

    /// `None` if the token is not a JSON Web Token.
    pub fn claims(&self) -> Option<&Claims> {
        self.claims.as_ref()
    }

    /// When it was received.
    pub(super) fn received(&self) -> Moment {
        self.received
    }

    /// From reception to expiry; `None` if unknown.
    pub fn lifetime(&self) -> Option<Duration> {
        self.lifetime
    }

    /// Whether it ends sooner than it can be renewed.
    pub(super) fn is_short_lived(&self) -> bool {
        self.lifetime.is_some_and(|lifetime| lifetime < *bounds::TOKEN_LIFETIME.start())
    }

    /// Whether both are the same text. Two logins within one second give the same token, since it
    /// carries whole seconds and no number of its own; logging out "the old one" would end both.
    pub fn is_same(&self, other: &Self) -> bool {
        self.secret().expose_secret() == other.secret().expose_secret()
    }

    /// Whether it still has some life at `now`.
    pub(super) fn is_fresh(&self, now: Moment) -> bool {
        // Enough for the requests and the socket's login that follow; less for a very short life.
        const SPARE: Duration = Duration::from_mins(1);
        let Some(lifetime) = self.lifetime else { return true };
        // One that ends as it begins is tried all the same: a login for each request would be a storm.
        let usable = lifetime.saturating_sub(SPARE.min(lifetime / 10)).max(*bounds::TOKEN_LIFETIME.start());
        now.since(self.received) < usable
    }
}

/// Both of the token's own times come from the same clock, so their difference needs no other. `iat`
/// missing, the PBX's present time takes its place; `exp` missing, the answer's `expire`.
fn lifetime(claims: Option<&Claims>, expire: Option<Timestamp>, pbx_now: Timestamp) -> Option<Duration> {
    let exp = claims.and_then(|claims| claims.exp);
    if let (Some(exp), Some(iat)) = (exp, claims.and_then(|claims| claims.iat)) {
        return u64::try_from(exp.saturating_sub(iat)).ok().map(Duration::from_secs);
    }
    let end = exp.and_then(|exp| Timestamp::from_second(exp).ok()).or(expire)?;
    // Already past: no lifetime at all is as good as none known, the server will tell.
    Duration::try_from(end.duration_since(pbx_now)).ok()
}

impl fmt::Debug for Token {
    /// Neither the text nor the PBX's times.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("otp_due", &self.claims.as_ref().map(Claims::otp_due))
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600;

    fn jwt(payload: &str) -> String {
        format!("eyJhbGciOiJIUzI1NiJ9.{}.planted", BASE64URL_NOPAD.encode(payload.as_bytes()))
    }

    fn token(payload: &str, expire: Option<&str>) -> Token {
        let expire = expire.map(|text| text.parse().unwrap());
        let login = api::Login { token: jwt(payload).into(), expire, date: None };
        Token::new(login, now(), SignedDuration::ZERO)
    }

    fn now() -> Moment {
        let wall = Timestamp::from_second(1_796_000_000).unwrap();
        Moment { wall, uptime: SignedDuration::from_hours(1) }
    }

    #[test]
    fn claims_are_read_tolerantly() {
        let claims = Claims::decode(&jwt(
            r#"{"2fa":true,"otp_verified":false,"exp":1797209600,"iat":1796000000,"orig_iat":1,"id":"ada","profile_id":"3"}"#,
        ))
        .unwrap();
        assert!(claims.otp_due());
        assert_eq!((claims.id.as_deref(), claims.exp), (Some("ada"), Some(1_797_209_600)));

        let odd = Claims::decode(&jwt(r#"{"2fa":"true","exp":1797209600.7,"iat":"x","id":7}"#)).unwrap();
        assert!(!odd.otp_due());
        assert_eq!(odd, Claims { exp: Some(1_797_209_600), ..Claims::default() });

        assert!(
            Claims::decode(&jwt("{}").replace(".planted", "==.planted")).is_some(),
            "padding is let pass"
        );
        for bad in ["", "a.b", "a.b.c", "no dots at all", &jwt("[]"), &jwt("{"), "a.é.c"] {
            assert_eq!(Claims::decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_lifetime_comes_from_the_best_source() {
        // Our clock and the PBX's say 1796000000, which is 2026-11-30T00:53:20Z.
        for (payload, expire, expected) in [
            (r#"{"iat":1700000000,"exp":1701209600}"#, None, Some(14 * DAY * 1000)),
            (r#"{"iat":1700000000,"exp":1701209600}"#, Some("2030-01-01T00:00:00Z"), Some(14 * DAY * 1000)),
            (r#"{"exp":1796000060}"#, None, Some(60_000)),
            (r"{}", Some("2026-11-30T01:54:20.5+01:00"), Some(60_500)),
            (r"{}", Some("2026-11-30T00:53:21Z"), Some(1000)),
            (r"{}", Some("2026-11-30T00:53:19Z"), None),
            (r#"{"iat":2,"exp":1}"#, None, None),
            (r"{}", None, None),
        ] {
            let lifetime = token(payload, expire).lifetime();
            assert_eq!(lifetime, expected.map(Duration::from_millis), "{payload} {expire:?}");
        }
        let login = api::Login { token: jwt(r#"{"exp":1796000060}"#).into(), expire: None, date: None };
        let ahead = Token::new(login, now(), SignedDuration::from_secs(30));
        assert_eq!(ahead.lifetime(), Some(Duration::from_secs(30)), "the PBX's clock is 30 s ahead of ours");
    }

    #[test]
    fn a_token_stops_being_handed_out_before_its_end() {
        let token = token(r#"{"iat":1700000000,"exp":1701209600}"#, None);
        let after = |seconds: u64| token.received().after(Duration::from_secs(seconds)).unwrap();
        assert!(token.is_fresh(after(0)) && token.is_fresh(after(14 * DAY - 61)));
        assert!(!token.is_fresh(after(14 * DAY - 60)) && !token.is_fresh(after(15 * DAY)));
        for jump in [-SignedDuration::from_hours(10_000), SignedDuration::from_hours(10_000)] {
            let jumped = |moment: Moment| Moment { wall: moment.wall + jump, ..moment };
            assert!(token.is_fresh(jumped(after(14 * DAY - 61))), "the clock was set");
            assert!(!token.is_fresh(jumped(after(14 * DAY - 60))), "the clock was set");
        }
    }

    #[test]
    fn a_token_that_ends_as_it_begins_is_used_for_a_moment() {
        let token = token(r#"{"iat":1700000000,"exp":1700000000}"#, None);
        let after = |seconds: u64| token.received().after(Duration::from_secs(seconds)).unwrap();
        assert!(token.is_fresh(after(9)) && !token.is_fresh(after(10)));
    }

    #[test]
    fn debug_shows_neither_text_nor_times() {
        let debug = format!("{:?}", token(r#"{"iat":1700000000,"exp":1701209600,"id":"ada"}"#, None));
        for hidden in ["eyJ", "planted", "1700000000", "1701209600"] {
            assert!(!debug.contains(hidden), "{debug}");
        }
    }
}
