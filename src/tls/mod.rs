//! One place that decides whom we trust: rustls with ring, the system's authorities, our own CA.

mod expiry;
mod fault;

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
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};

pub(crate) use expiry::{days_left, ends_soon, identity_ends};
pub use fault::TlsFault;

/// Whom to trust, and who we are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// PEM file of certificate authorities, trusted beside those of the operating system.
    pub ca_file: Option<PathBuf>,
    /// PEM files of our certificate chain and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Accept any certificate. For a trial only: anyone on the path can read the password.
    pub insecure_skip_verify: bool,
}

/// Why no TLS configuration could be made. Each names the file and the remedy.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum TlsError {
    #[error("can't read {}: {reason}", path.display())]
    Read { path: PathBuf, reason: String },
    #[error("{} holds no {what} in PEM form: give a file with a BEGIN … END block", path.display())]
    Empty { path: PathBuf, what: &'static str },
    #[error(
        "the operating system has no certificate authorities: install the package ca-certificates or set `ca_file`"
    )]
    NoRoots,
    #[error("{} and {} don't make a client identity: {source}", certificate.display(), key.display())]
    Identity { certificate: PathBuf, key: PathBuf, source: rustls::Error },
    #[error("TLS can't be set up: {0}")]
    Setup(rustls::Error),
}

/// A client's side of TLS.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) config: Arc<ClientConfig>,
    /// None: any certificate is accepted.
    verifier: Option<Arc<WebPkiServerVerifier>>,
}

impl Trust {
    /// The client configuration. Reads files, so call it once per connection attempt at most: a
    /// renewed certificate is then found without a restart.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        self.client().map(|client| client.config)
    }

    /// The same, and how to tell until when a server is trusted.
    pub(crate) fn client(&self) -> Result<Client, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?;
        let (builder, verifier) = if self.insecure_skip_verify {
            (builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny(provider))), None)
        } else {
            let roots = Arc::new(self.roots()?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider)
                .build()
                .map_err(|error| TlsError::Setup(rustls::Error::General(error.to_string())))?;
            (builder.with_webpki_verifier(Arc::clone(&verifier)), Some(verifier))
        };
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
                .map_err(|source| TlsError::Identity {
                    certificate: certificate.clone(),
                    key: key.clone(),
                    source,
                })?,
        };
        Ok(Client { config: Arc::new(config), verifier })
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        // A single unreadable file among the system's is no reason to trust none of the others.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = &self.ca_file {
            for certificate in certificates(path)? {
                roots
                    .add(certificate)
                    .map_err(|error| TlsError::Read { path: path.clone(), reason: error.to_string() })?;
            }
        }
        if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |error: rustls::pki_types::pem::Error| TlsError::Read {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let found = CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    if found.is_empty() {
        return Err(TlsError::Empty { path: path.to_owned(), what: "certificate" });
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => {
            TlsError::Empty { path: path.to_owned(), what: "private key" }
        }
        other => TlsError::Read { path: path.to_owned(), reason: other.to_string() },
    })
}

/// Verifies signatures, but takes any certificate.
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
