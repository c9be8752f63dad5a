//! Properties of librdkafka that the operator sets, and those that are not the operator's to set.
//!
//! Source: librdkafka's CONFIGURATION.md.

use std::collections::BTreeMap;

use rdkafka::{ClientConfig, error::KafkaError};

use crate::config::{Section, nearest};

/// Names as librdkafka knows them; a name that ends with a dot stands for all that begin so.
const REFUSED: &[(&[&str], &str)] = &[
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
        "is what order and delivery rest on: remove it",
    ),
    (
        &["msg_order_cmp", "partitioner", "partitioner_cb", "sticky.partitioning.linger.ms"],
        "has no effect, as the sink chooses the partition: remove it",
    ),
    (
        &["batch.num.messages", "batch.size"],
        "decides which events are refused for their size, so the sink sets it by what the topic takes: remove it",
    ),
    (&["bootstrap.servers", "metadata.broker.list"], "has a key of its own: set `brokers`"),
    (&["compression.codec", "compression.type"], "has a key of its own: set `compression`"),
    (&["message.max.bytes"], "has a key of its own: set `max_message`"),
    (&["security.protocol"], "follows from `tls` and `sasl_mechanism`: set those"),
    (
        &["enable.ssl.certificate.verification", "ssl.endpoint.identification.algorithm"],
        "has a key of its own: set `insecure_skip_verify`",
    ),
    (&["ssl.ca.location", "ssl.ca.pem"], "has a key of its own: set `ca_file`"),
    (&["ssl.certificate.location", "ssl.certificate.pem"], "has a key of its own: set `cert_file`"),
    (&["ssl.key.location", "ssl.key.pem"], "has a key of its own: set `key_file`"),
    (
        &["enable.sasl.oauthbearer.unsecure.jwt", "sasl."],
        "has keys of its own: set `sasl_mechanism`, `username` and `password_file`",
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
        "is for a consumer of a group, and the sink is none: remove it",
    ),
    (&["builtin.features", "plugin.library.paths"], "changes what runs in this process: remove it"),
];

/// What is worth a change; for a name that was misspelt.
const USUAL: &[&str] = &[
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

/// Names the properties that can't be used, each with what to do.
pub(super) fn check(properties: &BTreeMap<String, String>, section: &mut Section<'_>) {
    for (name, value) in properties {
        if let Some(text) = problem(name, value) {
            section.problem(&format!("properties.{name}"), text);
        }
    }
}

fn problem(name: &str, value: &str) -> Option<String> {
    let is = |pattern: &&str| *pattern == name || pattern.ends_with('.') && name.starts_with(pattern);
    if let Some((_, text)) = REFUSED.iter().find(|(names, _)| names.iter().any(is)) {
        return Some((*text).to_owned());
    }
    if name.contains("password") || name.contains("secret") {
        return Some("is a secret, which this table would show: remove it".to_owned());
    }
    // The library knows its names, and what each may be.
    let KafkaError::ClientConfig(_, reason, ..) =
        ClientConfig::new().set(name, value).create_native_config().err()?
    else {
        return Some("is not taken by librdkafka: remove it".to_owned());
    };
    if !reason.starts_with("No such configuration property") {
        return Some(format!(
            "is not taken: {}; see librdkafka's CONFIGURATION.md",
            reason.trim_end_matches('.')
        ));
    }
    Some(match nearest(name, USUAL.iter().copied()) {
        Some(right) => format!("is not a property of librdkafka: did you mean \"{right}\"?"),
        None => "is not a property of librdkafka: see its CONFIGURATION.md".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_is_refused_or_suggested_is_librdkafkas() {
        let known = |name: &str| {
            let reason = match ClientConfig::new().set(name, "no such value").create_native_config() {
                Err(KafkaError::ClientConfig(_, reason, ..)) => reason,
                _ => String::new(),
            };
            !reason.starts_with("No such configuration property")
        };
        let refused = REFUSED.iter().flat_map(|(names, _)| names.iter());
        for name in refused.filter(|name| !name.ends_with('.')).chain(USUAL) {
            assert!(known(name), "{name}");
        }
    }
}
