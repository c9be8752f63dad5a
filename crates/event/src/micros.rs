//! Times in the data of events: RFC 3339 in UTC with six digits of fraction, as the attribute `time` has them.

use jiff::Timestamp;
use serde::Serializer;

/// Serializes a time.
pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{at:.6}"))
}

/// Times that may be unknown.
pub mod option {
    use jiff::Timestamp;
    use serde::Serializer;

    /// Serializes a time; null when it is unknown.
    #[allow(clippy::ref_option, reason = "serde hands in a reference to the field")]
    pub fn serialize<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => super::serialize(at, serializer),
            None => serializer.serialize_none(),
        }
    }
}
