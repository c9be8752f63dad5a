//! Reads librdkafka's error texts.
//!
//! librdkafka has one error code for many faults: every TLS fault is `SSL` or a lost connection, every refused login is
//! `AUTHENTICATION`, and a client without an error callback only logs. The remedies differ, and only the text distinguishes
//! the faults. A text that is not recognised yields no hint, and the code alone decides.

use rdkafka::error::RDKafkaErrorCode;

use super::config::Config;

/// A fault that only the text of an error identifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hint {
    /// The broker's certificate is not trusted.
    UntrustedBroker,
    /// The broker requires a client certificate.
    NoClientCertificate,
    /// The broker closed the connection during or before the TLS handshake.
    TlsClosed,
    /// The broker does not accept the token.
    TokenRefused,
}

/// By a part of the text, in lower case. Sources: OpenSSL (`ssl/ssl_err.c`, `crypto/x509/x509_txt.c`), librdkafka
/// (`rdkafka_ssl.c`), RFC 7628, section 3.2.2.
const HINTS: [(&str, Hint); 7] = [
    ("certificate verify failed", Hint::UntrustedBroker),
    ("self-signed", Hint::UntrustedBroker),
    ("self signed", Hint::UntrustedBroker),
    ("alert bad certificate", Hint::NoClientCertificate),
    ("certificate required", Hint::NoClientCertificate),
    ("ssl connection closed", Hint::TlsClosed),
    ("invalid_token", Hint::TokenRefused),
];

/// Returns the fault that a text identifies. `None` if the text is not recognised.
pub(super) fn hint(reason: &str) -> Option<Hint> {
    let reason = reason.to_ascii_lowercase();
    HINTS.iter().find_map(|(part, hint)| reason.contains(part).then_some(*hint))
}

/// By a part of a log line with the facility `FAIL` (librdkafka: `rdkafka_broker.c`).
const LOGGED: [(&str, RDKafkaErrorCode); 3] = [
    ("Failed to resolve", RDKafkaErrorCode::Resolve),
    ("SSL handshake failed", RDKafkaErrorCode::SSL),
    ("SASL authentication", RDKafkaErrorCode::Authentication),
];

/// Returns the code of a failure that is known only from its log line.
pub(super) fn logged(message: &str) -> RDKafkaErrorCode {
    let found = LOGGED.iter().find_map(|(part, code)| message.contains(part).then_some(*code));
    found.unwrap_or(RDKafkaErrorCode::BrokerTransportFailure)
}

/// Returns the broker that a reason begins with (`host:port/id: …`), if only the cluster names it. `None` for a broker of the
/// configuration.
pub(super) fn advertised<'a>(reason: &'a str, config: &Config) -> Option<&'a str> {
    let (broker, rest) =
        reason.split_once('/').filter(|(scheme, _)| !scheme.ends_with(':')).or_else(|| {
            let (_, rest) = reason.split_once("://")?;
            rest.split_once('/')
        })?;
    let (id, _) = rest.split_once(':')?;
    let is_named = id.parse::<u32>().is_ok() && broker.contains(':');
    (is_named && !config.brokers.iter().any(|known| known == broker)).then_some(broker)
}

/// Returns the reason without librdkafka's prefix (the client's name) and suffix (the duration).
pub(super) fn short(reason: &str) -> &str {
    let reason = reason.find("]: ").map_or(reason, |at| &reason[at + 3..]);
    reason.find(" (after ").map_or(reason, |at| &reason[..at]).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_with_one_code_are_told_apart_by_their_text() {
        for (reason, expected) in [
            (
                "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified",
                Some(Hint::UntrustedBroker),
            ),
            ("Self-signed certificate in certificate chain", Some(Hint::UntrustedBroker)),
            (
                "SSL handshake failed: error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42",
                Some(Hint::NoClientCertificate),
            ),
            (
                "error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL alert number 116",
                Some(Hint::NoClientCertificate),
            ),
            ("SSL connection closed by peer", Some(Hint::TlsClosed)),
            (r#"SASL authentication error: {"status":"invalid_token"}"#, Some(Hint::TokenRefused)),
            ("Connect to ipv4#127.0.0.1:9092 failed: Connection refused", None),
        ] {
            assert_eq!(hint(reason), expected, "{reason}");
        }
    }

    #[test]
    fn log_lines_are_classified() {
        use RDKafkaErrorCode as C;
        for (message, expected) in [
            ("k0:9092/1: Failed to resolve 'k0:9092': Name or service not known", C::Resolve),
            ("k0:9092/1: SSL handshake failed: certificate verify failed", C::SSL),
            ("k0:9092/1: SASL authentication error: Authentication failed", C::Authentication),
            (
                "k0:9092/1: Connect to ipv4#10.0.0.1:9092 failed: Connection refused",
                C::BrokerTransportFailure,
            ),
        ] {
            assert_eq!(logged(message), expected, "{message}");
        }
    }

    #[test]
    fn a_reason_loses_the_clients_name_and_the_duration() {
        let reason = "[thrd:k0:9092/1]: k0:9092/1: Connection refused (after 3ms in state CONNECT)";
        assert_eq!(short(reason), "k0:9092/1: Connection refused");
        assert_eq!(short("Connection refused"), "Connection refused");
    }
}
