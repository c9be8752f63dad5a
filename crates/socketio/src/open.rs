//! Parses the Engine.IO open packet.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use serde_json::value::RawValue;

use crate::packet::{Packet, decode};

/// Bounds of `pingInterval`, which a server may set to anything, by mistake or to silence the client. A longer one would delay
/// noticing a dead connection, a shorter one would drop connections that are merely slow. `pingTimeout` and `maxPayload` are
/// not read.
const PING_INTERVAL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(2);

/// The `pingInterval` of an Engine.IO open packet (in milliseconds there); `None` if `frame` is not one or has none. Any
/// JSON number is valid, and of a duplicate key the last one counts, as in JavaScript.
pub(super) fn ping_interval(frame: &str) -> Option<Duration> {
    let Ok(Packet::Open(range)) = decode(frame.as_bytes()) else { return None };
    let json = frame.get(range.start as usize..range.end as usize)?;
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json).ok()?;
    // The text of a JSON number; a string's begins with a quote. Beyond a double is infinity.
    let milliseconds: f64 = fields.get("pingInterval")?.get().parse().ok()?;
    (!milliseconds.is_nan()).then(|| {
        let (least, most) = (PING_INTERVAL.start().as_secs_f64(), PING_INTERVAL.end().as_secs_f64());
        Duration::from_secs_f64((milliseconds / 1e3).clamp(least, most))
    })
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
            assert_eq!(ping_interval(&format!("0{json}")), seconds.map(Duration::from_secs), "{json}");
        }
    }
}
