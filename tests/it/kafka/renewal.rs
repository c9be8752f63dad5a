//! A Kafka sink whose secrets and certificates are replaced while it delivers: in order, and nothing twice.
#![cfg(feature = "kafka")]

use std::{fs, path::Path, time::Duration};

use cti_bridge::event::{SinkId, SourceId};
use cti_bridge::sink::{Options, Outcome, config::Config};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::support::{
    kafka::{Kafka, free_port},
    topic::{Line, config, stored, whole},
    wait::until,
};

/// As a Kafka sink has them: its client is kept for as long as it takes.
fn options() -> Options {
    Options { window: 4096, deadline: Duration::from_mins(1), answer: None, ..Options::default() }
}

/// Writes a new CA, and certificates by it of the broker and of the bridge, over those of before.
fn certificates(dir: &Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "a CA for trials");
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(dir.join("ca.pem"), ca.pem()).unwrap();
    for name in ["localhost", "bridge"] {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap();
        fs::write(dir.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        fs::write(dir.join(format!("{name}.store")), key.serialize_pem() + &certificate.pem()).unwrap();
    }
}

fn published(line: &Line) -> u64 {
    line.context.journal.ledger(SinkId(0), SourceId(0)).0.published
}

fn announce(line: &Line) {
    line.context.renewals.announce("sink", Config::new(None, line.config.clone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_secrets_of_a_busy_sink_lose_and_repeat_nothing() {
    let broker = Kafka::start().await;
    let mut line = Line::new(config(&broker.address(), "busy", &[]));
    line.append(100, 0);
    let running = line.run(options());
    line.activates().await;
    for _ in 0..8 {
        let before = published(&line);
        line.append(5_000, 0);
        announce(&line);
        until("nothing is delivered", || published(&line) > before + 200).await;
    }
    line.context.stop.drain();
    assert_eq!(running.await.unwrap(), Outcome::Drained);
    let opened = line.context.counters.sink(SinkId(0)).read().opened;
    assert!(opened >= 3, "{opened} links: the new secrets were not used");
    assert_eq!(whole(&stored(&broker, "busy", 1), 40_100), 0, "something came twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_were_replaced_are_used_without_a_restart() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    certificates(dir.path());
    let more = format!(
        "ssl.keystore.type=PEM\nssl.keystore.location={0}/localhost.store\nssl.truststore.type=PEM\n\
         ssl.truststore.location={0}/ca.pem\nlistener.name.mtls.ssl.client.auth=required",
        dir.path().display()
    );
    let mut broker = Kafka::start_with(&more, &[(&format!("MTLS://localhost:{port}"), "SSL")], &[]).await;
    let file = |key: &str, name: &str| format!("{key}={}", dir.path().join(name).display());
    let settings = [
        "tls=true".to_owned(),
        file("ca_file", "ca.pem"),
        file("cert_file", "bridge.pem"),
        file("key_file", "bridge.key"),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let mut line = Line::new(config(&format!("localhost:{port}"), "rotated", &settings));
    line.append(1_000, 0);
    let running = line.run(options());
    line.activates().await;
    broker.kill();
    line.append(1_000, 0);
    certificates(dir.path());
    broker.up().await;
    line.tells("certificate verify failed").await;
    announce(&line);
    line.append(1_000, 0);
    line.activates().await;
    line.context.stop.drain();
    assert_eq!(running.await.unwrap(), Outcome::Drained);
    assert_eq!(whole(&stored(&broker, "rotated", 1), 3_000), 0, "something came twice");
}
