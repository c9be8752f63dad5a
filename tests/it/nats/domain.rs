//! Streams that are reached in special ways: through a leaf node, with another inbox, or with TLS first.
#![cfg(feature = "nats")]

use std::time::Duration;

use cti_bridge::sink::{Link as _, Sink as _};

use crate::support::{
    lane::{JETSTREAM, Line, sink},
    nats::Nats,
};

#[tokio::test]
async fn a_stream_in_another_domain_is_reached_through_a_leaf_node() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let hub = format!(
        "server_name: hub\njetstream: {{ store_dir: \"$DIR/js\", domain: hub }}\nleafnodes: {{ listen: \"127.0.0.1:{port}\" }}"
    );
    let hub = Nats::start(&hub).await;
    let remote =
        format!("server_name: leaf\nleafnodes: {{ remotes: [ {{ url: \"nats://127.0.0.1:{port}\" }} ] }}");
    let leaf = Nats::start(&remote).await;
    let wrong = format!("{:#}", sink(&[leaf.url()], &["domain=nowhere"]).open().await.err().unwrap());
    assert!(wrong.contains("$JS.nowhere.API") && wrong.contains("check `domain`"), "{wrong}");
    let through = sink(&[leaf.url()], &["domain=hub"]);
    // The leaf node connects when it is ready to.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while let Err(error) = through.open().await {
        assert!(tokio::time::Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut line = Line::new(100, |_| 0);
    line.deliver(&through).await;
    line.is_stored(&hub.url()).await;
    let mut read = 0;
    through.read_back(|_| read += 1).await.unwrap();
    assert_eq!(read, 100);
}

#[tokio::test]
async fn an_account_may_have_an_inbox_of_its_own() {
    let users = "authorization: { users: [ { user: b, password: p, permissions: { publish: [ \"cti.v1.>\", \"$JS.API.>\", \
                 \"_IN.b.>\" ], subscribe: [ \"_IN.b.>\" ] } }, { user: reader, password: r } ] }\n\
                 no_auth_user: reader";
    let nats = Nats::start(&format!("{JETSTREAM}\n{users}")).await;
    let login = ["username=b", "password=p"];
    let refused = format!("{:#}", sink(&[nats.url()], &login).open().await.err().unwrap());
    assert!(refused.contains("_INBOX"), "{refused}");
    let own = sink(&[nats.url()], &[login[0], login[1], "inbox_prefix=_IN.b"]);
    let mut line = Line::new(100, |_| 0);
    line.deliver(&own).await;
    line.is_stored(&nats.url()).await;
}

#[tokio::test]
async fn tls_may_come_before_the_greeting() {
    let authority = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let crt = write("server.crt", authority.cert.pem());
    let key = write("server.key", authority.signing_key.serialize_pem());
    let tls = format!("tls: {{ cert_file: \"{crt}\", key_file: \"{key}\", handshake_first: true }}");
    let nats = Nats::start(&format!("{JETSTREAM}\n{tls}")).await;
    let url = nats.url().replace("127.0.0.1", "localhost");
    let first = sink(std::slice::from_ref(&url), &["tls_first=true", "insecure_skip_verify=true"]);
    first.open().await.unwrap_or_else(|error| panic!("{error}")).0.close().await;
    let after = sink(&[url], &["require_tls=true", "insecure_skip_verify=true"]);
    let error = format!("{:#}", after.open().await.err().unwrap());
    assert!(error.contains("tls_first"), "{error}");
}
