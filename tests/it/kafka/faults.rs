//! The Kafka sink while broker, network path or permissions fail: nothing is lost, and nothing is stored twice.
#![cfg(feature = "kafka")]

use std::time::{Duration, Instant};

use cti_bridge::sink::{Options, Outcome};

use crate::support::{
    faulty_proxy::{Fault, FaultyProxy},
    kafka::{Kafka as Broker, free_port},
    topic::{Line, config, stored, whole},
};

/// As many as are lost in the outage of a switch.
const LOST: u8 = 15;

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_store_nothing_twice() {
    let behind = free_port();
    let proxy = FaultyProxy::to(format!("127.0.0.1:{behind}"), u32::MAX, || Fault::Lose(LOST)).await;
    let way: u16 = proxy.address().rsplit(':').next().unwrap().parse().unwrap();
    let broker = Broker::start_behind(way, behind).await;
    let mut line = Line::new(config(&proxy.address(), "lost", &["partitions=2"]));
    // Few at a time, so that there are many answers.
    let running = line.run(Options { window: 32, batch: 8, answer: None, ..Options::default() });
    let mut sent = 0;
    // Under load the producer joins batches, so that there are fewer answers.
    while proxy.faults() <= 10 {
        line.append(1_000, 0);
        line.delivered().await;
        sent += 1_000;
        assert!(sent <= 50_000, "{} answers were lost", proxy.faults());
    }
    line.context.stop.drain();
    assert_eq!(running.await.unwrap(), Outcome::Drained);
    assert_eq!(whole(&stored(&broker, "lost", 2), sent), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_broker_is_reported_and_gets_everything_once() {
    let broker = Broker::start().await;
    let mut line = Line::new(config(&broker.address(), "still", &[]));
    line.append(300, 0);
    let running = line.run(Options { answer: None, ..Options::default() });
    line.delivered().await;
    broker.stop();
    line.append(300, 0);
    line.tells("acknowledged nothing for 10s: it is slow or stuck").await;
    // Its client gives the connection up, and takes another.
    line.tells("still accepts nothing at").await;
    broker.cont();
    line.append(300, 0);
    line.delivered().await;
    assert_eq!(whole(&stored(&broker, "still", 1), 900), 0);
    line.activates().await;
    line.context.stop.drain();
    assert_eq!(running.await.unwrap(), Outcome::Drained);
}

/// So long a refusal must stay known by its cause.
const LASTING: Duration = Duration::from_secs(10);

const ACL: &str = "org.apache.kafka.tools.AclCommand";

#[tokio::test(flavor = "multi_thread")]
async fn missing_permissions_are_named_and_nothing_is_lost() {
    let port = free_port();
    let broker = Broker::start_with_acls(port).await;
    let acl = async |verb: &str, operations: &[&str]| {
        let operations: Vec<_> = operations.iter().flat_map(|operation| ["--operation", operation]).collect();
        let on =
            ["--allow-principal", "User:bridge", "--topic", "kept", "--resource-pattern-type", "prefixed"];
        let verb: &[&str] = if verb == "remove" { &["--remove", "--force"] } else { &["--add"] };
        broker.tool(ACL, &[verb, &on, &operations].concat()).await;
    };
    let login = ["sasl_mechanism=SCRAM-SHA-512", "username=bridge", "password=bridge-secret"];
    let mut line = Line::new(config(&format!("127.0.0.1:{port}"), "kept", &login));
    line.append(100, 0);

    acl("add", &["Write", "Create", "Describe", "DescribeConfigs"]).await;
    let running = line.run(Options::default());
    line.tells(
        "does not let us read kept, whose end determines where to resume: allow the account READ on it",
    )
    .await;
    running.abort();
    acl("add", &["Read"]).await;

    let running = line.run(Options { answer: None, ..Options::default() });
    line.delivered().await;
    acl("remove", &["Write"]).await;
    line.append(500, 0);
    line.tells("does not let us write to kept: TopicAuthorizationFailed (Broker: Topic authorization failed); allow the account WRITE").await;
    // Also by a new producer, which gets no id and gives up for good.
    let mut other = Line::new(config(&format!("127.0.0.1:{port}"), "kept", &login));
    other.append(10, 0);
    let adopt = Some(line.context.journal.id());
    let beside = other.run(Options { answer: None, adopt, ..Options::default() });
    other.tells("does not let us write to kept: ClusterAuthorizationFailed (Broker: Cluster authorization failed); allow the account WRITE").await;
    let deadline = Instant::now() + LASTING;
    while Instant::now() < deadline {
        other.tells("does not let us write to kept: ClusterAuthorizationFailed (Broker: Cluster authorization failed); allow the account WRITE").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    beside.abort();
    acl("add", &["Write"]).await;
    line.append(500, 0);
    line.delivered().await;
    line.context.stop.drain();
    assert_eq!(running.await.unwrap(), Outcome::Drained);
    assert_eq!(whole(&stored(&broker, "kept", 1), 1_100), 0);
}
