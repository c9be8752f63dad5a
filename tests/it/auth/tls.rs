//! TLS trust of the REST client, and its errors. Real handshakes with certificates made here.

use std::{path::Path, sync::Arc};

use cti_bridge::{
    api::{self, ApiError, TlsFault},
    auth::{AuthError, Consequence},
    tls::Trust,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::support::http::{Server, json};

const ANSWER: &str = r#"{"code":200,"expire":"2026-12-14T01:53:20Z","token":"t"}"#;

/// A certificate authority of our own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Authority { issuer: Issuer::new(params, key), pem }
}

fn acceptor(certificate: CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn signed(authority: &Authority, params: &CertificateParams) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority.issuer).unwrap();
    acceptor(certificate.der().clone(), &key)
}

fn named(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

async fn server(tls: Option<TlsAcceptor>) -> Server {
    Server::listen(tls, |_| std::future::ready(json(200, ANSWER))).await.unwrap()
}

fn client(server: &Server, trust: Trust) -> api::Client {
    let base = Url::parse(&format!("https://127.0.0.1:{}/api", server.port)).unwrap();
    api::Client::new(api::Config { trust, ..api::Config::at(base) }).unwrap()
}

fn trusting(path: &Path) -> Trust {
    Trust { ca_file: Some(path.to_owned()), ..Trust::default() }
}

async fn fault(server: &Server, trust: Trust) -> TlsFault {
    let error = client(server, trust).login("bridge", &"hidden".into()).await.unwrap_err();
    assert!(server.seen().is_empty(), "a request reached a server that is not trusted");
    let ApiError::Untrusted { url, fault } = &error else { panic!("{error:?}") };
    assert!(url.ends_with("/api/login") && error.to_string().contains(url.as_str()), "{error}");
    let fault = fault.clone();
    assert_eq!(AuthError::Api(error).consequence(), Consequence::Operator);
    fault
}

#[tokio::test]
async fn an_authority_of_our_own_is_trusted_once_it_is_given() {
    let authority = authority();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    std::fs::write(&path, &authority.pem).unwrap();
    let server = server(Some(signed(&authority, &named("127.0.0.1")))).await;

    let fault = fault(&server, Trust::default()).await;
    assert_eq!(fault, TlsFault::UnknownAuthority);
    assert!(fault.to_string().contains("`ca_file`"));

    client(&server, trusting(&path)).login("bridge", &"secret".into()).await.unwrap();
    let reckless = Trust { insecure_skip_verify: true, ..Trust::default() };
    client(&server, reckless).login("bridge", &"secret".into()).await.unwrap();
}

#[tokio::test]
async fn a_new_authority_file_is_read_without_a_restart() {
    let (wrong, right) = (authority(), authority());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    std::fs::write(&path, &wrong.pem).unwrap();
    let server = server(Some(signed(&right, &named("127.0.0.1")))).await;
    let client = client(&server, trusting(&path));
    client.login("bridge", &"secret".into()).await.unwrap_err();
    std::fs::write(&path, &right.pem).unwrap();
    client.login("bridge", &"secret".into()).await.unwrap();
    // Gone while all is well: only a failed connection asks for it again.
    std::fs::remove_file(&path).unwrap();
    client.login("bridge", &"secret".into()).await.unwrap();
}

#[tokio::test]
async fn a_missing_authority_file_shows_at_once() {
    let base = Url::parse("https://127.0.0.1:9/api").unwrap();
    let trust = trusting(Path::new("/nonexistent/ca.pem"));
    let error = api::Client::new(api::Config { trust, ..api::Config::at(base) }).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/ca.pem"), "{error}");
    assert_eq!(AuthError::Api(error).consequence(), Consequence::Operator);
}

#[tokio::test]
async fn each_flaw_of_a_certificate_has_its_sentence() {
    let authority = authority();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    std::fs::write(&path, &authority.pem).unwrap();
    let mut expired = named("127.0.0.1");
    (expired.not_before, expired.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
    let mut early = named("127.0.0.1");
    (early.not_before, early.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1));
    for (params, expected, says) in [
        (named("pbx.example"), TlsFault::WrongName, "not for this host name"),
        (expired, TlsFault::Expired, "has expired"),
        (early, TlsFault::NotYetValid, "not valid yet"),
    ] {
        let fault = fault(&server(Some(signed(&authority, &params))).await, trusting(&path)).await;
        assert_eq!(fault, expected);
        assert!(fault.to_string().contains(says), "{fault}");
    }
}

#[tokio::test]
async fn self_signed_certificates() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    let key = KeyPair::generate().unwrap();

    let plain = named("127.0.0.1").self_signed(&key).unwrap();
    std::fs::write(&path, plain.pem()).unwrap();
    let plain = server(Some(acceptor(plain.der().clone(), &key))).await;
    assert_eq!(fault(&plain, Trust::default()).await, TlsFault::UnknownAuthority);
    client(&plain, trusting(&path)).login("bridge", &"secret".into()).await.unwrap();

    // What `openssl req -x509` makes.
    let mut params = named("127.0.0.1");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(&path, certificate.pem()).unwrap();
    let other = path.with_file_name("other.pem");
    params.not_after = date_time_ymd(2090, 1, 1);
    std::fs::write(&other, params.self_signed(&key).unwrap().pem()).unwrap();
    let server = server(Some(acceptor(certificate.der().clone(), &key))).await;
    assert_eq!(fault(&server, Trust::default()).await, TlsFault::AuthorityAsServer);
    assert_eq!(fault(&server, trusting(&other)).await, TlsFault::AuthorityAsServer, "not byte for byte");
    client(&server, trusting(&path)).login("bridge", &"secret".into()).await.unwrap();
}

#[tokio::test]
async fn a_servers_own_certificate_as_ca_file_is_still_checked() {
    let (authority, key) = (authority(), KeyPair::generate().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("own.pem");
    let of_authority = named("127.0.0.1").signed_by(&key, &authority.issuer).unwrap();
    std::fs::write(&path, of_authority.pem()).unwrap();
    let leaf = server(Some(acceptor(of_authority.der().clone(), &key))).await;
    client(&leaf, trusting(&path)).login("bridge", &"secret".into()).await.unwrap();

    let mut expired = named("127.0.0.1");
    (expired.not_before, expired.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
    for (mut params, expected) in [(named("pbx.example"), TlsFault::WrongName), (expired, TlsFault::Expired)]
    {
        for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
            params.is_ca = is_ca;
            let certificate = params.self_signed(&key).unwrap();
            std::fs::write(&path, certificate.pem()).unwrap();
            let server = server(Some(acceptor(certificate.der().clone(), &key))).await;
            assert_eq!(fault(&server, trusting(&path)).await, expected);
        }
    }
}

#[tokio::test]
async fn a_port_without_tls_is_named() {
    // What an HTTP server answers to a TLS greeting.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answering = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut greeting = [0; 16];
        stream.read_exact(&mut greeting).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        // Until the client is done: a reset would take the answer away.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let base = Url::parse(&format!("https://127.0.0.1:{port}/api")).unwrap();
    let client = api::Client::new(api::Config::at(base)).unwrap();
    let error = client.login("bridge", &"hidden".into()).await.unwrap_err();
    assert!(matches!(error, ApiError::Untrusted { fault: TlsFault::NotTls, .. }), "{error:?}");
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
    answering.await.unwrap();
}
