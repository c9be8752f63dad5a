//! The cause of an outage, and its remedy: delivery reports never name it, so it is taken from librdkafka's error callback.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{
    config::Config,
    oauth::NoToken,
    reason::{Hint, advertised, hint, short},
};
use crate::{health::Trouble, sink::SinkError, text::PeerText};

/// The last error that librdkafka reported for its connections. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Cause {
    last: Arc<Mutex<Option<Reported>>>,
    token: Arc<Mutex<Option<TokenFault>>>,
}

/// The reason why the last token request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenFault {
    Unreachable,
    Refused,
}

/// An error that librdkafka reported.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", short(reason.as_str()))]
struct Reported {
    code: RDKafkaErrorCode,
    reason: PeerText,
    /// The time of the first error since the last delivery.
    since: Instant,
}

/// A connection that is restored within this time is not worth reporting.
const PERSISTENT: Duration = Duration::from_secs(3);

impl Cause {
    /// Records an error.
    pub(super) fn set(&self, code: RDKafkaErrorCode, reason: &str) {
        // A reader names a group but joins none, so it needs no right to it. The end of a partition is not an error.
        if matches!(code, RDKafkaErrorCode::GroupAuthorizationFailed | RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        let mut last = self.last.lock();
        // "All brokers down" only follows from the errors before it.
        if code != RDKafkaErrorCode::AllBrokersDown || last.is_none() {
            let since = last.as_ref().map_or_else(Instant::now, |reported| reported.since);
            *last = Some(Reported { code, reason: PeerText::new(reason), since });
        }
    }

    /// Records the outcome of a token request, which librdkafka reports as text only.
    pub(super) fn token(&self, outcome: Result<(), &NoToken>) {
        *self.token.lock() = outcome.err().map(|error| match error {
            NoToken::Unreachable(..) => TokenFault::Unreachable,
            NoToken::Refused(..) | NoToken::Unreadable(_) | NoToken::Trust(_) => TokenFault::Refused,
        });
    }

    /// Returns true if the error persists, with nothing delivered since.
    pub(super) fn is_persistent(&self) -> bool {
        let last = self.last.lock();
        last.as_ref().is_some_and(|reported| reported.since.elapsed() >= PERSISTENT)
    }

    /// Returns true if the connections were refused or closed. A broker may still read what was sent on one that only timed out.
    pub(super) fn is_disconnected(&self) -> bool {
        use RDKafkaErrorCode as C;
        let last = self.last.lock();
        let is_slow = |code| matches!(code, C::OperationTimedOut | C::RequestTimedOut | C::MessageTimedOut);
        last.as_ref().is_some_and(|reported| !is_slow(reported.code))
    }

    /// Clears the error, as something was delivered.
    pub(super) fn clear(&self) {
        *self.last.lock() = None;
    }

    /// Makes the error for `what`, which failed at the brokers, with the cause and its remedy.
    pub(super) fn error(&self, what: &str, config: &Config) -> SinkError {
        let no_answer = || {
            let brokers = config.brokers.join(", ");
            SinkError::again(Trouble::Silent, format!("{what} at {brokers}: no answer"))
                .remedy("check that the cluster is up")
        };
        self.known(what, config).unwrap_or_else(no_answer)
    }

    /// As [`error`](Self::error), for a call that failed with `source`, which is the cause if librdkafka has reported none.
    pub(super) fn failed(&self, what: &str, source: KafkaError, config: &Config) -> SinkError {
        self.known(what, config).unwrap_or_else(|| self.error(what, config).because(source))
    }

    /// As [`error`](Self::error). `None` if librdkafka has reported no error.
    pub(super) fn known(&self, what: &str, config: &Config) -> Option<SinkError> {
        let reported = self.last.lock().clone()?;
        let Remedy { sentence, is_operators, trouble } = remedy(&reported, *self.token.lock(), config);
        let what = format!("{what} at {}", config.brokers.join(", "));
        let error =
            if is_operators { SinkError::operator(trouble, what) } else { SinkError::again(trouble, what) };
        Some(error.because(reported).remedy(sentence))
    }
}

/// A remedy, and the kind of failure it is for.
struct Remedy {
    sentence: Cow<'static, str>,
    /// True if an operator must act.
    is_operators: bool,
    trouble: Trouble,
}

impl Remedy {
    fn again(trouble: Trouble, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self { sentence: sentence.into(), is_operators: false, trouble }
    }

    fn operator(trouble: Trouble, sentence: &'static str) -> Self {
        Self { sentence: sentence.into(), is_operators: true, trouble }
    }
}

fn remedy(reported: &Reported, token: Option<TokenFault>, config: &Config) -> Remedy {
    use RDKafkaErrorCode as C;
    let (code, reason) = (reported.code, short(reported.reason.as_str()));
    match code {
        C::Authentication | C::SaslAuthenticationFailed => credentials(token, hint(reason)),
        _ => tls(code, hint(reason), config).unwrap_or_else(|| unreachable(code, reason, config)),
    }
}

/// The remedy for a login that the cluster or the token endpoint refused.
fn credentials(token: Option<TokenFault>, hint: Option<Hint>) -> Remedy {
    match (token, hint) {
        (Some(TokenFault::Unreachable), _) => {
            Remedy::again(Trouble::Unreachable, "check `token_url` and the network")
        }
        (Some(TokenFault::Refused), _) => {
            Remedy::operator(Trouble::Credentials, "check `token_url`, `username`, `password` and `scope`")
        }
        (None, Some(Hint::TokenRefused)) => Remedy::operator(
            Trouble::Credentials,
            "the cluster does not accept tokens of `token_url`: check `scope`, and what the cluster expects",
        ),
        (None, _) => {
            Remedy::operator(Trouble::Credentials, "check `username`, `password` and `sasl_mechanism`")
        }
    }
}

/// The remedy for a failed TLS handshake. `None` for any other failure.
fn tls(code: RDKafkaErrorCode, hint: Option<Hint>, config: &Config) -> Option<Remedy> {
    let sentence = match (hint, code) {
        (Some(Hint::UntrustedBroker), _) => "set `ca_file` if its certificate is from a CA of your own",
        (Some(Hint::NoClientCertificate), _) => {
            "the broker requires a client certificate: set `cert_file` and `key_file`"
        }
        (_, RDKafkaErrorCode::SSL) => "check `tls`, `ca_file`, `cert_file` and `key_file`",
        (Some(Hint::TlsClosed), code) if code != RDKafkaErrorCode::Resolve && config.tls.is_some() => {
            "check that this port speaks TLS: see `tls` and `brokers`"
        }
        _ => return None,
    };
    Some(Remedy::operator(Trouble::Tls, sentence))
}

/// The remedy for a broker that can't be reached.
fn unreachable(code: RDKafkaErrorCode, reason: &str, config: &Config) -> Remedy {
    use RDKafkaErrorCode as C;
    let sentence: Cow<'static, str> = match (code, advertised(reason, config)) {
        (C::Resolve, Some(broker)) => format!(
            "the cluster names its broker {broker}, which does not resolve here: fix `advertised.listeners` of that broker, or \
             the DNS of this machine"
        )
        .into(),
        (C::Resolve, None) => "its name does not resolve: check `brokers`".into(),
        (C::AllBrokersDown, _) if config.tls.is_none() => {
            "check that the cluster is up; if the port speaks TLS, set `tls = true`".into()
        }
        (_, Some(broker)) => format!(
            "the cluster names its broker {broker}: check that it is up, and that this address (`advertised.listeners`) is \
             reachable from here"
        )
        .into(),
        (_, None) => "check `brokers`, the network and whether the cluster is up".into(),
    };
    Remedy::again(Trouble::Unreachable, sentence)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{client::tests::config, reason::logged},
        *,
    };

    #[test]
    fn unrelated_errors_are_not_a_cause() {
        let cause = Cause::default();
        cause.set(RDKafkaErrorCode::PartitionEOF, "Fetch from broker 1 reached end of partition");
        cause.set(RDKafkaErrorCode::GroupAuthorizationFailed, "not allowed");
        assert!(cause.last.lock().is_none());
        cause.set(RDKafkaErrorCode::BrokerTransportFailure, "Connection refused");
        assert!(cause.last.lock().is_some());
    }

    #[test]
    fn an_unreachable_advertised_broker_is_named_with_a_remedy() {
        let mut config = config();
        let reported = |config: &Config, code, reason: &str| {
            let cause = Cause::default();
            cause.set(code, reason);
            let error = cause.error("t accepts no events", config);
            (format!("{error:#}"), error.cause().clone())
        };
        let reason = "[thrd:k0.invalid:9092/1]: k0.invalid:9092/1: Failed to resolve 'k0.invalid:9092': Name or service not known (after 3ms in state CONNECT)";
        let (text, first) = reported(&config, logged(reason), reason);
        assert!(
            text.contains("names its broker k0.invalid:9092, which") && text.contains("advertised.listeners"),
            "{text}"
        );
        let refused = "sasl_ssl://k0.invalid:9092/1: Connect to ipv4#10.0.0.1:9092 failed: Connection refused (after 0ms)";
        let (text, second) = reported(&config, RDKafkaErrorCode::BrokerTransportFailure, refused);
        assert!(text.contains("names its broker k0.invalid:9092:"), "{text}");
        assert!(text.contains("failed: Connection refused; the cluster names"), "{text}");
        assert_eq!(first, second, "the same outage, in other words");
        config.brokers = vec!["k0.invalid:9092".to_owned()];
        for reason in [reason, refused, "127.0.0.1:9092/bootstrap: Connection refused"] {
            let (text, _) = reported(&config, logged(reason), reason);
            assert!(text.contains("check `brokers`"), "{text}");
        }
    }
}
