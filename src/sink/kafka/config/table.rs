//! The table as it is written, and what makes it right.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    super::{
        login::{Login, Mechanism},
        properties,
    },
    Compression, Config, Create, PartitionBy, Topics,
};
use crate::{
    config::{Secret, Section, Size},
    net::Address,
    sink::{
        SinkTable,
        config::{Adopted, Config as SinkConfig, ContentMode, adopt},
    },
    tls::Trust,
};

/// The smallest `max_message`: an event of a queue with many callers has some 20 KiB.
const LEAST_MESSAGE: usize = 64 << 10;

/// A Kafka cluster.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools, reason = "a table of switches, as the operator writes it")]
pub struct Table {
    /// Some brokers of the cluster: `host:9092`.
    #[schemars(length(min = 1))]
    brokers: Vec<String>,
    /// The topic of events, including the bridge's own.
    topic: String,
    /// The topic of heartbeats.
    status_topic: String,
    /// The topic of dead letters.
    dlq_topic: String,
    /// The topic of replays.
    replay_topic: String,
    /// Create missing topics.
    create_topics: bool,
    /// Partitions of a created topic.
    #[schemars(range(min = 1, max = 1000))]
    partitions: i32,
    /// "source": all events of a source go to one partition, in order. "entity": all events of one extension, queue, … of a
    /// source do, and the bridge's own events go to every partition; only this bridge may write to the topic.
    partition_by: PartitionBy,
    /// The replication factor of a created topic.
    #[schemars(range(min = 1, max = 10))]
    replication_factor: i32,
    /// The compression of batches: "lz4", "zstd", "snappy" or "none".
    compression: Compression,
    /// "binary": `CloudEvents` attributes in headers. "structured": one JSON object.
    content_mode: ContentMode,
    /// The largest message; the topic's `max.message.bytes` should not be smaller.
    max_message: Size,
    /// Continue in a topic that another journal wrote, or after a foreign record: the journal or record that the error names.
    adopt: Option<String>,
    /// Use TLS.
    tls: bool,
    /// Allow an unencrypted connection to another machine. Credentials and call data can then be read on the network.
    allow_plaintext: bool,
    /// Certificate authorities (PEM), instead of those of the operating system.
    ca_file: Option<String>,
    /// The client certificate chain (PEM), for brokers that require one.
    cert_file: Option<String>,
    /// Its private key (PEM).
    key_file: Option<String>,
    /// Accept any certificate. For tests only.
    insecure_skip_verify: bool,
    /// Log in by SASL with this mechanism: "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512" or "OAUTHBEARER".
    sasl_mechanism: Option<Mechanism>,
    /// OAUTHBEARER: the token endpoint, with `username` and the password as client id and secret.
    token_url: Option<Address>,
    /// OAUTHBEARER: the scopes to request.
    scope: Option<String>,
    /// The user name for the login.
    username: Option<String>,
    /// The password. Prefer `password_file`.
    password: Option<Secret>,
    /// A file with the password.
    password_file: Option<String>,
    /// More properties of librdkafka, except those that the delivery guarantee depends on.
    properties: BTreeMap<String, String>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            brokers: vec!["127.0.0.1:9092".to_owned()],
            topic: "cti.events.v1".to_owned(),
            status_topic: "cti.status.v1".to_owned(),
            dlq_topic: "cti.dlq.v1".to_owned(),
            replay_topic: "cti.replay.v1".to_owned(),
            create_topics: true,
            partitions: 1,
            partition_by: PartitionBy::Source,
            replication_factor: 1,
            compression: Compression::Lz4,
            content_mode: ContentMode::Binary,
            max_message: Size(1000 << 10),
            adopt: None,
            tls: false,
            allow_plaintext: false,
            ca_file: None,
            cert_file: None,
            key_file: None,
            insecure_skip_verify: false,
            sasl_mechanism: None,
            token_url: None,
            scope: None,
            username: None,
            password: None,
            password_file: None,
            properties: BTreeMap::new(),
        }
    }
}

impl SinkTable for Table {
    fn validate(self, section: &mut Section<'_>) -> Option<SinkConfig> {
        check_brokers(&self, section);
        let topics = Topics {
            events: self.topic,
            status: self.status_topic,
            dead_letters: self.dlq_topic,
            replay: self.replay_topic,
        };
        for (key, topic) in [
            ("topic", &topics.events),
            ("status_topic", &topics.status),
            ("dlq_topic", &topics.dead_letters),
            ("replay_topic", &topics.replay),
        ] {
            if !is_topic(topic) {
                section.problem(key, "is not a valid topic name: use 1 to 249 of A-Z a-z 0-9 . _ -");
            }
        }
        if [&topics.status, &topics.dead_letters, &topics.replay].contains(&&topics.events) {
            section.problem(
                "topic",
                "is used for something else too: the topic of events needs a name of its own",
            );
        }
        if !(1..=1000).contains(&self.partitions) {
            section.problem("partitions", "is out of range: write 1 to 1000");
        }
        if !(1..=10).contains(&self.replication_factor) {
            section.problem("replication_factor", "is out of range: write 1 to 10");
        }
        if self.max_message.0 < LEAST_MESSAGE {
            section.problem("max_message", "is less than an event needs: write 64KiB or more");
        }
        properties::check(&self.properties, section);
        let Adopted { journal: adopt, ignored } = adopt(self.adopt.as_deref(), section);
        let trust = section.trust(self.ca_file, (self.cert_file, self.key_file), self.insecure_skip_verify);
        if !self.tls && trust != Trust::default() {
            section.warn("tls", "TLS files are set, and TLS is not used: set `tls = true`");
        }
        let password = section.secret("password", self.password, self.password_file);
        let login = Login {
            mechanism: self.sasl_mechanism,
            username: self.username,
            password,
            tokens: self.token_url.map(|url| (url, self.scope)),
            allow_plaintext: self.allow_plaintext,
        };
        let sasl = login.sasl(&trust, section);
        let create = self
            .create_topics
            .then_some(Create { partitions: self.partitions, replication: self.replication_factor });
        let config = Config {
            brokers: self.brokers,
            topics,
            partition_by: self.partition_by,
            create,
            compression: self.compression,
            content_mode: self.content_mode,
            max_message: self.max_message.0,
            tls: self.tls.then_some(trust),
            sasl,
            properties: self.properties,
            ignored,
        };
        Some(SinkConfig::new(adopt, config))
    }
}

/// <https://kafka.apache.org/documentation/#basic_ops_add_topic>: by the class `Topic` of the broker.
fn is_topic(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=249).contains(&name.len()) && name.bytes().all(legal) && name != "." && name != ".."
}

fn check_brokers(table: &Table, section: &mut Section<'_>) {
    if table.brokers.is_empty() {
        section.problem("brokers", "is empty: write [\"host:9092\"]");
    }
    for broker in &table.brokers {
        let host =
            broker.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        let Some((host, _)) = host.filter(|(host, _)| !host.contains(['/', '@', ',', ' '])) else {
            section.problem(
                "brokers",
                "has an entry that is not a broker: write host:port, as in \"kafka1.example.org:9092\"",
            );
            continue;
        };
        let local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        if !table.tls && !table.allow_plaintext && !local {
            section.problem(
                "brokers",
                format!(
                    "{host} would be spoken to in the clear: set `tls = true`, or `allow_plaintext = true` if the network path is safe"
                ),
            );
        }
    }
}
