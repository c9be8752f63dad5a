//! Bounds on the numbers that peers send: no answer can silence the bridge, or make it busy, for longer than these.

use std::time::Duration;

/// The longest wait that a server may ask for (`Retry-After`).
pub(crate) const RETRY_AFTER: Duration = Duration::from_mins(5);
/// A token is neither renewed nor taken for expired sooner than this, however short its life.
pub(crate) const LEAST_TOKEN_LIFE: Duration = Duration::from_secs(10);
/// A token of a login is renewed as if it lived no longer than this.
pub(crate) const LONGEST_TOKEN_LIFE: Duration = Duration::from_hours(90 * 24);
