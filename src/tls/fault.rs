//! TLS errors with a remedy, in the same words for the REST API, the websocket and the brokers.

use crate::text::PeerText;

/// The reason why TLS failed, with the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// No path to a trusted authority, as for a self-signed certificate.
    #[error(
        "its certificate is signed by an unknown authority; set `ca_file` to the PEM file of that authority, or of a self-signed certificate itself"
    )]
    UnknownAuthority,
    /// A self-signed certificate marked as an authority that is not in `ca_file`.
    #[error(
        "it presents an authority's certificate as its own, which is accepted only if `ca_file` holds exactly that certificate; add it there, or give the server a certificate that is signed by an authority"
    )]
    AuthorityAsServer,
    /// The certificate is for other names.
    #[error("its certificate is not for this host name; write the name it was issued for")]
    WrongName,
    /// The certificate has expired, or a clock is fast.
    #[error("its certificate has expired; renew it there (or set this machine's clock)")]
    Expired,
    /// The certificate is not valid yet, or a clock is slow.
    #[error("its certificate is not valid yet; set this machine's clock (or wait)")]
    NotYetValid,
    /// The answer was not TLS.
    #[error("that port does not speak TLS; check scheme and port")]
    NotTls,
    /// Anything else, in rustls' words, which may quote the certificate.
    #[error("{0}; check its certificate and TLS settings")]
    Other(PeerText),
}

impl TlsFault {
    /// Classifies an error of rustls.
    pub(crate) fn of(error: &rustls::Error) -> Self {
        use rustls::{CertificateError as Bad, Error as Tls};
        match error {
            Tls::InvalidCertificate(Bad::UnknownIssuer) => Self::UnknownAuthority,
            Tls::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
                Self::WrongName
            }
            Tls::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => Self::Expired,
            Tls::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => Self::NotYetValid,
            // webpki's own error type is private to rustls; only its name is visible.
            Tls::InvalidCertificate(Bad::Other(other))
                if format!("{other:?}").contains("CaUsedAsEndEntity") =>
            {
                Self::AuthorityAsServer
            }
            Tls::InvalidMessage(_) => Self::NotTls,
            other => Self::Other(PeerText::new(&other.to_string())),
        }
    }

    /// Classifies a failed handshake; `None` if it did not fail because of TLS.
    pub(crate) fn of_io(error: &std::io::Error) -> Option<Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).map(Self::of)
    }
}
