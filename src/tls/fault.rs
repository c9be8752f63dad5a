//! What TLS stumbled over: the same sentences for the REST API, the websocket and the brokers.

use crate::text::PeerText;

/// What TLS stumbled over, with the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// No path to a trusted authority; a self-signed certificate ends here too.
    #[error(
        "its certificate is signed by an authority that is not known here; set `ca_file` to the PEM file of that authority, or of a self-signed certificate itself"
    )]
    UnknownAuthority,
    /// A self-signed certificate marked as an authority that is not in `ca_file`.
    #[error(
        "it shows an authority's certificate as its own, which is accepted only if `ca_file` holds exactly that certificate; add it there, or give the server a certificate that is signed by an authority"
    )]
    AuthorityAsServer,
    /// The certificate is for other names.
    #[error("its certificate is not for this host name; write the name it was issued for")]
    WrongName,
    /// The certificate, or a clock, is past the end.
    #[error("its certificate has expired; renew it there (or set this machine's clock)")]
    Expired,
    /// The certificate's time has not come, or a clock is behind.
    #[error("its certificate is not valid yet; set this machine's clock (or wait)")]
    NotYetValid,
    /// What answered was no TLS.
    #[error("that port does not speak TLS; check scheme and port")]
    NotTls,
    /// Anything else, in rustls' words, which may quote the certificate.
    #[error("{0}; check its certificate and TLS settings")]
    Other(PeerText),
}

impl TlsFault {
    /// What rustls means.
    pub(crate) fn of(error: &rustls::Error) -> Self {
        use rustls::{CertificateError as Bad, Error as Tls};
        match error {
            Tls::InvalidCertificate(Bad::UnknownIssuer) => Self::UnknownAuthority,
            Tls::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
                Self::WrongName
            }
            Tls::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => Self::Expired,
            Tls::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => Self::NotYetValid,
            // webpki's own error type is private to rustls; its name is all there is to see.
            Tls::InvalidCertificate(Bad::Other(other))
                if format!("{other:?}").contains("CaUsedAsEndEntity") =>
            {
                Self::AuthorityAsServer
            }
            Tls::InvalidMessage(_) => Self::NotTls,
            other => Self::Other(PeerText::new(&other.to_string())),
        }
    }

    /// What a failed handshake was about; none if it was no matter of TLS.
    pub(crate) fn of_io(error: &std::io::Error) -> Option<Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).map(Self::of)
    }
}
