//! A real Kafka broker for one test: a single node that is its own controller.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::{Headers as _, Message as _, OwnedMessage},
};
use serde_json::Value;
use tempfile::TempDir;

/// A broker on loopback. It stops when the value is dropped, or when this process ends.
pub(crate) struct Kafka {
    /// A shell that stops the broker at the end of its input.
    child: Option<Child>,
    port: u16,
    dir: TempDir,
}

/// The start timeout on a busy machine. After a kill, the session of the earlier process has to expire first.
const START: Duration = Duration::from_secs(90);

/// The distribution that `tests/kafka/install` fetched.
pub(crate) fn dist() -> PathBuf {
    let path = std::env::var_os("KAFKA_DIST").map(PathBuf::from);
    path.expect("KAFKA_DIST names no Kafka: run tests/run, which fetches one")
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Kafka {
    /// Starts a broker without authentication.
    pub(crate) async fn start() -> Self {
        Self::start_with("", &[], &[]).await
    }

    /// Starts a broker with a second listener on port `behind` that is advertised as port `way`, the port of a proxy that
    /// breaks connections.
    pub(crate) async fn start_behind(way: u16, behind: u16) -> Self {
        let listener = format!("WAY://127.0.0.1:{behind}");
        Self::begin("", &[(&listener, "PLAINTEXT")], &[], &format!(",WAY://127.0.0.1:{way}")).await
    }

    /// Starts a broker with additional properties, listeners (`NAME://host:port`, each with its protocol) and users.
    pub(crate) async fn start_with(more: &str, listeners: &[(&str, &str)], scram: &[&str]) -> Self {
        let urls: String = listeners.iter().flat_map(|(url, _)| [",", url]).collect();
        Self::begin(more, listeners, scram, &urls).await
    }

    /// Starts a broker with a second listener on this port, for the user `bridge` with the password `bridge-secret`
    /// (SCRAM-SHA-512), who has no permissions until an ACL grants them.
    pub(crate) async fn start_with_acls(port: u16) -> Self {
        Self::start_with(
            "sasl.enabled.mechanisms=SCRAM-SHA-512\n\
             listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\nsuper.users=User:ANONYMOUS",
            &[(&format!("SASL_PLAINTEXT://127.0.0.1:{port}"), "SASL_PLAINTEXT")],
            &["SCRAM-SHA-512=[name=bridge,password=bridge-secret]"],
        )
        .await
    }

    async fn begin(more: &str, listeners: &[(&str, &str)], scram: &[&str], advertised: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (port, controller) = (free_port(), free_port());
        let (mut urls, mut protocols) = (String::new(), String::new());
        for (url, protocol) in listeners {
            let name = url.split("://").next().unwrap();
            urls.extend([",", url]);
            protocols.extend([",", name, ":", protocol]);
        }
        let properties = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{urls}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}{advertised}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}\n\
             controller.listener.names=CONTROLLER\ninter.broker.listener.name=PLAINTEXT\nlog.dirs=data\n\
             offsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\ntransaction.state.log.num.partitions=1\n\
             share.coordinator.state.topic.replication.factor=1\nshare.coordinator.state.topic.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\nbroker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\n\
             auto.create.topics.enable=false\nnum.partitions=1\n{more}\n",
        );
        fs::write(dir.path().join("server.properties"), properties).unwrap();
        let mut kafka = Self { child: None, port, dir };
        kafka.format(scram);
        kafka.up().await;
        kafka
    }

    fn java(&self) -> Command {
        let jars = dist();
        let mut command = Command::new("java");
        command
            .current_dir(self.dir.path())
            .args(["-Xms256m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg(format!("-Dlog4j2.configurationFile={}", jars.join("log4j2.properties").display()))
            .arg("-cp")
            .arg(format!("{}/*", jars.join("lib").display()))
            .stdin(Stdio::null());
        command
    }

    fn format(&self, scram: &[&str]) {
        let log = File::create(self.dir.path().join("format.log")).unwrap();
        let status = self
            .java()
            .args([
                "kafka.tools.StorageTool",
                "format",
                "-t",
                "4L6g3nShT-eMCtK--X86sw",
                "-c",
                "server.properties",
            ])
            .args(scram.iter().flat_map(|user| ["--add-scram", user]))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .status()
            .unwrap();
        assert!(status.success(), "{}", fs::read_to_string(self.dir.path().join("format.log")).unwrap());
    }

    /// Restarts it on the same port.
    pub(crate) async fn up(&mut self) {
        let deadline = Instant::now() + START;
        self.spawn();
        loop {
            let said = fs::read_to_string(self.log()).unwrap_or_default();
            if said.contains("Kafka Server started") {
                return;
            }
            let last = said.lines().rev().take(20).collect::<Vec<_>>();
            assert!(Instant::now() < deadline, "Kafka does not start: {last:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
            // An outgoing connection may be using the port.
            if said.contains("Address already in use") {
                self.kill();
                self.spawn();
            }
        }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("kafka.log")
    }

    fn spawn(&mut self) {
        let log = File::create(self.log()).unwrap();
        let java = self.java();
        let mut command = Command::new("sh");
        command.current_dir(self.dir.path()).stdin(Stdio::piped());
        command.args(["-c", "\"$@\" </dev/null & echo $! >pid; cat >/dev/null; kill -9 $(cat pid)", "sh"]);
        command.arg(java.get_program()).args(java.get_args()).args(["kafka.Kafka", "server.properties"]);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }

    fn signal(&self, name: &str) {
        let pid = fs::read_to_string(self.dir.path().join("pid")).unwrap();
        assert!(Command::new("kill").args([name, pid.trim()]).status().unwrap().success());
    }

    /// Suspends it; its connections stay open.
    pub(crate) fn stop(&self) {
        self.signal("-STOP");
    }

    /// Resumes it.
    pub(crate) fn cont(&self) {
        self.signal("-CONT");
    }

    /// Runs one of Kafka's own tools, given by its class. Returns the output.
    pub(crate) async fn tool(&self, class: &str, args: &[&str]) -> String {
        let mut command = tokio::process::Command::from(self.java());
        command.arg(class).args(["--bootstrap-server", &self.address()]).args(args);
        let output = command.output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{class} {args:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn settings(&self) -> ClientConfig {
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", self.address());
        settings
    }

    /// Creates a topic with these settings.
    pub(crate) async fn topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.settings().create().unwrap();
        let topic = settings
            .iter()
            .fold(NewTopic::new(name, partitions, TopicReplication::Fixed(1)), |topic, (key, value)| {
                topic.set(key, value)
            });
        let made = admin.create_topics(&[topic], &AdminOptions::new()).await.unwrap();
        made.into_iter().next().unwrap().unwrap();
    }

    /// Changes a setting of a topic, and resets all others to their defaults.
    pub(crate) async fn set(&self, topic: &str, setting: &str, value: &str) {
        let admin: AdminClient<DefaultClientContext> = self.settings().create().unwrap();
        let config = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(setting, value);
        let set = admin.alter_configs(&[config], &AdminOptions::new()).await.unwrap();
        set.into_iter().next().unwrap().unwrap();
    }

    /// Deletes a topic.
    pub(crate) async fn delete(&self, topic: &str) {
        let admin: AdminClient<DefaultClientContext> = self.settings().create().unwrap();
        let deleted = admin.delete_topics(&[topic], &AdminOptions::new()).await.unwrap();
        deleted.into_iter().next().unwrap().unwrap();
    }

    /// The end offset of a partition; `None` while it is unknown.
    pub(crate) fn end(&self, topic: &str, partition: i32) -> Option<i64> {
        let consumer: BaseConsumer = self.settings().create().unwrap();
        Some(consumer.fetch_watermarks(topic, partition, Duration::from_secs(2)).ok()?.1)
    }

    /// The records of a partition from an offset on; empty without such a topic.
    pub(crate) fn records(&self, topic: &str, partition: i32, from: i64) -> Vec<OwnedMessage> {
        use RDKafkaErrorCode::{UnknownPartition, UnknownTopic, UnknownTopicOrPartition};
        let asked = Instant::now();
        loop {
            // After a suspension, the broker and its clients briefly do not know the partitions.
            let (unknown, error) = match self.try_records(topic, partition, from) {
                Ok(records) => return records,
                Err(KafkaError::MetadataFetch(code)) => (
                    matches!(code, UnknownPartition | UnknownTopic | UnknownTopicOrPartition),
                    code.to_string(),
                ),
                Err(error) => (false, error.to_string()),
            };
            match asked.elapsed().as_secs() {
                10.. if unknown => return Vec::new(),
                ..60 => std::thread::sleep(Duration::from_millis(100)),
                _ => panic!("{topic} can't be read: {error}"),
            }
        }
    }

    fn try_records(&self, topic: &str, partition: i32, from: i64) -> Result<Vec<OwnedMessage>, KafkaError> {
        let mut settings = self.settings();
        settings.set("group.id", "test").set("enable.auto.commit", "false").set("fetch.wait.max.ms", "20");
        let consumer: BaseConsumer = settings.create()?;
        let (low, high) = consumer.fetch_watermarks(topic, partition, Duration::from_secs(10))?;
        let mut records = Vec::new();
        if high <= low.max(from) {
            return Ok(records);
        }
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(topic, partition, Offset::Offset(low.max(from)))?;
        consumer.assign(&place)?;
        let mut heard = Instant::now();
        while records.last().is_none_or(|last: &OwnedMessage| last.offset() + 1 < high) {
            match consumer.poll(Duration::from_millis(200)) {
                Some(message) => {
                    records.push(message?.detach());
                    heard = Instant::now();
                }
                None if heard.elapsed() > Duration::from_secs(5) => {
                    return Err(KafkaError::NoMessageReceived);
                }
                None => {}
            }
        }
        Ok(records)
    }
}

/// A record as a structured event.
pub(crate) fn event(record: &OwnedMessage) -> Value {
    let mut event: serde_json::Map<String, Value> = serde_json::Map::new();
    for header in record.headers().unwrap().iter() {
        let name = if header.key == "content-type" { "datacontenttype" } else { header.key };
        let value = String::from_utf8(header.value.unwrap().to_vec()).unwrap();
        event.insert(name.trim_start_matches("ce_").to_owned(), value.into());
    }
    event.insert("data".to_owned(), serde_json::from_slice(record.payload().unwrap()).unwrap());
    Value::Object(event)
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.kill();
    }
}
