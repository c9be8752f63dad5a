//! From the HTTP client's error to ours: which layer failed, without its URL (it may hold user info).

use std::{error::Error, io, time::Duration};

use super::error::{ApiError, TlsFault};

/// What a request died of before a status arrived.
pub(super) fn failure(url: &str, error: &reqwest::Error, limit: Duration) -> ApiError {
    let url = url.to_owned();
    // TLS first: a failed handshake is also a "connect" error.
    if let Some(tls) = tls_error(error) {
        return ApiError::Untrusted { url, fault: fault(tls) };
    }
    if error.is_timeout() {
        return ApiError::TimedOut { url, after: limit };
    }
    ApiError::Unreachable { url, reason: innermost(error) }
}

/// The text of the cause that has no further cause: the outer ones only repeat the URL.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = match error.source() {
        Some(source) => source,
        None => return "the request failed".to_owned(),
    };
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(this) = cause {
        if let Some(found) = this.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An io::Error's `source` skips the error it wraps.
        cause = match this.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => this.source(),
        };
    }
    None
}

fn fault(error: &rustls::Error) -> TlsFault {
    use rustls::{CertificateError as Bad, Error as Tls};
    match error {
        Tls::InvalidCertificate(Bad::UnknownIssuer) => TlsFault::UnknownAuthority,
        Tls::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            TlsFault::WrongName
        }
        Tls::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => TlsFault::Expired,
        Tls::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => TlsFault::NotYetValid,
        // webpki's own error type is private to rustls; its name is all there is to see.
        Tls::InvalidCertificate(Bad::Other(other)) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            TlsFault::AuthorityAsServer
        }
        Tls::InvalidMessage(_) => TlsFault::NotTls,
        other => TlsFault::Other(other.to_string()),
    }
}
