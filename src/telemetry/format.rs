//! Formats log lines for standard error: text for people, JSON for programs.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use super::span;

/// A line for people: time, level, message, fields.
#[derive(Debug)]
pub(super) struct Text;

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'w> FormatFields<'w> + 'static> FormatEvent<S, N>
    for Text
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let has_colours = writer.has_ansi_escapes();
        let paint = |code: u8, text: &str| {
            if has_colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
        };
        let (level, colour) = match *event.metadata().level() {
            Level::ERROR => ("ERROR", 31),
            Level::WARN => (" WARN", 33),
            Level::INFO => (" INFO", 32),
            Level::DEBUG => ("DEBUG", 34),
            Level::TRACE => ("TRACE", 35),
        };
        write!(writer, "{} {}", paint(2, &now()), paint(colour, level))?;
        let fields = span::fields(event, context.event_scope());
        if let Some(message) = fields.message() {
            write!(writer, " {message}")?;
        }
        for (name, value) in fields.named() {
            write!(writer, " {}{}{}", paint(3, name), paint(2, "="), value.quoted())?;
        }
        writeln!(writer)
    }
}

/// A line for programs: one JSON object.
#[derive(Debug)]
pub(super) struct Json;

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'w> FormatFields<'w> + 'static> FormatEvent<S, N>
    for Json
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let fields = span::fields(event, context.event_scope());
        let message = fields.message().map(|message| ("message".to_owned(), message.into()));
        let named = fields.named().map(|(name, value)| (name.to_owned(), value.json()));
        let object = Object {
            timestamp: now(),
            level: event.metadata().level().as_str(),
            fields: message.into_iter().chain(named).collect(),
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

fn now() -> String {
    format!("{:.6}", Timestamp::now())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{io, sync::Arc};

    use parking_lot::Mutex;
    use tracing_subscriber::{
        Layer as _,
        filter::{FilterExt as _, LevelFilter, Targets},
        layer::SubscriberExt as _,
    };

    use super::*;
    use crate::text;

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

    /// The lines of one event at a level of `warn`, as JSON and as text without its time.
    fn logged(log: fn()) -> [String; 2] {
        let (json, text_lines) = (Kept::default(), Kept::default());
        let (to_json, to_text) = (json.clone(), text_lines.clone());
        let plain = tracing_subscriber::fmt::layer().with_ansi(false).event_format(Text);
        let plain = span::Spans.and_then(plain.with_writer(move || to_text.clone()));
        let objects = tracing_subscriber::fmt::layer().event_format(Json);
        let objects = objects.with_writer(move || to_json.clone());
        let level = Targets::new().with_default(LevelFilter::WARN);
        let plain = plain.with_filter(level.clone().or(span::filter()));
        let objects = objects.with_filter(level.or(span::filter()));
        let subscriber = tracing_subscriber::registry().with(plain).with(objects);
        tracing::subscriber::with_default(subscriber, log);
        let [json, text] = [json, text_lines].map(|kept| String::from_utf8(kept.0.lock().clone()).unwrap());
        let text = text.split_once(' ').map(|(_, text)| text.to_owned()).unwrap_or_default();
        [json, text]
    }

    fn object(json: &str) -> Value {
        let mut object: Value = serde_json::from_str(json).unwrap();
        let at: Timestamp = object["timestamp"].take().as_str().unwrap().parse().unwrap();
        assert!(Timestamp::now().duration_since(at).as_secs() < 60);
        object
    }

    #[test]
    fn a_line_has_time_level_message_and_fields() {
        let [json, text] = logged(|| tracing::warn!(component = "sink/bus", count = 3, ok = true, "failing"));
        assert_eq!(
            object(&json),
            serde_json::json!({
                "timestamp": null, "level": "WARN", "component": "sink/bus", "count": 3, "ok": true,
                "message": "failing", "target": "cti_bridge::telemetry::format::tests",
            })
        );
        assert_eq!(text, " WARN failing component=\"sink/bus\" count=3 ok=true\n");
    }

    #[test]
    fn a_line_has_the_fields_of_its_spans_at_any_level() {
        let [json, text] = logged(|| {
            let _outer = span::sink("bus").entered();
            let _inner = span::source("pbx1").entered();
            tracing::info!("too low");
            tracing::warn!(count = 3, sink = "other", "failing");
        });
        assert_eq!(
            object(&json),
            serde_json::json!({
                "timestamp": null, "level": "WARN", "sink": "other", "source": "pbx1", "count": 3,
                "message": "failing", "target": "cti_bridge::telemetry::format::tests",
            })
        );
        assert_eq!(text, " WARN failing count=3 sink=\"other\" source=\"pbx1\"\n");
    }

    #[test]
    fn values_are_one_line_without_controls_or_secrets() {
        text::secrets::register(&"quilted\"northern".into());
        let lines = logged(|| {
            let _span = span::source("quilted\"northern\n\u{1b}[2J").entered();
            let hostile = "quilted\"northern\nINFO all is well\u{1b}[2J\u{9b}\u{202e}";
            tracing::warn!(shown = %hostile, reason = hostile, ?hostile, "{hostile}");
        });
        for line in lines {
            assert_eq!(line.matches('\n').count(), 1, "{line:?}");
            assert!(!line.contains("quilted") && line.matches("[secret]").count() == 5, "{line}");
            assert!(!line.trim_end().contains(text::is_hidden), "{line:?}");
        }
    }
}
