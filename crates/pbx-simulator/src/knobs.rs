//! The faults that can be switched on in a running simulated PBX.

use std::{str::FromStr, time::Duration};

use jiff::Timestamp;

use super::{answer::Answer, options::times};

/// The result of a login with the right password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Login {
    /// 200 with a valid token.
    #[default]
    Normal,
    /// 401, as for a wrong password. A backend that is down or still booting looks the same.
    Refused,
    /// 200 with a dead session: REST answers 401 with an empty body, the socket login none at all.
    Dead,
    /// 500 with two concatenated JSON objects.
    Glued,
    /// 500 with an empty body.
    Crash,
}

/// The behaviour after the websocket's 101.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Upgrade {
    /// The open packet follows.
    #[default]
    Normal,
    /// End of file: the middleware answers 101 before it dials a backend that is down.
    Eof,
    /// Nothing, as with a wrong `EIO`.
    Mute,
}

/// The answer to the login frame of a listed token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SocketLogin {
    /// `authe_ok`.
    #[default]
    Normal,
    /// No answer at all, as for a token that isn't in the list.
    Dropped,
    /// `401`, then the namespace is closed; the transport stays open.
    Refused,
}

/// Faults and times. The default is a healthy real server, with its real times.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent switches")]
pub struct Knobs {
    /// The result of a login with the right password.
    pub login: Login,
    /// The backend is down: login 401, REST 502, websocket 101 and end of file.
    pub backend_down: bool,
    /// Every request is answered 429.
    pub too_many_requests: bool,
    /// Backend paths (`/astproxy/queues`) that are refused: 403 with an empty body.
    pub forbidden: Vec<String>,
    /// Backend paths that fail: 502.
    pub failing: Vec<String>,
    /// Backend paths that answer `{}`, as while the telephone system behind them restarts.
    pub empty: Vec<String>,
    /// Backend paths whose answers end in their middle.
    pub cut_short: Vec<String>,
    /// Extensions, queues, … that are missing from the backend's answers, by their key in them.
    pub removed: Vec<String>,
    /// Paths without `/api` (`/login`, `/ws/`) with an abnormal answer. The first entry for a path counts.
    pub answers: Vec<(String, Answer)>,
    /// The age of the backend's answers when they are sent, except for `/user/me`.
    pub snapshot_delay: Duration,
    /// The delay of every answer, including the 101.
    pub answer_delay: Duration,
    /// Lifetime of new tokens; the real server's is 14 days.
    pub token_lifetime: Duration,
    /// Seconds the server's clock is ahead of ours; seen in `Date`, `iat`, `exp`, one-time passwords.
    pub clock_ahead: i64,
    /// Stops the server's clock at this time, so that all its tokens are of one second.
    pub clock_stands: Option<Timestamp>,
    /// Minutes east of UTC in `expire`, which is in the server's local time.
    pub utc_offset: i16,
    /// The behaviour after the 101.
    pub upgrade: Upgrade,
    /// The answer to a valid login frame.
    pub socket_login: SocketLogin,
    /// Refuse every one-time password, as when the seeds differ.
    pub refuse_otp: bool,
    /// Refuse the login frame of a token whose one-time password is due. The real server doesn't.
    pub refuse_unverified: bool,
    /// Refuse the login frame of a token that is expired. The real server doesn't.
    pub refuse_expired: bool,
    /// How often `authe_ok` is sent per login.
    pub authe_ok: usize,
    /// Text frames sent between the login frame and its answer, as the middleware may inject them.
    pub before_login: Vec<String>,
    /// Enables the server's heartbeat.
    pub heartbeat: bool,
    /// Enables the acknowledgement of the event `ping`.
    pub ping_ack: bool,
    /// As in the open packet.
    pub ping_interval: Duration,
    /// As in the open packet.
    pub ping_timeout: Duration,
    /// How long a new login waits for `takeOverAck` of an old one.
    pub takeover_wait: Duration,
    /// How long a transport may stay without a namespace.
    pub join_wait: Duration,
    /// Cut all sockets this often.
    pub cut_every: Option<Duration>,
    /// Sockets end with a TCP reset instead of an end of file. Decided when a connection is accepted.
    pub reset: bool,
    /// Pauses the office: no calls, nothing changes by itself. Afterwards it catches up.
    pub still: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            login: Login::Normal,
            backend_down: false,
            too_many_requests: false,
            forbidden: Vec::new(),
            failing: Vec::new(),
            empty: Vec::new(),
            cut_short: Vec::new(),
            removed: Vec::new(),
            answers: Vec::new(),
            snapshot_delay: Duration::ZERO,
            answer_delay: Duration::ZERO,
            token_lifetime: times::TOKEN_LIFETIME,
            clock_ahead: 0,
            clock_stands: None,
            utc_offset: 60,
            upgrade: Upgrade::Normal,
            socket_login: SocketLogin::Normal,
            refuse_otp: false,
            refuse_unverified: false,
            refuse_expired: false,
            authe_ok: 1,
            before_login: Vec::new(),
            heartbeat: true,
            ping_ack: true,
            ping_interval: times::PING_INTERVAL,
            ping_timeout: times::PING_TIMEOUT,
            takeover_wait: times::TAKEOVER_WAIT,
            join_wait: times::JOIN_WAIT,
            cut_every: None,
            reset: false,
            still: false,
        }
    }
}

/// The name of every knob [`Knobs::set`] knows, with the form of its value.
pub const NAMES: &[&str] = &[
    "login=normal|refused|dead|glued|crash",
    "backend-down",
    "too-many-requests",
    "forbidden=/astproxy/queues",
    "failing=/astproxy/queues",
    "empty=/astproxy/queues",
    "cut-short=/astproxy/queues",
    "removed=202",
    "answer=PATH:empty:STATUS|PATH:page:STATUS|PATH:redirect:URL|PATH:limited|PATH:compressed|PATH:late:TIME",
    "snapshot-delay=2s",
    "answer-delay=2s",
    "token-lifetime=1h",
    "clock-ahead=SECONDS",
    "clock-stands=2026-11-24T10:00:00Z",
    "utc-offset=MINUTES",
    "upgrade=normal|eof|mute",
    "socket-login=normal|dropped|refused",
    "refuse-otp",
    "refuse-unverified",
    "refuse-expired",
    "authe-ok=COUNT",
    "before-login=FRAME",
    "no-heartbeat",
    "no-ping-ack",
    "ping-interval=25s",
    "ping-timeout=10000s",
    "takeover-wait=8s",
    "join-wait=45s",
    "cut-every=30s",
    "reset",
    "still",
];

/// The reason why a knob can't be set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum KnobError {
    #[error("there is no fault `{name}`: use one of {}", NAMES.join(", "))]
    Unknown { name: String },
    #[error("fault `{name}` can't be `{value}`: use {form}")]
    Value { name: String, value: String, form: &'static str },
}

impl Knobs {
    /// Sets one knob from `NAME` or `NAME=VALUE`, as [`NAMES`] lists them. Lists grow by one.
    pub fn set(&mut self, text: &str) -> Result<(), KnobError> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        self.assign(name, value).ok_or_else(|| {
            let form = NAMES.iter().find(|form| form.split('=').next() == Some(name));
            match form {
                None => KnobError::Unknown { name: name.to_owned() },
                Some(form) => KnobError::Value { name: name.to_owned(), value: value.to_owned(), form },
            }
        })
    }

    fn assign(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "login" => self.login = login(value)?,
            "backend-down" => self.backend_down = flag(value)?,
            "too-many-requests" => self.too_many_requests = flag(value)?,
            "forbidden" | "failing" | "empty" | "cut-short" if value.starts_with('/') => {
                let paths = match name {
                    "forbidden" => &mut self.forbidden,
                    "failing" => &mut self.failing,
                    "empty" => &mut self.empty,
                    _ => &mut self.cut_short,
                };
                paths.push(value.to_owned());
            }
            "removed" if !value.is_empty() => self.removed.push(value.to_owned()),
            "answer" => self.answers.push(Answer::parse(value)?),
            "snapshot-delay" => self.snapshot_delay = duration(value)?,
            "answer-delay" => self.answer_delay = duration(value)?,
            "token-lifetime" => self.token_lifetime = duration(value)?,
            "clock-ahead" => self.clock_ahead = number(value)?,
            "clock-stands" => self.clock_stands = Some(number(value)?),
            "utc-offset" => self.utc_offset = number(value)?,
            "upgrade" => self.upgrade = upgrade(value)?,
            "socket-login" => self.socket_login = socket_login(value)?,
            "refuse-otp" => self.refuse_otp = flag(value)?,
            "refuse-unverified" => self.refuse_unverified = flag(value)?,
            "refuse-expired" => self.refuse_expired = flag(value)?,
            "authe-ok" => self.authe_ok = number(value)?,
            "before-login" if !value.is_empty() => self.before_login.push(value.to_owned()),
            "no-heartbeat" => self.heartbeat = !flag(value)?,
            "no-ping-ack" => self.ping_ack = !flag(value)?,
            "ping-interval" => self.ping_interval = duration(value)?,
            "ping-timeout" => self.ping_timeout = duration(value)?,
            "takeover-wait" => self.takeover_wait = duration(value)?,
            "join-wait" => self.join_wait = duration(value)?,
            "cut-every" => self.cut_every = Some(duration(value).filter(|every| !every.is_zero())?),
            "reset" => self.reset = flag(value)?,
            "still" => self.still = flag(value)?,
            _ => return None,
        }
        Some(())
    }
}

fn flag(value: &str) -> Option<bool> {
    match value {
        "" | "on" | "true" => Some(true),
        "off" | "false" => Some(false),
        _ => None,
    }
}

fn number<T: FromStr>(value: &str) -> Option<T> {
    value.parse().ok()
}

fn duration(value: &str) -> Option<Duration> {
    humantime::parse_duration(value).ok()
}

fn login(value: &str) -> Option<Login> {
    Some(match value {
        "normal" => Login::Normal,
        "refused" => Login::Refused,
        "dead" => Login::Dead,
        "glued" => Login::Glued,
        "crash" => Login::Crash,
        _ => return None,
    })
}

fn upgrade(value: &str) -> Option<Upgrade> {
    Some(match value {
        "normal" => Upgrade::Normal,
        "eof" => Upgrade::Eof,
        "mute" => Upgrade::Mute,
        _ => return None,
    })
}

fn socket_login(value: &str) -> Option<SocketLogin> {
    Some(match value {
        "normal" => SocketLogin::Normal,
        "dropped" => SocketLogin::Dropped,
        "refused" => SocketLogin::Refused,
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_listed_name_can_be_set_and_changes_something() {
        for form in NAMES {
            let (name, value) = form.split_once('=').unwrap_or((form, ""));
            // The last alternative is never the default; words in capitals stand for a number.
            let value = match value.rsplit('|').next().unwrap() {
                "SECONDS" | "MINUTES" | "COUNT" => "7",
                "PATH:late:TIME" => "/login:late:2s",
                "25s" | "10000s" | "8s" | "45s" => "1s",
                other => other,
            };
            let text = if value.is_empty() { name.to_owned() } else { format!("{name}={value}") };
            let mut knobs = Knobs::default();
            knobs.set(&text).unwrap();
            assert_ne!(knobs, Knobs::default(), "{text} changes nothing");
        }
    }

    #[test]
    fn a_wrong_name_and_a_wrong_value_have_distinct_errors() {
        let mut knobs = Knobs::default();
        assert_eq!(knobs.set("nonsense"), Err(KnobError::Unknown { name: "nonsense".into() }));
        let error = knobs.set("ping-interval=soon").unwrap_err();
        assert_eq!(error.to_string(), "fault `ping-interval` can't be `soon`: use ping-interval=25s");
        assert_eq!(knobs, Knobs::default());
    }
}
