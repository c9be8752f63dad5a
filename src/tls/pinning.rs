//! A server's own certificate, given as `ca_file`.
//!
//! webpki rejects a certificate that is marked as an authority when a server presents it as its own, as self-signed ones from
//! `openssl req -x509` are. OpenSSL, curl, Node and Python accept it when exactly that certificate is trusted; so does this.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use super::TlsFault;

/// Verifies like webpki, and also accepts a server's certificate that equals one of the given ones byte for byte.
#[derive(Debug)]
pub(super) struct Pinning {
    pub(super) verifier: Arc<WebPkiServerVerifier>,
    pub(super) given: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Pinning {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let refused = match self.verifier.verify_server_cert(own, between, name, ocsp, now) {
            Err(error) if self.given.iter().any(|given| given == own) => error,
            verified => return verified,
        };
        if !is_about_issuer(&refused) {
            return Err(refused);
        }
        verify_server_name(&ParsedCertificate::try_from(own)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Returns true if only the path to an authority is wrong. webpki checks it after the certificate's own validity, and before its
/// name. It reports a wrong signature if an authority merely has the issuer's name.
fn is_about_issuer(refused: &rustls::Error) -> bool {
    matches!(refused, rustls::Error::InvalidCertificate(CertificateError::BadSignature))
        || matches!(TlsFault::of(refused), TlsFault::UnknownAuthority | TlsFault::AuthorityAsServer)
}
