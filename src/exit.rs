//! Exit codes, after `sysexits.h`. The systemd unit and `docs/operate/exit-codes.md` repeat them.
//!
//! `check` ends with the code of the first stage that failed; above 78 are those for which `sysexits.h` has no word.

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Stopped as asked; everything that could be delivered was. A check: nothing failed.
    Clean = 0,
    /// The command line is wrong.
    Usage = 64,
    /// `check`: a file that the configuration names can't be used: a secret's, or a certificate's.
    File = 66,
    /// `check`: the account's user or profile is of no use.
    User = 67,
    /// `check`: a name does not resolve.
    Host = 68,
    /// The PBX or the broker can't be reached or used. One-shot commands only, as for [`Exit::Refused`].
    Unavailable = 69,
    /// A bug: a task ended unasked.
    Internal = 70,
    /// The journal can't be used; or [`Exit::OUTPUT`].
    Journal = 73,
    /// The drain deadline passed at stop. What was not delivered has been counted and named. A check: interrupted.
    Undelivered = 75,
    /// `check`: what answers is no CTI API in good order.
    Api = 76,
    /// The PBX refused the credentials. One-shot commands only: the service never gives up.
    Refused = 77,
    /// The configuration is wrong.
    Config = 78,
    /// `check`: the one-time password is refused, or missing.
    Otp = 79,
    /// `check`: no TLS, or none to be trusted.
    Tls = 80,
    /// `check`: no websocket with a Socket.IO namespace.
    Websocket = 81,
    /// `check`: the session is not accepted.
    Session = 82,
    /// `check`: no event came in time.
    Event = 83,
    /// `check`: no connection to a sink.
    Sink = 84,
    /// `check`: a sink's stream can't be used.
    Stream = 85,
    /// `check`: a sink does not let us publish.
    Publish = 86,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// What a command was asked for could not be written: `EX_CANTCREAT`.
    pub const OUTPUT: Self = Self::Journal;

    /// The one that weighs more: the first fault stays.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if self == Self::Clean { other } else { self }
    }
}
