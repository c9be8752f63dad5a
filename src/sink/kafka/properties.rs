//! The properties of librdkafka that an operator may set, and those that are reserved.
//!
//! Source: librdkafka's CONFIGURATION.md.

use std::collections::BTreeMap;

use rdkafka::{ClientConfig, error::KafkaError};

use crate::config::{Section, nearest};

/// The reserved properties, with the remedy. A name that ends with a dot is a prefix.
const RESERVED: &[(&[&str], &str)] = &[
    (
        &[
            "acks",
            "delivery.timeout.ms",
            "enable.gapless.guarantee",
            "enable.idempotence",
            "max.in.flight",
            "max.in.flight.requests.per.connection",
            "message.send.max.retries",
            "message.timeout.ms",
            "queuing.strategy",
            "request.required.acks",
            "retries",
            "transaction.timeout.ms",
            "transactional.id",
        ],
        "is fixed by the delivery guarantee: remove it",
    ),
    (
        &["msg_order_cmp", "partitioner", "partitioner_cb", "sticky.partitioning.linger.ms"],
        "has no effect, as the sink chooses the partition: remove it",
    ),
    (
        &["batch.num.messages", "batch.size"],
        "decides which events are refused as too large, so the sink derives it from the topic: remove it",
    ),
    (&["bootstrap.servers", "metadata.broker.list"], "has its own key: set `brokers`"),
    (&["compression.codec", "compression.type"], "has its own key: set `compression`"),
    (&["message.max.bytes"], "has its own key: set `max_message`"),
    (&["security.protocol"], "follows from `tls` and `sasl_mechanism`: set those"),
    (
        &["enable.ssl.certificate.verification", "ssl.endpoint.identification.algorithm"],
        "has its own key: set `insecure_skip_verify`",
    ),
    (&["ssl.ca.location", "ssl.ca.pem"], "has its own key: set `ca_file`"),
    (&["ssl.certificate.location", "ssl.certificate.pem"], "has its own key: set `cert_file`"),
    (&["ssl.key.location", "ssl.key.pem"], "has its own key: set `key_file`"),
    (
        &["enable.sasl.oauthbearer.unsecure.jwt", "sasl."],
        "has its own keys: set `sasl_mechanism`, `username` and `password_file`",
    ),
    (
        &[
            "auto.commit.",
            "auto.offset.reset",
            "enable.auto.commit",
            "enable.auto.offset.store",
            "enable.partition.eof",
            "group.",
            "isolation.level",
        ],
        "is for consumer groups, and the sink joins none: remove it",
    ),
    (&["builtin.features", "plugin.library.paths"], "loads code into this process: remove it"),
];

/// The properties that are worth tuning, as suggestions for a misspelt name.
const SUGGESTED: &[&str] = &[
    "allow.auto.create.topics",
    "broker.address.family",
    "broker.address.ttl",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "compression.level",
    "connections.max.idle.ms",
    "debug",
    "linger.ms",
    "metadata.max.age.ms",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.cipher.suites",
    "ssl.curves.list",
    "ssl.sigalgs.list",
    "statistics.interval.ms",
    "topic.metadata.refresh.interval.ms",
];

/// Reports each unusable property with its remedy.
pub(super) fn check(properties: &BTreeMap<String, String>, section: &mut Section<'_>) {
    for (name, value) in properties {
        if let Some(text) = problem(name, value) {
            section.problem(&format!("properties.{name}"), text);
        }
    }
}

fn problem(name: &str, value: &str) -> Option<String> {
    let is = |pattern: &&str| *pattern == name || pattern.ends_with('.') && name.starts_with(pattern);
    if let Some((_, text)) = RESERVED.iter().find(|(names, _)| names.iter().any(is)) {
        return Some((*text).to_owned());
    }
    if name.contains("password") || name.contains("secret") {
        return Some("is a secret, which this table would reveal: remove it".to_owned());
    }
    // librdkafka validates names and values itself.
    let KafkaError::ClientConfig(_, reason, ..) =
        ClientConfig::new().set(name, value).create_native_config().err()?
    else {
        return Some("is rejected by librdkafka: remove it".to_owned());
    };
    if !reason.starts_with("No such configuration property") {
        return Some(format!(
            "is rejected: {}; see librdkafka's CONFIGURATION.md",
            reason.trim_end_matches('.')
        ));
    }
    Some(match nearest(name, SUGGESTED.iter().copied()) {
        Some(right) => format!("is not a property of librdkafka: did you mean \"{right}\"?"),
        None => "is not a property of librdkafka: see its CONFIGURATION.md".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_and_suggested_names_are_known_to_librdkafka() {
        let known = |name: &str| {
            let reason = match ClientConfig::new().set(name, "no such value").create_native_config() {
                Err(KafkaError::ClientConfig(_, reason, ..)) => reason,
                _ => String::new(),
            };
            !reason.starts_with("No such configuration property")
        };
        let reserved = RESERVED.iter().flat_map(|(names, _)| names.iter());
        for name in reserved.filter(|name| !name.ends_with('.')).chain(SUGGESTED) {
            assert!(known(name), "{name}");
        }
    }
}
