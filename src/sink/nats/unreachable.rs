//! The errors of connections that could not be established.

use std::{fmt, io::ErrorKind};

use async_nats::{ConnectError, ConnectErrorKind};

use super::{events::violated, guard::GuardError};
use crate::{health::Trouble, net::Address, sink::SinkError};

/// The remedy for a server that can't be reached.
pub(super) const REACHABLE: &str = "check that it is running and reachable";

/// Makes the error for a server that can't be reached.
pub(super) fn no_connection(server: &Address, error: GuardError) -> SinkError {
    match error {
        GuardError::Trust(error) => {
            SinkError::operator(Trouble::Tls, format!("no TLS with {server}")).because(error)
        }
        GuardError::Tls(fault) => {
            SinkError::operator(Trouble::Tls, format!("no TLS with {server}")).because(fault)
        }
        GuardError::Name(error) => {
            SinkError::again(Trouble::Unreachable, format!("the name in {server} does not resolve"))
                .because(error)
                .remedy("check `servers` and the DNS")
        }
        GuardError::TimedOut => silent(server),
        GuardError::Violation(violation) => violated(&server.to_string(), &violation),
        GuardError::Io(error) if error.kind() == ErrorKind::UnexpectedEof => SinkError::again(
            Trouble::Unreachable,
            format!("{server} closed the connection without a greeting"),
        )
        .remedy(
            "check that it is a NATS server; if it expects TLS first (`handshake_first`), set `tls_first = true`",
        ),
        GuardError::Io(error) => failed(server).because(error).remedy(REACHABLE),
        GuardError::NoInfo => failed(server).because(error).remedy("check `servers`"),
    }
}

/// The error of a server that does not answer in time.
pub(super) fn silent(server: impl fmt::Display) -> SinkError {
    SinkError::again(Trouble::Unreachable, format!("{server} does not answer")).remedy(REACHABLE)
}

fn failed(server: &Address) -> SinkError {
    SinkError::again(Trouble::Unreachable, format!("can't connect to {server}"))
}

/// Makes the error for a connection that the client could not set up.
pub(super) fn refusal(server: &Address, error: ConnectError) -> SinkError {
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            SinkError::operator(Trouble::Credentials, format!("{server} refuses the credentials")).remedy(
                "check `username` and `password_file`, `token_file`, `nkey_file` or `credentials_file`",
            )
        }
        ConnectErrorKind::TimedOut => silent(server),
        _ => failed(server).because(ConnectFault(error)).remedy(REACHABLE),
    }
}

/// An error of the client, printed as its innermost source: the outer ones only report that connecting failed.
#[derive(Debug)]
struct ConnectFault(ConnectError);

impl std::error::Error for ConnectFault {}

impl fmt::Display for ConnectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error: &(dyn std::error::Error + 'static) = &self.0;
        let innermost = std::iter::successors(Some(error), |error| error.source()).last();
        innermost.map_or(Ok(()), |error| write!(f, "{error}"))
    }
}
