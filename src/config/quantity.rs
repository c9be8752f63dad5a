//! Human-readable durations and sizes.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use bytesize::ByteSize;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use super::InvalidValue;

/// A timeout: `"10s"`, `"1m 30s"`. More than zero, and a day at most: longer ones are typing errors, and
/// adding an absurd one to a point in time would overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub Duration);

/// The time between two occurrences: a [`Span`], or `"off"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Interval(pub Option<Duration>);

/// A delay: at most a [`Span`], or `"always"` for no delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Delay(pub Option<Duration>);

/// A retention time: `"7d"`, or `"off"` for no limit. Ten years at most, so that it fits every broker's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Age(pub Option<Duration>);

/// A number of bytes: `"64MiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(pub usize);

/// The JSON Schema format of [`Span`]. (`duration` is ISO 8601 there: P10S.)
pub(super) const SPAN: &str = "human-duration";
/// The JSON Schema format of [`Interval`].
pub(super) const INTERVAL: &str = "human-duration-or-off";
/// The JSON Schema format of [`Delay`].
pub(super) const DELAY: &str = "human-duration-or-always";
/// The JSON Schema format of [`Age`].
pub(super) const AGE: &str = "human-age-or-off";
/// The JSON Schema format of [`Size`].
pub(super) const SIZE: &str = "byte-size";

const DAY: Duration = Duration::from_hours(24);
const DECADE: Duration = Duration::from_hours(24 * 3653);

impl Span {
    /// A span of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl Interval {
    /// An interval of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Some(Duration::from_secs(seconds)))
    }
}

impl Age {
    /// An age of whole days.
    pub const fn days(days: u64) -> Self {
        Self(Some(Duration::from_hours(24 * days)))
    }
}

impl FromStr for Span {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let duration = humantime::parse_duration(text.trim()).map_err(|_| InvalidValue::new("is not a valid duration: write a number and its unit, as in \"10s\", \"500ms\" or \"1m 30s\""))?;
        match duration {
            Duration::ZERO => {
                Err(InvalidValue::new("must be more than zero: write a duration such as \"10s\""))
            }
            long if long > DAY => {
                Err(InvalidValue::new("is more than a day: write a duration such as \"10s\""))
            }
            right => Ok(Self(right)),
        }
    }
}

impl FromStr for Interval {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text.trim() {
            "off" | "0" | "0s" => Ok(Self(None)),
            other => other
                .parse()
                .map(|Span(duration)| Self(Some(duration)))
                .map_err(|error: InvalidValue| error.or("off")),
        }
    }
}

impl FromStr for Age {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if text.trim() == "off" {
            return Ok(Self(None));
        }
        let duration = humantime::parse_duration(text.trim()).map_err(|_| {
            InvalidValue::new(
                "is not a valid duration: write a number and its unit, as in \"7d\" or \"12h\", or \"off\"",
            )
        })?;
        match duration {
            Duration::ZERO => Err(InvalidValue::new("must be more than zero: write \"off\" to keep all")),
            long if long > DECADE => {
                Err(InvalidValue::new("is more than ten years: write \"off\" to keep all"))
            }
            right => Ok(Self(Some(right))),
        }
    }
}

impl FromStr for Size {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let size: ByteSize = text.trim().parse().map_err(|_| {
            InvalidValue::new(
                "is not a valid size: write a number and its unit, as in \"64MiB\" or \"500KB\"",
            )
        })?;
        usize::try_from(size.as_u64())
            .map(Self)
            .map_err(|_| InvalidValue::new("is more than this machine can address"))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.0))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(duration) => Span(duration).fmt(f),
            None => f.write_str("off"),
        }
    }
}

impl FromStr for Delay {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text.trim() {
            "always" => Ok(Self(None)),
            other => other
                .parse()
                .map(|Span(duration)| Self(Some(duration)))
                .map_err(|error: InvalidValue| error.or("always")),
        }
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(duration) => Span(duration).fmt(f),
            None => f.write_str("always"),
        }
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            // humantime writes 7days, and reads 7d as well.
            Some(duration) if duration.as_nanos().is_multiple_of(DAY.as_nanos()) && duration < DAY * 30 => {
                write!(f, "{}d", duration.as_nanos() / DAY.as_nanos())
            }
            Some(duration) => Span(duration).fmt(f),
            None => f.write_str("off"),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let (unit, name) = units
            .into_iter()
            .find(|(unit, _)| self.0 > 0 && self.0.is_multiple_of(*unit))
            .unwrap_or((1, "B"));
        write!(f, "{}{name}", self.0 / unit)
    }
}

// A JSON Schema can check these, so that editors warn before the bridge is started.
const SPAN_PATTERN: &str = r"^\s*([0-9][0-9.\s]*[a-zA-Zµ]+\s*)+$";
const INTERVAL_PATTERN: &str = r"^\s*(off|0|([0-9][0-9.\s]*[a-zA-Zµ]+\s*)+)\s*$";
const DELAY_PATTERN: &str = r"^\s*(always|([0-9][0-9.\s]*[a-zA-Zµ]+\s*)+)\s*$";
const AGE_PATTERN: &str = r"^\s*(off|([0-9][0-9.\s]*[a-zA-Zµ]+\s*)+)\s*$";
const SIZE_PATTERN: &str = r"^\s*[0-9][0-9.]*\s*([kKmMgGtTpPeE]([iI]?[bB])?|[bB])?\s*$";

macro_rules! written_as_string {
    ($type:ident, $format:expr, $pattern:expr, $example:literal) => {
        impl TryFrom<String> for $type {
            type Error = InvalidValue;

            fn try_from(text: String) -> Result<Self, InvalidValue> {
                text.parse()
            }
        }

        // The schema shows defaults in the form of the file.
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "pattern": $pattern, "examples": [$example] })
            }
        }
    };
}

written_as_string!(Span, SPAN, SPAN_PATTERN, "10s");
written_as_string!(Interval, INTERVAL, INTERVAL_PATTERN, "10s");
written_as_string!(Delay, DELAY, DELAY_PATTERN, "50ms");
written_as_string!(Age, AGE, AGE_PATTERN, "7d");
written_as_string!(Size, SIZE, SIZE_PATTERN, "64MiB");

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn spans_parse_as_written() {
        for (text, millis) in [("10s", 10_000), ("500ms", 500), ("1m 30s", 90_000), (" 24h ", 86_400_000)] {
            assert_eq!(text.parse(), Ok(Span(Duration::from_millis(millis))), "{text}");
        }
        for text in ["", "10", "0s", "-1s", "s", "25h", "99999999999999999999s", "1e3s", "ten"] {
            text.parse::<Span>().unwrap_err();
        }
    }

    #[test]
    fn an_interval_can_be_off() {
        for text in ["off", "0", "0s"] {
            assert_eq!(text.parse(), Ok(Interval(None)));
        }
        assert_eq!("10s".parse(), Ok(Interval(Some(Duration::from_secs(10)))));
        assert!("on".parse::<Interval>().unwrap_err().to_string().contains("off"));
    }

    #[test]
    fn an_age_prints_as_it_parses() {
        for (text, printed) in [("7d", "7d"), ("off", "off"), ("90m", "1h 30m"), ("2years", "2years")] {
            let age: Age = text.parse().unwrap();
            assert_eq!(age.to_string(), printed);
            assert_eq!(age.to_string().parse(), Ok(age));
        }
        for text in ["", "7", "0s", "11years", "ever"] {
            text.parse::<Age>().unwrap_err();
        }
    }

    #[test]
    fn sizes_print_as_they_parse() {
        for (text, bytes, printed) in [
            ("64MiB", 64 << 20, "64MiB"),
            ("1 GiB", 1 << 30, "1GiB"),
            ("1500", 1500, "1500B"),
            ("0B", 0, "0B"),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, printed));
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        for text in ["", "MiB", "-1MiB", "64 sheep"] {
            text.parse::<Size>().unwrap_err();
        }
    }
}
