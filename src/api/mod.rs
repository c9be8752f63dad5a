//! The part of the PBX's REST interface that a service account needs.
//!
//! Owns the HTTP client: TLS trust, time limits, the limit of an answer, and the table that
//! turns a status and a body into a named [`ApiError`]. It promises that no request that carries a
//! secret follows a redirect or an environment's proxy variable, that a body is never logged, and that an error
//! names the URL but quotes no free text of the server (an answer may echo the request).
//!
//! It does not decide what to do about an error and keeps no token: that is [`crate::auth`].

mod authorization;
mod body;
mod client;
mod config;
mod error;
mod findings;
mod json;
mod legacy;
mod me;
mod persistent;
mod stamp;
mod transport;
mod two_factor;

pub use authorization::Authorization;
pub use client::{Client, Login};
pub use config::Config;
pub use error::{ApiError, RefusalReason};
pub use findings::Finding;
pub use me::{Me, Profile, Right, Rights};
pub use persistent::Audience;
pub(crate) use transport::innermost;
pub use two_factor::Enrolment;

pub use crate::tls::TlsFault;

/// See [`crate::fuzz::http`].
pub(crate) fn fuzz(date: &[u8], wait: &[u8]) {
    use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
    let (Ok(date), Ok(wait)) = (HeaderValue::from_bytes(date), HeaderValue::from_bytes(wait)) else { return };
    let headers = HeaderMap::from_iter([(DATE, date), (RETRY_AFTER, wait)]);
    let _ = stamp::date(&headers);
    let _ = body::retry_after(&headers);
}
