//! The fields of a log line. Whatever they quote, a line stays one line, acts on no terminal and shows no secret: each value
//! passes [`text::sentence`], in every format.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    field::MakeExt as _,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Writer, debug_fn},
    },
    registry::LookupSpan,
};

use crate::text;

/// The fields of a line for people, as `tracing_subscriber` writes them.
pub(super) fn text() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    let field = |writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        let value = text::sentence(&format!("{value:?}"));
        match field.name() {
            "message" => writer.write_str(&value),
            name if writer.has_ansi_escapes() => {
                write!(writer, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m{value}")
            }
            name => write!(writer, "{name}={value}"),
        }
    };
    debug_fn(field).delimited(" ")
}

/// A line for programs: one JSON object.
#[derive(Debug)]
pub(super) struct Json;

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'w> FormatFields<'w> + 'static> FormatEvent<S, N>
    for Json
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line::default();
        event.record(&mut line);
        let object = Object {
            timestamp: format!("{:.6}", Timestamp::now()),
            level: level(*event.metadata().level()),
            fields: line.0,
            target: event.metadata().target(),
        };
        writeln!(writer, "{}", serde_json::to_string(&object).map_err(|_| fmt::Error)?)
    }
}

#[derive(Serialize)]
struct Object<'a> {
    timestamp: String,
    level: &'static str,
    #[serde(flatten)]
    fields: Map<String, Value>,
    target: &'a str,
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

/// A line's fields by name.
#[derive(Debug, Default)]
struct Line(Map<String, Value>);

impl Line {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, text::sentence(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{io, sync::Arc};

    use parking_lot::Mutex;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines of one event, as JSON and as text.
    fn logged(log: fn()) -> [String; 2] {
        let (json, text_lines) = (Kept::default(), Kept::default());
        let layers = || {
            let (json, text_lines) = (json.clone(), text_lines.clone());
            let plain = tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).without_time();
            let plain = plain.fmt_fields(text()).with_writer(move || text_lines.clone());
            let objects =
                tracing_subscriber::fmt::layer().event_format(Json).with_writer(move || json.clone());
            tracing_subscriber::registry().with(plain).with(objects)
        };
        tracing::subscriber::with_default(layers(), log);
        [json, text_lines].map(|kept| String::from_utf8(kept.0.lock().clone()).unwrap())
    }

    #[test]
    fn a_line_is_as_it_was() {
        let [json, text] = logged(|| tracing::warn!(component = "sink/bus", count = 3, ok = true, "failing"));
        let mut object: Value = serde_json::from_str(&json).unwrap();
        let at: Timestamp = object["timestamp"].take().as_str().unwrap().parse().unwrap();
        assert!(Timestamp::now().duration_since(at).as_secs() < 60);
        assert_eq!(
            object,
            serde_json::json!({
                "timestamp": null, "level": "WARN", "component": "sink/bus", "count": 3, "ok": true,
                "message": "failing", "target": "cti_bridge::telemetry::fields::tests",
            })
        );
        assert_eq!(text, " WARN failing component=\"sink/bus\" count=3 ok=true\n");
    }

    #[test]
    fn no_value_starts_a_line_acts_on_a_terminal_or_shows_a_secret() {
        text::secrets::register(&"quilted\"northern".into());
        let lines = logged(|| {
            let hostile = "quilted\"northern\nINFO all is well\u{1b}[2J\u{9b}\u{202e}";
            tracing::warn!(shown = %hostile, reason = hostile, ?hostile, "{hostile}");
        });
        for line in lines {
            assert_eq!(line.matches('\n').count(), 1, "{line:?}");
            assert!(!line.contains("quilted") && line.matches("[secret]").count() == 4, "{line}");
            assert!(!line.trim_end().contains(text::is_hidden), "{line:?}");
        }
    }
}
