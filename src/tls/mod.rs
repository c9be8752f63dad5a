//! TLS trust for all connections: rustls with ring, the system's authorities, a configured CA.

mod expiry;
mod fault;
mod pem;
mod pinning;
mod record;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};

pub(crate) use expiry::{days_left, ends_soon, identity_ends};
pub use fault::TlsFault;
pub use pem::PemFault;
use pinning::Pinning;
pub(crate) use record::server_ends;

/// The trusted authorities, and our own identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// PEM file of certificate authorities, trusted in addition to those of the operating system. A server's own certificate in it
    /// is trusted for that server.
    pub ca_file: Option<PathBuf>,
    /// PEM files of our certificate chain and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Accept any certificate. For tests only: anyone on the network path can read the password.
    pub insecure_skip_verify: bool,
}

/// The reason why no TLS configuration could be created. Each names the file and the remedy.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum TlsError {
    #[error("can't use {}: {fault}", path.display())]
    File { path: PathBuf, fault: PemFault },
    #[error(
        "the operating system has no certificate authorities: install the package ca-certificates or set `ca_file`"
    )]
    NoRoots,
    #[error("{} and {} don't make a client identity: {fault}", certificate.display(), key.display())]
    Identity { certificate: PathBuf, key: PathBuf, fault: IdentityFault },
    #[error("TLS can't be set up: {0}")]
    Setup(rustls::Error),
}

/// The reason why certificate and key don't make an identity. Not a library's own message, which may quote the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum IdentityFault {
    #[error("the key does not belong to the certificate; name the two that were issued together")]
    Mismatch,
    #[error("the certificate is not valid X.509")]
    Certificate,
    #[error("the key is damaged, or not an RSA, ECDSA P-256/P-384 or Ed25519 key")]
    Key,
}

impl From<rustls::Error> for IdentityFault {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InconsistentKeys(_) => Self::Mismatch,
            rustls::Error::InvalidCertificate(_) => Self::Certificate,
            _ => Self::Key,
        }
    }
}

/// The client side of TLS.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) config: Arc<ClientConfig>,
    /// `None` accepts any certificate.
    verifier: Option<Arc<WebPkiServerVerifier>>,
}

impl Trust {
    /// The client configuration. Loads the files, so call it once per connection attempt at most; a
    /// renewed certificate is then found without a restart.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        self.client().map(|client| client.config)
    }

    /// Hashes the settings and the content of the files, to detect one that was replaced. Reads the files.
    pub(crate) fn hash_files(&self, state: &mut impl std::hash::Hasher) {
        use std::hash::Hash as _;

        let identity = self.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        for path in self.ca_file.iter().chain(identity) {
            (path, pem::read(path).ok()).hash(state);
        }
        self.insecure_skip_verify.hash(state);
    }

    /// The client configuration, with the verifier that computes a server's expiry.
    pub(crate) fn client(&self) -> Result<Client, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?;
        let (builder, verifier) = if self.insecure_skip_verify {
            (builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny(provider))), None)
        } else {
            let given = match &self.ca_file {
                Some(path) => pem::certificates(path).map_err(of_file(path))?,
                None => Vec::new(),
            };
            let roots = Arc::new(self.roots(&given)?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider)
                .build()
                .map_err(|error| TlsError::Setup(rustls::Error::General(error.to_string())))?;
            let accepts = Pinning { verifier: Arc::clone(&verifier), given };
            let recording = Arc::new(record::Recording { accepts, verifier: Arc::clone(&verifier) });
            (builder.dangerous().with_custom_certificate_verifier(recording), Some(verifier))
        };
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = pem::certificates(certificate).map_err(of_file(certificate))?;
                let secret = pem::private_key(key).map_err(of_file(key))?;
                let failed = |error: rustls::Error| TlsError::Identity {
                    certificate: certificate.clone(),
                    key: key.clone(),
                    fault: error.into(),
                };
                builder.with_client_auth_cert(chain, secret).map_err(failed)?
            }
        };
        Ok(Client { config: Arc::new(config), verifier })
    }

    fn roots(&self, given: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        // A single unreadable file of the system must not prevent trusting the others.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for certificate in given {
            let path = self.ca_file.as_deref().unwrap_or(Path::new(""));
            roots.add(certificate.clone()).map_err(|_| of_file(path)(PemFault::NotX509))?;
        }
        if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
    }
}

fn of_file(path: &Path) -> impl Fn(PemFault) -> TlsError {
    move |fault| TlsError::File { path: path.to_owned(), fault }
}

/// Verifies signatures, but accepts any certificate.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
