//! All login methods of a NATS server, and TLS with certificates on both sides.
#![cfg(feature = "nats")]

use cti_bridge::{
    app::config::load_with,
    config::{Assignment, Flags},
    sink::{Link as _, Sink as _, SinkError, nats::Nats},
};

use crate::support::nats;

/// A sink with these settings of its table.
fn sink(server: &str, settings: &[&str]) -> Nats {
    let mut set = [
        "sources.a.url=http://127.0.0.1:1",
        "sources.a.username=u",
        "sources.a.password=p",
        "sinks.s.type=nats",
    ]
    .map(str::to_owned)
    .to_vec();
    set.push(format!("sinks.s.servers=[\"{server}\"]"));
    set.extend(settings.iter().map(|setting| format!("sinks.s.{setting}")));
    let set = set.iter().map(|set| set.parse::<Assignment>().unwrap()).collect();
    let config = load_with(&Flags { set, ..Flags::default() }, [])
        .unwrap_or_else(|problems| panic!("{problems}"))
        .config;
    Nats::new(config.sinks["s"].of().unwrap())
}

async fn opens(server: &str, settings: &[&str]) {
    let link = sink(server, settings).open().await.unwrap_or_else(|error| panic!("{settings:?}: {error}"));
    link.0.close().await;
}

async fn refuses(server: &str, settings: &[&str], expected: &str) {
    let error = sink(server, settings).open().await.err().unwrap_or_else(|| panic!("{settings:?} was taken"));
    assert!(matches!(error, SinkError::Operator(_)), "{error:?}");
    assert!(format!("{error:#}").contains(expected), "{error:#}");
    assert!(!format!("{error:#}").contains("planted"), "{error:#}");
}

#[tokio::test]
async fn user_and_password_beside_the_url_and_within_it() {
    let nats = nats::Nats::start("authorization: { user: bridge, password: right-password }").await;
    opens(&nats.url(), &["username=bridge", "password=right-password"]).await;
    opens(&nats.url().replace("nats://", "nats://bridge:right-password@"), &[]).await;
    refuses(&nats.url(), &["username=bridge", "password=planted"], "refuses the credentials").await;
    refuses(&nats.url().replace("nats://", "nats://bridge:planted@"), &[], "refuses the credentials").await;
    refuses(&nats.url(), &[], "refuses the credentials").await;
}

#[tokio::test]
async fn a_token() {
    let nats = nats::Nats::start("authorization: { token: right-token }").await;
    opens(&nats.url(), &["token=right-token"]).await;
    refuses(&nats.url(), &["token=planted"], "refuses the credentials").await;
}

#[tokio::test]
async fn an_nkey() {
    // The pair of the NATS documentation.
    let public = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    let nats = nats::Nats::start(&format!("authorization: {{ users: [ {{ nkey: {public} }} ] }}")).await;
    opens(&nats.url(), &[&format!("nkey={seed}")]).await;
    refuses(&nats.url(), &[], "refuses the credentials").await;
}

#[tokio::test]
async fn tls_with_certificates_on_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap();
    let issue = |name: &str, usage| {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &ca).unwrap();
        (write(&format!("{name}.crt"), certificate.pem()), write(&format!("{name}.key"), key.serialize_pem()))
    };
    let (crt, key) = issue("server", rcgen::ExtendedKeyUsagePurpose::ServerAuth);
    let (our_crt, our_key) = issue("client", rcgen::ExtendedKeyUsagePurpose::ClientAuth);
    let ca = write("ca.crt", ca.pem());
    let tls =
        format!("tls: {{ cert_file: \"{crt}\", key_file: \"{key}\", ca_file: \"{ca}\", verify: true }}");
    let nats = nats::Nats::start(&tls).await;
    let server = nats.url().replace("nats://127.0.0.1", "tls://localhost");
    let ours = [format!("ca_file={ca}"), format!("cert_file={our_crt}"), format!("key_file={our_key}")];
    let ours: Vec<&str> = ours.iter().map(String::as_str).collect();
    opens(&server, &ours).await;
    refuses(&server, &ours[1..], "set `ca_file`").await;
    let error = sink(&server, &ours[..1]).open().await.err();
    assert!(error.is_some(), "taken without a client certificate");
    let mut skip = vec!["insecure_skip_verify=true"];
    skip.extend(&ours[1..]);
    opens(&server, &skip).await;
    refuses(&nats.url().replace("nats://127.0.0.1", "tls://127.0.0.1"), &ours, "no TLS with").await;
}
