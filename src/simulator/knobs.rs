//! Faults on demand. Each is something a real PBX was seen to do, or is known to do.

use std::{str::FromStr, time::Duration};

/// What goes wrong. The default is a PBX in good health.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Knobs {
    /// The backend is down or boots: logins answer 401 as for a wrong password, websockets get 101 and EOF.
    pub backend_down: bool,
    /// Every request is answered 429.
    pub rate_limited: bool,
    /// Logins succeed, and their tokens are dead.
    pub dead_session: bool,
    /// Logins on the socket are dropped in silence.
    pub silent_login: bool,
    /// Logins on the socket are answered with `401` and `41`; the transport stays open.
    pub refuse_login: bool,
    /// `authe_ok` comes this many times.
    pub authe_ok: u32,
    /// Events injected by the middleware before `authe_ok`.
    pub early_events: u32,
    /// How long a login waits for a ghost of the same kind to give way.
    pub takeover: Duration,
    /// Engine.IO pings are sent.
    pub pings: bool,
    /// What the open packet says.
    pub ping_interval: Duration,
    /// The application's `ping` is acknowledged.
    pub probe_answers: bool,
    /// A socket that joins no namespace, or does not log in, is closed after this.
    pub join_timeout: Duration,
    /// Lifetime of tokens.
    pub token_lifetime: Duration,
    /// `expire` of a login has an offset and nanoseconds, as that of verify-otp always has.
    pub odd_expire: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            backend_down: false,
            rate_limited: false,
            dead_session: false,
            silent_login: false,
            refuse_login: false,
            authe_ok: 1,
            early_events: 0,
            takeover: Duration::from_secs(8),
            pings: true,
            ping_interval: Duration::from_secs(25),
            probe_answers: true,
            join_timeout: Duration::from_secs(45),
            token_lifetime: Duration::from_hours(14 * 24),
            odd_expire: false,
        }
    }
}

impl Knobs {
    /// The names [`Knobs::set`] takes.
    pub const NAMES: &'static [&'static str] = &[
        "backend-down",
        "rate-limited",
        "dead-session",
        "silent-login",
        "refuse-login",
        "authe-ok",
        "early-events",
        "takeover",
        "no-pings",
        "ping-interval",
        "no-probe-answers",
        "join-timeout",
        "token-lifetime",
        "odd-expire",
    ];

    /// Turns one knob.
    pub fn set(&mut self, fault: &Fault) -> Result<(), String> {
        let Fault { name, value } = fault;
        let bad = || format!("{name} wants a value, as in authe-ok=2 or takeover=2s");
        let number = || value.as_deref().and_then(|text| text.parse().ok()).ok_or_else(bad);
        let time = || value.as_deref().and_then(|text| humantime::parse_duration(text).ok()).ok_or_else(bad);
        match name.as_str() {
            "backend-down" => self.backend_down = true,
            "rate-limited" => self.rate_limited = true,
            "dead-session" => self.dead_session = true,
            "silent-login" => self.silent_login = true,
            "refuse-login" => self.refuse_login = true,
            "authe-ok" => self.authe_ok = number()?,
            "early-events" => self.early_events = number()?,
            "takeover" => self.takeover = time()?,
            "no-pings" => self.pings = false,
            "ping-interval" => self.ping_interval = time()?,
            "no-probe-answers" => self.probe_answers = false,
            "join-timeout" => self.join_timeout = time()?,
            "token-lifetime" => self.token_lifetime = time()?,
            "odd-expire" => self.odd_expire = true,
            _ => return Err(format!("there is no fault {name}: take one of {}", Self::NAMES.join(", "))),
        }
        Ok(())
    }
}

/// `NAME` or `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    name: String,
    value: Option<String>,
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        let fault = Self { name: name.to_owned(), value };
        Knobs::default().set(&fault)?;
        Ok(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_turns_something_and_others_are_refused() {
        for name in Knobs::NAMES {
            let turned = [None, Some("7"), Some("7s")].into_iter().any(|value| {
                let mut knobs = Knobs::default();
                let fault = Fault { name: (*name).to_owned(), value: value.map(str::to_owned) };
                knobs.set(&fault).is_ok() && knobs != Knobs::default()
            });
            assert!(turned, "{name}");
        }
        assert!("nonsense".parse::<Fault>().is_err());
        assert!("takeover=soon".parse::<Fault>().is_err());
    }
}
