//! Who gets in to a Kafka broker, and what is said to whom it keeps out.
#![cfg(feature = "kafka")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use cti_bridge::{
    app::config::load_with,
    config::{Assignment, Flags},
    sink::{Bridge, Claim, Sink as _, SinkError, kafka::Kafka as Sink},
};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::support::{
    http,
    kafka::{Kafka, free_port},
};

/// `bridge` may do all, `stranger` nothing.
const SCRAM: [&str; 2] = [
    "SCRAM-SHA-512=[name=bridge,password=bridge-secret]",
    "SCRAM-SHA-512=[name=stranger,password=stranger-secret]",
];

struct Ports {
    tls: u16,
    scram: u16,
    mutual: u16,
    tokens: u16,
}

/// Writes a CA, the broker's certificate and ours.
fn certificates(dir: &Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "a CA for trials");
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(dir.join("ca.pem"), ca.pem()).unwrap();
    for (name, hosts) in
        [("localhost", vec!["localhost".to_owned(), "127.0.0.1".to_owned()]), ("bridge", vec![])]
    {
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap();
        fs::write(dir.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        fs::write(dir.join(format!("{name}.store")), key.serialize_pem() + &certificate.pem()).unwrap();
    }
}

async fn start(dir: &Path) -> (Kafka, Ports) {
    certificates(dir);
    let ports = Ports { tls: free_port(), scram: free_port(), mutual: free_port(), tokens: free_port() };
    let more = format!(
        "ssl.keystore.type=PEM\nssl.keystore.location={0}/localhost.store\nssl.truststore.type=PEM\n\
         ssl.truststore.location={0}/ca.pem\nlistener.name.mtls.ssl.client.auth=required\n\
         listener.name.mtls.ssl.principal.mapping.rules=RULE:^CN=(.*?)(,.*)?$/$1/,DEFAULT\n\
         sasl.enabled.mechanisms=SCRAM-SHA-512\n\
         listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
         listener.name.tokens.sasl.enabled.mechanisms=OAUTHBEARER\n\
         listener.name.tokens.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS;User:bridge",
        dir.display()
    );
    let listeners = [
        (format!("SSL://localhost:{}", ports.tls), "SSL"),
        (format!("SASL_SSL://localhost:{}", ports.scram), "SASL_SSL"),
        (format!("MTLS://localhost:{}", ports.mutual), "SSL"),
        (format!("TOKENS://localhost:{}", ports.tokens), "SASL_PLAINTEXT"),
    ];
    let listeners: Vec<_> = listeners.iter().map(|(url, protocol)| (url.as_str(), *protocol)).collect();
    (Kafka::start_with(&more, &listeners, &SCRAM).await, ports)
}

/// Opens a sink with these settings; what was said, or nothing.
async fn opened(port: u16, settings: &[String]) -> Result<(), String> {
    let config = config(port, settings);
    let began = Instant::now();
    let outcome = Sink::new(&config, Arc::new(["a".to_owned()])).open().await.map(|_| ());
    assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
    outcome.map_err(|error| match error {
        SinkError::Operator(text) => format!("operator: {text:#}"),
        other => format!("{other:#}"),
    })
}

fn config(port: u16, settings: &[String]) -> cti_bridge::sink::kafka::config::Config {
    sink(port, settings).of::<cti_bridge::sink::kafka::config::Config>().unwrap().clone()
}

fn sink(port: u16, settings: &[String]) -> cti_bridge::sink::config::Config {
    let source = ["url=http://127.0.0.1:1", "username=u", "password=p"].map(|set| format!("sources.a.{set}"));
    let sink = ["type=kafka".to_owned(), format!("brokers=[\"localhost:{port}\"]")];
    let sink = sink.into_iter().chain(settings.iter().cloned()).map(|set| format!("sinks.s.{set}"));
    let set = source.into_iter().chain(sink).chain(["journal.dir=unused".to_owned()]);
    let set = set.map(|set| set.parse::<Assignment>().unwrap()).collect();
    load_with(&Flags { set, ..Flags::default() }, []).unwrap().config.sinks["s"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn login_methods_work_and_refusals_have_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let (_kafka, ports) = start(dir.path()).await;
    let file = |key: &str, name: &str| -> String {
        let path: PathBuf = dir.path().join(name);
        format!("{key}={}", path.display())
    };
    let ca = || vec!["tls=true".to_owned(), file("ca_file", "ca.pem")];
    let login = |user: &str, password: &str| {
        let login =
            ["sasl_mechanism=SCRAM-SHA-512", &format!("username={user}"), &format!("password={password}")];
        ca().into_iter().chain(login.map(str::to_owned)).collect::<Vec<_>>()
    };
    let ours = || ca().into_iter().chain([file("cert_file", "bridge.pem"), file("key_file", "bridge.key")]);

    assert_eq!(opened(ports.tls, &ca()).await, Ok(()));
    assert_eq!(opened(ports.scram, &login("bridge", "bridge-secret")).await, Ok(()));
    assert_eq!(opened(ports.mutual, &ours().collect::<Vec<_>>()).await, Ok(()));
    assert_eq!(
        opened(ports.tls, &["tls=true".to_owned(), "insecure_skip_verify=true".to_owned()]).await,
        Ok(())
    );

    for (port, settings, expected) in [
        (
            ports.scram,
            login("bridge", "planted"),
            "operator: *check `username`, `password` and `sasl_mechanism`",
        ),
        (ports.scram, login("stranger", "stranger-secret"), "operator: *WRITE"),
        (
            ports.tls,
            vec!["tls=true".to_owned()],
            "operator: *set `ca_file` if its certificate is from a CA of your own",
        ),
        (ports.mutual, ca(), "operator: *set `cert_file` and `key_file`"),
        (ports.tls, vec![], "if the port speaks TLS, set `tls = true`"),
    ] {
        let said = opened(port, &settings).await.unwrap_err();
        for part in expected.split('*') {
            assert!(said.contains(part), "{part:?} is not in {said:?}");
        }
        assert!(!said.contains("planted") && !said.contains("secret"), "{said}");
    }

    tokens(ports.tokens).await;

    // The same, as `check` sees it.
    let sources = ["a".to_owned()];
    let bridge = Bridge { instance: "bridge", sources: &sources };
    let all = sink(ports.scram, &login("bridge", "bridge-secret"));
    let (mut probe, looked) = all.kind.probe(bridge).await.unwrap();
    assert!(looked.message.contains("answers"), "{looked:?}");
    let looked = probe.inspect(&Claim::default()).await.unwrap();
    assert!(looked.message.contains("has 1 partitions; it has no events of ours yet"), "{looked:?}");
    assert!(probe.publish().await.unwrap().message.contains("accepts messages (1 sent"));
    let stranger = sink(ports.scram, &login("stranger", "stranger-secret"));
    let refused = match stranger.kind.probe(bridge).await {
        Ok((probe, _)) => probe.inspect(&Claim::default()).await.unwrap_err(),
        Err(error) => error,
    };
    assert!(refused.to_string().contains("WRITE"), "{refused}");
}

/// Somebody who gives tokens for an hour to the client `bridge`, and for the scope `late` such as ended an hour ago.
async fn issuer() -> http::Server {
    let answer = |request: http::Request| async move {
        let body = String::from_utf8(request.body.clone()).unwrap();
        let known = BASE64.encode(b"bridge:bridge%2Bsecret");
        if request.header("authorization") != Some(&format!("Basic {known}")) {
            return http::json(401, r#"{"error":"invalid_client","error_description":"planted"}"#);
        }
        assert!(body.starts_with("grant_type=client_credentials&scope="), "{body}");
        let now = jiff::Timestamp::now().as_second();
        let end = if body.ends_with("=late") { now - 3_600 } else { now + 3_600 };
        let part = |text: String| BASE64URL_NOPAD.encode(text.as_bytes());
        let header = part(r#"{"alg":"none"}"#.to_owned());
        let claims = part(format!(r#"{{"sub":"bridge","iat":{},"exp":{end}}}"#, end - 3_600));
        let answer =
            format!(r#"{{"access_token":"{header}.{claims}.","token_type":"Bearer","expires_in":3600}}"#);
        http::json(200, &answer)
    };
    http::Server::start(answer).await.unwrap()
}

/// OAUTHBEARER: the topics are there by now.
async fn tokens(port: u16) {
    let issuer = issuer().await;
    let with = |at: u16, password: &str, scope: &str| {
        let url = format!("token_url=http://127.0.0.1:{at}/token");
        let login = ["sasl_mechanism=OAUTHBEARER", "username=bridge", &url];
        let login = login.map(str::to_owned).into_iter();
        login.chain([format!("password={password}"), format!("scope={scope}")]).collect::<Vec<_>>()
    };
    assert_eq!(opened(port, &with(issuer.port, "bridge+secret", "kafka")).await, Ok(()));
    let sink = sink(port, &with(issuer.port, "bridge+secret", "kafka"));
    let sources = ["a".to_owned()];
    let (mut probe, _) = sink.kind.probe(Bridge { instance: "bridge", sources: &sources }).await.unwrap();
    let looked = probe.inspect(&Claim::default()).await.unwrap();
    assert!(looked.warnings[0].contains("with OAUTHBEARER the settings of"), "{looked:?}");
    assert!(probe.publish().await.unwrap().message.contains("accepts messages (1 sent"));

    let away = free_port();
    for (settings, expected) in [
        (
            with(issuer.port, "planted", "kafka"),
            "operator: *answered 401 invalid_client; check `token_url`, `username`, `password` and `scope`",
        ),
        (with(away, "bridge+secret", "kafka"), "can't be reached: *; check `token_url` and the network"),
        (
            with(issuer.port, "bridge+secret", "late"),
            "operator: *the cluster does not accept tokens of `token_url`",
        ),
    ] {
        let said = opened(port, &settings).await.unwrap_err();
        for part in expected.split('*') {
            assert!(said.contains(part), "{part:?} is not in {said:?}");
        }
        assert!(!said.contains("planted") && !said.contains("secret"), "{said}");
    }
}
