//! What librdkafka says of its connections, and what repairs them: a delivery report never tells.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::error::RDKafkaErrorCode;

use super::{config::Config, oauth::NoToken};
use crate::{health::Trouble, sink::SinkError, text::PeerText};

/// The last thing that librdkafka said of its connections.
#[derive(Debug, Clone, Default)]
pub(super) struct Cause(Arc<Mutex<Option<Said>>>, Arc<Mutex<Option<TokenFault>>>);

/// Why the last request for a token failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenFault {
    Unreachable,
    Refused,
}

#[derive(Debug, Clone)]
struct Said {
    code: RDKafkaErrorCode,
    reason: PeerText,
    /// When the first was said of those since something was delivered.
    since: Instant,
}

/// A connection that is lost and found again is nothing to speak of.
const STANDS: Duration = Duration::from_secs(3);

impl Cause {
    /// Records the reported cause.
    pub(super) fn set(&self, code: RDKafkaErrorCode, reason: &str) {
        // A reader names a group, but joins none, so it needs no right to it. Reaching the end is not an error.
        if matches!(code, RDKafkaErrorCode::GroupAuthorizationFailed | RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        let mut last = self.0.lock();
        // That all are down follows from what was said before, and tells nothing.
        if code != RDKafkaErrorCode::AllBrokersDown || last.is_none() {
            let since = last.as_ref().map_or_else(Instant::now, |said| said.since);
            *last = Some(Said { code, reason: PeerText::new(reason), since });
        }
    }

    /// Notes the outcome of a request for a token, which librdkafka reports as text only.
    pub(super) fn token(&self, outcome: Result<(), &NoToken>) {
        *self.1.lock() = outcome.err().map(|error| match error {
            NoToken::Unreachable(..) => TokenFault::Unreachable,
            NoToken::Refused(..) | NoToken::Unreadable(_) | NoToken::Trust(_) => TokenFault::Refused,
        });
    }

    /// Whether something was said a while ago, and nothing delivered since.
    pub(super) fn stands(&self) -> bool {
        let last = self.0.lock();
        last.as_ref().is_some_and(|said| said.since.elapsed() >= STANDS)
    }

    /// Whether the connections were refused or closed. One that only timed out may hold what a broker still reads.
    pub(super) fn is_disconnected(&self) -> bool {
        use RDKafkaErrorCode as C;
        let last = self.0.lock();
        let is_slow = |code| matches!(code, C::OperationTimedOut | C::RequestTimedOut | C::MessageTimedOut);
        last.as_ref().is_some_and(|said| !is_slow(said.code))
    }

    /// The reported cause is resolved.
    pub(super) fn clear(&self) {
        *self.0.lock() = None;
    }

    /// With the remedy; `what` failed at `brokers`.
    pub(super) fn error(&self, what: &str, config: &Config) -> SinkError {
        let no_answer = || {
            let brokers = config.brokers.join(", ");
            SinkError::again(Trouble::Silent, format!("{what} at {brokers}: no answer; is the cluster up?"))
        };
        self.known(what, config).unwrap_or_else(no_answer)
    }

    /// The same, if anything was said of the connections.
    pub(super) fn known(&self, what: &str, config: &Config) -> Option<SinkError> {
        let last = self.0.lock().clone();
        let Said { code, reason, .. } = last?;
        let reason = short(reason.as_str());
        let Remedy { sentence, is_operators, trouble } = remedy((code, *self.1.lock()), reason, config);
        let text = format!("{what} at {}: {reason}; {sentence}", config.brokers.join(", "));
        Some(if is_operators { SinkError::operator(trouble, text) } else { SinkError::again(trouble, text) })
    }
}

/// What repairs it.
struct Remedy {
    sentence: Cow<'static, str>,
    /// Whether somebody must do it.
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

/// The error code decides. Where librdkafka has one code for many faults (TLS, a refused login), only the text
/// distinguishes them.
fn remedy((code, token): (RDKafkaErrorCode, Option<TokenFault>), reason: &str, config: &Config) -> Remedy {
    use RDKafkaErrorCode as C;
    match code {
        C::Authentication | C::SaslAuthenticationFailed => credentials(token, reason),
        _ => tls(code, reason, config).unwrap_or_else(|| unreachable(code, reason, config)),
    }
}

fn has(reason: &str, text: &str) -> bool {
    reason.to_ascii_lowercase().contains(text)
}

/// The cluster, or who gives tokens, refuses the login.
fn credentials(token: Option<TokenFault>, reason: &str) -> Remedy {
    match token {
        Some(TokenFault::Unreachable) => {
            Remedy::again(Trouble::Unreachable, "check `token_url` and the network")
        }
        Some(TokenFault::Refused) => {
            Remedy::operator(Trouble::Credentials, "check `token_url`, `username`, `password` and `scope`")
        }
        // RFC 7628, section 3.2.2: the broker's own word.
        None if has(reason, "invalid_token") => Remedy::operator(
            Trouble::Credentials,
            "the cluster does not accept tokens of `token_url`: check `scope`, and what the cluster expects",
        ),
        None => Remedy::operator(Trouble::Credentials, "check `username`, `password` and `sasl_mechanism`"),
    }
}

/// Certificates are refused, by either side. `None` if it is something else.
fn tls(code: RDKafkaErrorCode, reason: &str, config: &Config) -> Option<Remedy> {
    let has = |text| has(reason, text);
    let remedy = if has("certificate verify failed") || has("self-signed") || has("self signed") {
        "set `ca_file` if its certificate is from a CA of your own"
    } else if has("alert bad certificate") || has("certificate required") {
        "the broker requires a client certificate: set `cert_file` and `key_file`"
    } else if code == RDKafkaErrorCode::SSL {
        "check `tls`, `ca_file`, `cert_file` and `key_file`"
    } else if code != RDKafkaErrorCode::Resolve && config.tls.is_some() && has("ssl connection closed") {
        "does that port speak TLS? check `tls` and `brokers`"
    } else {
        return None;
    };
    Some(Remedy::operator(Trouble::Tls, remedy))
}

/// No connection to a broker.
fn unreachable(code: RDKafkaErrorCode, reason: &str, config: &Config) -> Remedy {
    use RDKafkaErrorCode as C;
    let advertised = advertised(reason, config);
    let remedy = match (code, advertised) {
        (C::Resolve, Some(broker)) => format!(
            "the cluster names its broker {broker}, which does not resolve here: fix `advertised.listeners` of that broker, or \
             the DNS of this machine"
        )
        .into(),
        (C::Resolve, None) => Cow::from("its name does not resolve: check `brokers`"),
        (C::AllBrokersDown, _) if config.tls.is_none() => {
            "is the cluster up? a port that speaks TLS looks the same: then set `tls = true`".into()
        }
        (_, Some(broker)) => format!(
            "the cluster names its broker {broker}: is it up, and is that address (`advertised.listeners`) reachable from here?"
        )
        .into(),
        (_, None) => "check `brokers`, the network and whether the cluster is up".into(),
    };
    Remedy::again(Trouble::Unreachable, remedy)
}

/// The broker that a reason begins with, if it is known from the cluster alone: `host:port/id: …`.
fn advertised<'a>(reason: &'a str, config: &Config) -> Option<&'a str> {
    let (broker, rest) =
        reason.split_once('/').filter(|(scheme, _)| !scheme.ends_with(':')).or_else(|| {
            let (_, rest) = reason.split_once("://")?;
            rest.split_once('/')
        })?;
    let (id, _) = rest.split_once(':')?;
    let is_named = id.parse::<u32>().is_ok() && broker.contains(':');
    (is_named && !config.brokers.iter().any(|known| known == broker)).then_some(broker)
}

/// Without what librdkafka puts before and behind it: the client's name, and for how long.
fn short(reason: &str) -> &str {
    let reason = reason.find("]: ").map_or(reason, |at| &reason[at + 3..]);
    reason.find(" (after ").map_or(reason, |at| &reason[..at]).trim()
}

/// The code of a failure that is only known by its log line.
pub(super) fn logged(message: &str) -> RDKafkaErrorCode {
    let has = |text: &str| message.contains(text);
    if has("Failed to resolve") {
        RDKafkaErrorCode::Resolve
    } else if has("SSL handshake failed") {
        RDKafkaErrorCode::SSL
    } else if has("SASL authentication") {
        RDKafkaErrorCode::Authentication
    } else {
        RDKafkaErrorCode::BrokerTransportFailure
    }
}

#[cfg(test)]
mod tests {
    use super::{super::client::tests::config, *};

    #[test]
    fn unrelated_errors_are_not_a_cause() {
        let cause = Cause::default();
        cause.set(RDKafkaErrorCode::PartitionEOF, "Fetch from broker 1 reached end of partition");
        cause.set(RDKafkaErrorCode::GroupAuthorizationFailed, "not allowed");
        assert!(cause.0.lock().is_none());
        cause.set(RDKafkaErrorCode::BrokerTransportFailure, "Connection refused");
        assert!(cause.0.lock().is_some());
    }

    #[test]
    fn an_unreachable_advertised_broker_is_named_with_a_remedy() {
        let mut config = config();
        let said = |config: &Config, code, reason: &str| {
            let cause = Cause::default();
            cause.set(code, reason);
            let error = cause.error("t accepts nothing", config);
            (error.to_string(), error.cause().clone())
        };
        let reason = "[thrd:k0.invalid:9092/1]: k0.invalid:9092/1: Failed to resolve 'k0.invalid:9092': Name or service not known (after 3ms in state CONNECT)";
        let (text, first) = said(&config, logged(reason), reason);
        assert!(
            text.contains("names its broker k0.invalid:9092, which") && text.contains("advertised.listeners"),
            "{text}"
        );
        let refused = "sasl_ssl://k0.invalid:9092/1: Connect to ipv4#10.0.0.1:9092 failed: Connection refused (after 0ms)";
        let (text, second) = said(&config, RDKafkaErrorCode::BrokerTransportFailure, refused);
        assert!(text.contains("names its broker k0.invalid:9092:"), "{text}");
        assert_eq!(first, second, "the same outage, in other words");
        config.brokers = vec!["k0.invalid:9092".to_owned()];
        for reason in [reason, refused, "127.0.0.1:9092/bootstrap: Connection refused"] {
            let (text, _) = said(&config, logged(reason), reason);
            assert!(text.contains("check `brokers`"), "{text}");
        }
    }
}
