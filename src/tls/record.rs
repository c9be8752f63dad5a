//! Records the certificate expiry of the servers that the bridge connects to, for the metrics.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use parking_lot::Mutex;
use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::{expiry::chain_ends, pinning::Pinning};

/// The limit of recorded servers. A configuration names fewer.
const SERVERS: usize = 64;

/// By host name or address: the server's own certificate, and the expiry of its chain.
type Seen = BTreeMap<String, (Vec<u8>, Timestamp)>;

static SEEN: Mutex<Seen> = Mutex::new(Seen::new());

/// The expiry of the servers' certificates, as of the last handshake with each.
pub(crate) fn server_ends() -> BTreeMap<String, Timestamp> {
    let seen = SEEN.lock();
    seen.iter().map(|(server, (_, ends))| (server.clone(), *ends)).collect()
}

/// Accepts whatever another verifier accepts.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) accepts: Pinning,
    /// Computes the expiry of a chain.
    pub(super) verifier: Arc<WebPkiServerVerifier>,
}

impl Recording {
    fn record(&self, own: &CertificateDer<'_>, between: &[CertificateDer<'_>], name: &ServerName<'_>) {
        let server = name.to_str().into_owned();
        let is_known = |seen: &Seen| {
            seen.get(&server).map_or(seen.len() >= SERVERS, |(known, _)| known.as_slice() == own.as_ref())
        };
        if is_known(&SEEN.lock()) {
            return;
        }
        if let Some(ends) = chain_ends(&self.verifier, (own, between), name) {
            let mut seen = SEEN.lock();
            seen.insert(server, (own.to_vec(), ends));
        }
    }
}

impl ServerCertVerifier for Recording {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.accepts.verify_server_cert(own, between, name, ocsp, now)?;
        self.record(own, between, name);
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.accepts.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.accepts.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.accepts.supported_verify_schemes()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
    use rustls::RootCertStore;

    use super::*;

    #[test]
    fn the_expiry_of_the_newest_accepted_certificate_is_known() {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(2080, 1, 1);
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let accepts = Pinning { verifier: Arc::clone(&inner), given: Vec::new() };
        let recording = Recording { accepts, verifier: inner };
        let verify = |host: &str, asked: &str, year: i32| {
            let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
            params.not_after = date_time_ymd(year, 6, 1);
            let own = params.signed_by(&KeyPair::generate().unwrap(), &root).unwrap();
            let name = ServerName::try_from(asked.to_owned()).unwrap();
            recording.verify_server_cert(own.der(), &[], &name, &[], UnixTime::now()).is_ok()
        };
        let year = |host: &str| server_ends().get(host).map(|ends| ends.strftime("%Y").to_string());
        assert!(verify("recorded.example", "recorded.example", 2050));
        assert_eq!(year("recorded.example").as_deref(), Some("2050"));
        assert!(verify("recorded.example", "recorded.example", 2060), "renewed");
        assert_eq!(year("recorded.example").as_deref(), Some("2060"));
        assert!(!verify("recorded.example", "stranger.example", 2060));
        assert_eq!(year("stranger.example"), None);
    }
}
