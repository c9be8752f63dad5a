//! Reads and classifies an answer: the status first, then a bounded body.
//!
//! A refusal is classified by its status and the available part of its body: the middleware keeps the
//! backend's `Content-Length` on a 404 that it rewrites, so such a body ends early.

use std::time::Duration;

use reqwest::{
    Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER},
};
use serde_json::Value;
use url::Url;

use super::{
    client::unreadable,
    error::{ApiError, RefusalReason},
    json, stamp, transport,
};
use crate::{bounds, text::PeerText};

/// The largest refusal that is read, in bytes.
const REFUSAL: usize = 16 * 1024;

/// Returns the body of a 200, or the error that the answer means.
pub(super) async fn accepted(url: &Url, mut response: Response, limit: usize) -> Result<Vec<u8>, ApiError> {
    let status = response.status();
    if status != StatusCode::OK {
        return Err(refusal(url, response).await);
    }
    if is_coded(response.headers()) {
        return Err(unreadable(url, "it is compressed, which was not requested"));
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > limit => {
                return Err(ApiError::TooLarge { url: url.to_string(), limit });
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => {
                return Err(ApiError::CutShort {
                    url: url.to_string(),
                    reason: transport::innermost(&error),
                });
            }
        }
    }
    body.drain(..body.len() - json::without_bom(&body).len());
    if is_page(response.headers(), &body) {
        return Err(ApiError::NotTheApi { url: url.to_string(), status: status.as_u16() });
    }
    Ok(body)
}

async fn refusal(url: &Url, mut response: Response) -> ApiError {
    let status = response.status();
    if status.is_redirection() {
        let host = target_host(url, response.headers());
        return ApiError::Redirect { url: url.to_string(), status: status.as_u16(), host };
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        let retry_after = retry_after(response.headers());
        return ApiError::Limited { url: url.to_string(), retry_after };
    }
    let mut body = Vec::new();
    while body.len() < REFUSAL {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            // Truncated: classified by what has arrived.
            Ok(None) | Err(_) => break,
        }
    }
    // A proxy's own "502 Bad Gateway" page means the same as the status: the PBX is down.
    if !status.is_server_error() && is_page(response.headers(), &body) {
        return ApiError::NotTheApi { url: url.to_string(), status: status.as_u16() };
    }
    ApiError::Refused { url: url.to_string(), status: status.as_u16(), reason: refusal_reason(&body) }
}

/// The `scheme://host[:port]` that a redirect points to. Nothing more, as paths and queries may be secret.
fn target_host(url: &Url, headers: &HeaderMap) -> Option<PeerText> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    let target = url.join(location).ok()?;
    let host = target.host_str()?;
    Some(PeerText::new(&match target.port() {
        Some(port) => format!("{}://{host}:{port}", target.scheme()),
        None => format!("{}://{host}", target.scheme()),
    }))
}

/// Parses `Retry-After` (RFC 9110, section 10.2.3): seconds or a date. A date is relative to the answer's own `Date`,
/// so that clocks need not agree. Limited to [`bounds::RETRY_AFTER`].
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = if value.bytes().all(|byte| byte.is_ascii_digit()) {
        value.parse().ok()?
    } else {
        stamp::http_date(value)?.duration_since(stamp::date(headers)?).as_secs_f64()
    };
    bounds::bounded_seconds(seconds, &bounds::RETRY_AFTER)
}

/// Returns true for a compressed answer. The real server compresses only on request, but a proxy may do so unasked.
fn is_coded(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn is_page(headers: &HeaderMap, body: &[u8]) -> bool {
    let html = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("text/html"));
    html || body.trim_ascii_start().starts_with(b"<")
}

fn refusal_reason(body: &[u8]) -> RefusalReason {
    let body = json::without_bom(body).trim_ascii();
    if body.is_empty() {
        return RefusalReason::Nothing;
    }
    // The first object counts: for one failure the middleware answers with two concatenated objects.
    let Some(envelope) = json::first_object(body, &["message"]) else {
        return if body.starts_with(b"{") { RefusalReason::Nothing } else { RefusalReason::Foreign };
    };
    let message = match &envelope["message"] {
        Value::String(message) => Some(message.as_str()),
        Value::Null => None,
        _ => return RefusalReason::Nothing,
    };
    match message {
        Some("incorrect Username or Password") => RefusalReason::IncorrectCredentials,
        Some("missing Username or Password") => RefusalReason::MissingCredentials,
        Some("you don't have permission to access this resource") => RefusalReason::NoPermission,
        Some("query token is empty" | "token is expired" | "missing exp field") => RefusalReason::BadToken,
        Some(text) if text.starts_with("token is malformed") || text.starts_with("token signature") => {
            RefusalReason::BadToken
        }
        Some("invalid_otp") => RefusalReason::InvalidOtp,
        Some("user secret not found") => RefusalReason::NoOtpSecret,
        Some("invalid password") => RefusalReason::InvalidPassword,
        Some("error in revocate 2FA for user") => RefusalReason::NoTwoFactor,
        Some("request fields malformed") => RefusalReason::Malformed,
        Some("Failed to reach V1 API" | "failed to parse server v1 response") => RefusalReason::Backend,
        Some(_) | None => RefusalReason::Other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_classified_by_its_first_object() {
        for (body, expected) in [
            (&b""[..], RefusalReason::Nothing),
            (b"  \r\n", RefusalReason::Nothing),
            (br#"{"code":404,"data":null,"message":"API no"#, RefusalReason::Nothing),
            (b"404 page not found\n", RefusalReason::Foreign),
            (b"[1,2]", RefusalReason::Foreign),
            (b"\xef\xbb\xbf{\"message\":\"invalid_otp\"}", RefusalReason::InvalidOtp),
            (br#"{"message":"x","message":"invalid_otp","data":"\ud83d"}"#, RefusalReason::InvalidOtp),
            (b"\xff\xfe", RefusalReason::Foreign),
            (br#"{"message":"failed to parse server v1 response"}{"code":401}"#, RefusalReason::Backend),
            (
                br#"{"code":403,"data":null,"message":"you don't have permission to access this resource"}"#,
                RefusalReason::NoPermission,
            ),
            (
                br#"{"code":403,"message":"you don\u0027t have permission to access this resource"}"#,
                RefusalReason::NoPermission,
            ),
            (
                br#"{"message":"token is malformed: token contains an invalid number of segments"}"#,
                RefusalReason::BadToken,
            ),
            (br#"{"message":7}"#, RefusalReason::Nothing),
            (br#"{"message":null}"#, RefusalReason::Other),
            (br#"{"code":200}"#, RefusalReason::Other),
        ] {
            assert_eq!(refusal_reason(body), expected, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn a_redirect_names_scheme_and_host_only() {
        let url = Url::parse("http://pbx.example/api/login").unwrap();
        for (location, expected) in [
            ("https://pbx.example/api/login?token=planted", Some("https://pbx.example")),
            ("https://planted:planted@other.example:8443/x", Some("https://other.example:8443")),
            ("/elsewhere", Some("http://pbx.example")),
            ("mailto:planted", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, location.parse().unwrap());
            assert_eq!(target_host(&url, &headers).as_ref().map(PeerText::as_str), expected, "{location}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let header = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(reqwest::header::DATE, "Tue, 24 Nov 2026 12:00:00 GMT".parse().unwrap());
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(header("100"), Some(Duration::from_secs(100)));
        assert_eq!(header("Tue, 24 Nov 2026 12:01:30 GMT"), Some(Duration::from_secs(90)));
        assert_eq!(header("Tue, 24 Nov 2026 11:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(header("soon"), None);
        assert_eq!(header(""), None);
        let longest = Some(*bounds::RETRY_AFTER.end());
        let huge = "9".repeat(400);
        for value in ["31536000", "18446744073709551615", &huge, "Mon, 24 Nov 2036 12:00:00 GMT"] {
            assert_eq!(header(value), longest, "{value}");
        }
    }
}
