//! `[sinks.NAME]` with `type = "kafka"`: what is refused, and with what words.
#![cfg(feature = "kafka")]

use cti_bridge::sink::kafka::config::{Compression, Config, Mechanism, Sasl};

use crate::support::config::{GOOD, Place};

fn place(lines: &str) -> Place {
    Place::new(&format!("{}\n{lines}\n[journal]\ndir = \"journal\"\n", GOOD.replace("\"nats\"", "\"kafka\"")))
}

#[test]
fn the_least_there_can_be_is_the_contracts() {
    let loaded = place("").good();
    let kafka = loaded.config.sinks["bus"].of::<Config>().unwrap();
    assert_eq!(kafka.brokers, ["127.0.0.1:9092"]);
    assert_eq!(kafka.topics.events, "cti.events.v1");
    assert_eq!(
        (kafka.compression, kafka.tls.is_none(), kafka.sasl.is_none()),
        (Compression::Lz4, true, true)
    );
    let loaded = place(
        "brokers = [\"k1.example.org:9093\", \"[::1]:9093\"]\ntls = true\nsasl_mechanism = \"SCRAM-SHA-512\"\nusername = \"u\"\npassword = \"p\"",
    )
    .good();
    let kafka = loaded.config.sinks["bus"].of::<Config>().unwrap();
    assert!(matches!(kafka.sasl, Some(Sasl::Password { mechanism: Mechanism::ScramSha512, .. })));
    assert!(!format!("{kafka:?}").contains("\"p\""));
}

#[test]
fn properties_may_be_nested_or_quoted_and_flags_override_both() {
    let place = place(
        "properties = { client.rack = \"b\", \"linger.ms\" = 5, socket.nagle.disable = false, \"client.id\" = \"x\" }",
    );
    let loaded = place.set("sinks.bus.properties.linger.ms=7").good();
    let kafka = loaded.config.sinks["bus"].of::<Config>().unwrap();
    let properties: Vec<_> = kafka.properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(properties, ["client.id=x", "client.rack=b", "linger.ms=7", "socket.nagle.disable=false"]);
    let shown = loaded.settings.to_string();
    assert!(shown.contains("sinks.bus.properties.linger.ms = \"7\"  # from --set"), "{shown}");
}

#[test]
fn each_mistake_has_a_remedy() {
    for (lines, expected) in [
        ("brokers = []", "brokers: is empty: write [\"host:9092\"]"),
        ("brokers = [\"kafka1\"]", "brokers: has an entry that is not a broker: write host:port"),
        ("brokers = [\"u:planted@h:1\"]", "brokers: has an entry that is not a broker: write host:port"),
        (
            "brokers = [\"k.example.org:9092\"]",
            "k.example.org would be spoken to in the clear: set `tls = true`",
        ),
        ("topic = \"a b\"", "topic: is not a valid topic name: use 1 to 249 of A-Z a-z 0-9 . _ -"),
        ("topic = \"cti.status.v1\"", "topic: is used for something else too"),
        ("partitions = 0", "partitions: is out of range: write 1 to 1000"),
        ("partition_by = \"exten\"", "partition_by: can't be \"exten\": write \"source\" or \"entity\""),
        ("replication_factor = 11", "replication_factor: is out of range: write 1 to 10"),
        ("max_message = \"1KiB\"", "max_message: is less than an event needs"),
        (
            "compression = \"zip\"",
            "compression: can't be \"zip\": write \"none\" or \"lz4\" or \"snappy\" or \"zstd\"",
        ),
        ("username = \"u\"", "username: needs a mechanism"),
        ("sasl_mechanism = \"PLAIN\"", "sasl_mechanism: needs a user"),
        ("sasl_mechanism = \"PLAIN\"\nusername = \"u\"", "username: has no password: set `password_file`"),
        (
            "sasl_mechanism = \"OAUTHBEARER\"\nusername = \"u\"\npassword = \"p\"",
            "sasl_mechanism: needs a token endpoint: set `token_url`",
        ),
        (
            "sasl_mechanism = \"PLAIN\"\nusername = \"u\"\npassword = \"p\"\ntoken_url = \"https://id.example.org/t\"",
            "token_url: is only for OAUTHBEARER",
        ),
        (
            "sasl_mechanism = \"OAUTHBEARER\"\nusername = \"u\"\npassword = \"p\"\ntoken_url = \"http://id.example.org/t\"",
            "token_url: would receive the secret unencrypted: write https://",
        ),
        (
            "sasl_mechanism = \"OAUTHBEARER\"\nusername = \"u\"\npassword = \"p\"\ntoken_url = \"https://u:planted@id.example.org/t\"",
            "token_url: contains credentials: set `username` and `password_file` instead",
        ),
        ("sasl_mechanism = \"plain\"", "sasl_mechanism: can't be \"plain\": write \"PLAIN\""),
        ("properties = { acks = 1 }", "properties.acks: is fixed by the delivery guarantee: remove it"),
        (
            "properties = { max.in.flight = 1 }",
            "properties.max.in.flight: is fixed by the delivery guarantee: remove it",
        ),
        ("properties = { \"sasl.password\" = \"planted\" }", "properties.sasl.password: has its own keys"),
        ("properties = { \"ssl.key.password\" = \"planted\" }", "properties.ssl.key.password: is a secret"),
        (
            "properties = { lingre.ms = 1 }",
            "properties.lingre.ms: is not a property of librdkafka: did you mean \"linger.ms\"?",
        ),
        ("properties = { linger.ms = \"planted\" }", "properties.linger.ms: is rejected: "),
        ("properties = { debug = [] }", "properties.debug: is a list, but must be a string"),
        ("adopt = \"x\"", "adopt: "),
        ("cert_file = \"c.pem\"", "cert_file: needs its private key: set `key_file` too"),
    ] {
        let problems = place(lines).problems();
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{lines}: {problems:?}");
        assert!(problems.iter().all(|problem| !problem.contains("planted")), "{problems:?}");
    }
    let warned = place("ca_file = \"ca.pem\"");
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    warned.file("ca.pem", &certificate.pem());
    assert!(warned.good().warnings[0].contains("TLS is not used: set `tls = true`"));
}
