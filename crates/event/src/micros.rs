//! Times in event data: RFC 3339 in UTC with six fractional digits, as in the attribute `time`.

use jiff::Timestamp;
use serde::Serializer;

/// Serializes a time.
pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{at:.6}"))
}

/// Optional times.
pub mod option {
    use jiff::Timestamp;
    use serde::Serializer;

    /// Serializes a time; null for `None`.
    #[allow(clippy::ref_option, reason = "serde hands in a reference to the field")]
    pub fn serialize<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => super::serialize(at, serializer),
            None => serializer.serialize_none(),
        }
    }
}
