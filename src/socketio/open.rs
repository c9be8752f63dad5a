//! What the Engine.IO open packet says.

use std::{collections::BTreeMap, time::Duration};

use serde_json::value::RawValue;

use crate::bounds::{PING_INTERVAL, bounded_seconds};

/// `pingInterval` of an open packet, in milliseconds there. Any JSON number is one, and a key that comes twice counts as it
/// came last, as JavaScript has it. `None` if there is none.
pub(super) fn ping_interval(json: &str) -> Option<Duration> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json).ok()?;
    // The text of a JSON number; a string's begins with a quote. Beyond a double is infinity.
    let milliseconds: f64 = fields.get("pingInterval")?.get().parse().ok()?;
    bounded_seconds(milliseconds / 1e3, &PING_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_is_a_ping_interval_within_its_bounds() {
        for (json, seconds) in [
            (r#"{"sid":"a","pingInterval":25000,"pingTimeout":1e999}"#, Some(25)),
            (r#"{"pingInterval": 25000.0}"#, Some(25)),
            (r#"{"pingInterval":2.5e4}"#, Some(25)),
            (r#"{"pingInterval":1,"pingInterval":30000}"#, Some(30)),
            (r#"{"sid":"\ud83d","pingInterval":25000}"#, Some(25)),
            (r#"{"pingInterval":2592000000}"#, Some(120)),
            (r#"{"pingInterval":1e999}"#, Some(120)),
            (r#"{"pingInterval":18446744073709551616}"#, Some(120)),
            (r#"{"pingInterval":0}"#, Some(1)),
            (r#"{"pingInterval":-5}"#, Some(1)),
            (r#"{"pingInterval":"25000"}"#, None),
            (r#"{"pingInterval":null}"#, None),
            ("{}", None),
            ("[]", None),
        ] {
            assert_eq!(ping_interval(json), seconds.map(Duration::from_secs), "{json}");
        }
    }
}
