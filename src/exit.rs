//! Exit codes, after `sysexits.h`. The systemd unit and `docs/operate/exit-codes.md` repeat them.
//!
//! `check` exits with the code of the first stage that failed; codes above 78 have no equivalent in `sysexits.h`.

/// The exit code of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Stopped on request, with every deliverable event delivered. `check`: nothing failed.
    Clean = 0,
    /// `config diff`: the configuration differs from the one in force.
    Differs = 1,
    /// The command line is invalid.
    Usage = 64,
    /// `check`: a secret or certificate file that the configuration names can't be used.
    File = 66,
    /// `check`: the account's user or profile is unusable.
    User = 67,
    /// `check`: a name does not resolve.
    Host = 68,
    /// The PBX or the broker can't be reached or used. One-shot commands only, as for [`Exit::Refused`].
    Unavailable = 69,
    /// A bug: a task exited unexpectedly.
    Internal = 70,
    /// The journal can't be used; or [`Exit::OUTPUT`].
    Journal = 73,
    /// The drain timeout expired during a stop. Undelivered events were counted and logged. `check`: interrupted.
    Undelivered = 75,
    /// `check`: the server does not answer as a CTI API.
    Api = 76,
    /// The PBX refused the credentials. One-shot commands only: the service never gives up.
    Refused = 77,
    /// The configuration is invalid.
    Config = 78,
    /// `check`: the one-time password is rejected or missing.
    Otp = 79,
    /// `check`: TLS failed or is not trusted.
    Tls = 80,
    /// `check`: no websocket with a Socket.IO namespace.
    Websocket = 81,
    /// `check`: the session is not accepted.
    Session = 82,
    /// `check`: no event arrived in time.
    Event = 83,
    /// `check`: no connection to a sink.
    Sink = 84,
    /// `check`: a sink's stream can't be used.
    Stream = 85,
    /// `check`: a sink's broker rejects a test message.
    Publish = 86,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// A command could not write its output: `EX_CANTCREAT`.
    pub const OUTPUT: Self = Self::Journal;

    /// Combines two codes: the first failure wins.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if self == Self::Clean { other } else { self }
    }
}
