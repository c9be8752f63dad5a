//! Dialling an official Socket.IO server over TLS.

use cti_bridge::{
    socket::{ConnectError, Limits, Socket, Target},
    tls::Trust,
};
use interop::Node;

#[tokio::test]
async fn tls_with_our_own_ca_and_a_clear_error_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = rcgen::CertifiedIssuer::self_signed(params, ca_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &ca).unwrap();
    let (crt, key) = (write("tls.crt", certificate.pem()), write("tls.key", key.serialize_pem()));
    let node = Node::start("4", Some((&crt, &key)));
    let url = format!("wss://localhost:{}/api/ws/", node.port).parse().unwrap();
    let mut target = Target { url, trust: Trust::default(), proxy: None };
    let refused = Socket::connect(&target, &Limits::default()).await.unwrap_err();
    assert!(refused.to_string().contains("set `ca_file`"), "{refused}");
    target.trust.ca_file = Some(write("ca.crt", ca.pem()));
    let mut socket = Socket::connect(&target, &Limits::default()).await.unwrap();
    socket.emit("hello", Some("1")).await.unwrap();
    assert_eq!(node.reports("heard"), "hello");
    let wrong_name = format!("wss://127.0.0.1:{}/api/ws/", node.port).parse().unwrap();
    let refused =
        Socket::connect(&Target { url: wrong_name, ..target.clone() }, &Limits::default()).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Tls { .. }), "{refused}");
    target.trust = Trust { insecure_skip_verify: true, ..Trust::default() };
    Socket::connect(&target, &Limits::default()).await.unwrap();
}
