//! Bounds on the numbers that a peer sends.
//!
//! A server, or a proxy in front of it, may send any number: by mistake, or to silence the bridge. Every number that decides
//! how long the bridge waits is brought within one of these ranges where it is read. Numbers that decide how much memory is
//! held are bounded by the configuration (`max_frame`) instead. The Socket.IO client bounds Engine.IO's `pingInterval` itself.

use std::{ops::RangeInclusive, time::Duration};

/// `Retry-After` of an HTTP answer. Longer waits are cut: another attempt every few minutes harms nobody.
pub const RETRY_AFTER: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_mins(5);

/// The distance between an answer's `Date` and this machine's clock, either way. A larger one is not believed.
pub const CLOCK_OFFSET: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24);

/// The lifetime of a token, by its claims. A token that ends sooner is used as if it lived for the lower bound.
pub const TOKEN_LIFETIME: RangeInclusive<Duration> =
    Duration::from_secs(10)..=Duration::from_hours(200 * 366 * 24);

/// The value, or the nearest one within the range.
pub fn bounded(value: Duration, range: &RangeInclusive<Duration>) -> Duration {
    value.clamp(*range.start(), *range.end())
}

/// A peer's number of seconds within the range; `None` if it is not a number. Infinity is the upper bound.
pub fn bounded_seconds(seconds: f64, range: &RangeInclusive<Duration>) -> Option<Duration> {
    (!seconds.is_nan()).then(|| {
        let seconds = seconds.clamp(range.start().as_secs_f64(), range.end().as_secs_f64());
        Duration::from_secs_f64(seconds)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_a_peer_is_brought_within_its_range() {
        let read = |seconds| bounded_seconds(seconds, &RETRY_AFTER);
        assert_eq!(read(25.0), Some(Duration::from_secs(25)));
        assert_eq!(read(-1.0), Some(Duration::ZERO));
        assert_eq!(read(1e300), Some(Duration::from_mins(5)));
        assert_eq!(read(f64::INFINITY), Some(Duration::from_mins(5)));
        assert_eq!(read(f64::NAN), None);
        assert_eq!(bounded(Duration::MAX, &RETRY_AFTER), Duration::from_mins(5));
    }
}
