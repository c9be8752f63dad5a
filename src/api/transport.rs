//! Converts the HTTP client's errors: names the layer that failed, without the URL (it may hold user info).

use std::{error::Error, io, time::Duration};

use super::error::ApiError;
use crate::{text::PeerText, tls::TlsFault};

/// The error of a request that failed before a status arrived.
pub(super) fn failure(url: &str, error: &reqwest::Error, limit: Duration) -> ApiError {
    let url = url.to_owned();
    // TLS first: a failed handshake is also a "connect" error.
    if let Some(tls) = tls_error(error) {
        return ApiError::Untrusted { url, fault: TlsFault::of(tls) };
    }
    if error.is_timeout() {
        return ApiError::TimedOut { url, after: limit };
    }
    ApiError::Unreachable { url, reason: innermost(error) }
}

/// The text of the innermost cause: the outer ones only repeat the URL.
pub(crate) fn innermost(error: &reqwest::Error) -> PeerText {
    let mut cause: &dyn Error = match error.source() {
        Some(source) => source,
        None => return PeerText::new("the request failed"),
    };
    while let Some(next) = cause.source() {
        cause = next;
    }
    PeerText::new(&cause.to_string())
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
