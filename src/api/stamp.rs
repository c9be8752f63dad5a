//! Parses the times that servers send.

use jiff::{Timestamp, fmt::rfc2822};
use reqwest::header::{DATE, HeaderMap};
use serde_json::Value;

/// The `Date` of an answer, truncated to seconds (RFC 9110, section 5.6.7).
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(DATE)?.to_str().ok()?)
}

/// Parses an HTTP date in the only form that may be sent today. The two obsolete forms of RFC 9110
/// are not supported: neither Go's server nor any current proxy sends them.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    // RFC 9110 says GMT where RFC 2822, section 4.3, calls that an obsolete zone; both mean UTC.
    rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

/// Parses `expire` in any of its forms: RFC 3339 with an offset or `Z` and up to nine digits of a fraction
/// (login writes whole seconds in local time, verify-otp a fraction too), Unix seconds or
/// milliseconds. Anything else is ignored: the token's own `exp` is the better source anyway.
pub(super) fn expire(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| unix(text.parse().ok()?))
        }
        Value::Number(number) => unix(number.as_f64()?),
        _ => None,
    }
}

/// Seconds up to the year 5138, milliseconds beyond: 10¹¹ ms is March 1973, when no token expires.
fn unix(number: f64) -> Option<Timestamp> {
    let seconds = if number.abs() < 1e11 { number } else { number / 1e3 };
    if !seconds.is_finite() || seconds.abs() > 1e11 {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, reason = "bounded by 1e14 above")]
    let millis = (seconds * 1e3) as i64;
    Timestamp::from_millisecond(millis).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn expire_in_every_form_that_occurs() {
        for (value, expected) in [
            (json!("2026-12-08T19:04:11+01:00"), Some("2026-12-08T18:04:11Z")),
            (json!("2026-12-08T18:04:11Z"), Some("2026-12-08T18:04:11Z")),
            (json!("2026-12-08T19:05:02.123456789+01:00"), Some("2026-12-08T18:05:02.123456789Z")),
            (json!("2026-12-08T19:05:02.1+01:00"), Some("2026-12-08T18:05:02.1Z")),
            (json!("2026-12-08T12:04:11-06:00"), Some("2026-12-08T18:04:11Z")),
            (json!("2026-12-08T23:34:11+05:30"), Some("2026-12-08T18:04:11Z")),
            (json!(1_796_753_051), Some("2026-12-08T18:04:11Z")),
            (json!(1_796_753_051_000_i64), Some("2026-12-08T18:04:11Z")),
            (json!("1796753051"), Some("2026-12-08T18:04:11Z")),
            (json!(1_796_753_051.5), Some("2026-12-08T18:04:11.5Z")),
            (json!("2026-12-08T19:04:11"), None),
            (json!("in two weeks"), None),
            (json!("NaN"), None),
            (json!("inf"), None),
            (json!(1e300), None),
            (json!(""), None),
            (json!(null), None),
            (json!({"at": 1}), None),
        ] {
            let expected: Option<Timestamp> = expected.map(|text| text.parse().unwrap());
            assert_eq!(expire(&value), expected, "{value}");
        }
    }

    #[test]
    fn an_http_date_is_utc() {
        let expected: Timestamp = "2026-11-24T12:00:07Z".parse().unwrap();
        assert_eq!(http_date("Tue, 24 Nov 2026 12:00:07 GMT"), Some(expected));
        assert_eq!(http_date("yesterday"), None);
        assert_eq!(http_date(""), None);
    }
}
