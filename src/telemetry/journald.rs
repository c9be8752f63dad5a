//! The log, where systemd keeps it: each line with its fields, which `journalctl -o json` shows and filters go by.

use std::{
    fmt::{self, Write as _},
    io,
};

use libsystemd::logging::{Priority, journal_send};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use crate::text;

/// What our fields begin with, so that they meet nobody else's.
const PREFIX: &str = "CTI_";

/// Sends each event to journald, through the queue.
#[derive(Debug)]
pub(super) struct Journald;

impl<S: Subscriber> Layer<S> for Journald {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let priority = match *event.metadata().level() {
            Level::ERROR => Priority::Error,
            Level::WARN => Priority::Warning,
            Level::INFO => Priority::Info,
            _ => Priority::Debug,
        };
        let is_urgent = *event.metadata().level() == Level::ERROR;
        let text = line.text();
        let own = ("SYSLOG_IDENTIFIER".to_owned(), "cti-bridge".to_owned());
        let target = (format!("{PREFIX}TARGET"), event.metadata().target().to_owned());
        let fields = [own, target].into_iter().chain(line.fields).collect();
        super::queue().push(super::Line::Entry(Entry { priority, text, fields }), is_urgent);
    }
}

/// A line for journald.
#[derive(Debug)]
pub(super) struct Entry {
    priority: Priority,
    text: String,
    fields: Vec<(String, String)>,
}

impl Entry {
    pub(super) fn size(&self) -> usize {
        let fields = self.fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.text.len() + fields
    }

    /// Sends it. Waits for journald, if its socket is full.
    pub(super) fn send(&self) -> io::Result<()> {
        let fields = self.fields.iter().map(|(name, value)| (name, value));
        journal_send(self.priority, &self.text, fields).map_err(io::Error::other)
    }
}

/// An event's message, and its fields with their names there.
#[derive(Debug, Default)]
struct Line {
    message: String,
    /// As they stand behind the message.
    shown: String,
    fields: Vec<(String, String)>,
}

impl Line {
    fn text(&self) -> String {
        format!("{}{}", self.message, self.shown)
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        let value = &text::sentence(value);
        if field.name() == "message" {
            value.clone_into(&mut self.message);
            return;
        }
        // Writing to a String can't fail.
        let _ = write!(self.shown, " {}={value}", field.name());
        self.fields.push((format!("{PREFIX}{}", field.name().to_ascii_uppercase()), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_str(field, &value.to_string());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    struct Kept(Arc<Mutex<Vec<Line>>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let mut line = Line::default();
            event.record(&mut line);
            self.0.lock().push(line);
        }
    }

    #[test]
    fn a_line_tells_all_and_has_its_fields_beside() {
        let lines = Arc::default();
        let subscriber = tracing_subscriber::registry().with(Kept(Arc::clone(&lines)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(component = "sink/bus", count = 3, "failing");
        });
        let lines = lines.lock();
        assert_eq!(lines[0].text(), "failing component=sink/bus count=3");
        let fields: Vec<_> = lines[0].fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(fields, [("CTI_COMPONENT", "sink/bus"), ("CTI_COUNT", "3")]);
    }
}
