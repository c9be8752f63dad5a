//! Logs to systemd's journal: entries with fields, which `journalctl -o json` shows and which can be filtered.

use std::{fmt::Write as _, io};

use libsystemd::logging::{Priority, journal_send};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use super::{fields::Fields, span};

/// The prefix of our fields, which avoids conflicts with others.
const PREFIX: &str = "CTI_";

/// Sends each event to journald, through the queue.
#[derive(Debug)]
pub(super) struct Journald;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Journald {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let (text, fields) = line(&span::fields(event, context.event_scope(event)));
        let priority = match *event.metadata().level() {
            Level::ERROR => Priority::Error,
            Level::WARN => Priority::Warning,
            Level::INFO => Priority::Info,
            _ => Priority::Debug,
        };
        let is_urgent = *event.metadata().level() == Level::ERROR;
        let own = ("SYSLOG_IDENTIFIER".to_owned(), "cti-bridge".to_owned());
        let target = (format!("{PREFIX}TARGET"), event.metadata().target().to_owned());
        let fields = [own, target].into_iter().chain(fields).collect();
        super::queue().push(super::Line::Entry(Entry { priority, text, fields }), is_urgent);
    }
}

/// An entry for journald.
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

    /// Sends the entry. Blocks while journald's socket is full.
    pub(super) fn send(&self) -> io::Result<()> {
        let fields = self.fields.iter().map(|(name, value)| (name, value));
        journal_send(self.priority, &self.text, fields).map_err(io::Error::other)
    }
}

/// The message followed by its fields, and the fields with their journald names.
fn line(fields: &Fields) -> (String, Vec<(String, String)>) {
    let mut text = fields.message().unwrap_or_default();
    let mut entries = Vec::new();
    for (name, value) in fields.named() {
        let value = value.plain();
        // Writing to a String can't fail.
        let _ = write!(text, " {name}={value}");
        entries.push((format!("{PREFIX}{}", name.to_ascii_uppercase()), value));
    }
    (text, entries)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone)]
    struct Kept(Arc<Mutex<Vec<Fields>>>);

    impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
            self.0.lock().push(span::fields(event, context.event_scope(event)));
        }
    }

    #[test]
    fn an_entry_has_its_fields_in_the_message_and_apart() {
        let lines = Kept(Arc::default());
        let subscriber = tracing_subscriber::registry().with(span::Spans.and_then(lines.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let _span = span::source("pbx1").entered();
            tracing::warn!(component = "sink/bus", count = 3, "failing");
        });
        let lines = lines.0.lock();
        let (text, fields) = line(&lines[0]);
        assert_eq!(text, "failing component=sink/bus count=3 source=pbx1");
        let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(fields, [("CTI_COMPONENT", "sink/bus"), ("CTI_COUNT", "3"), ("CTI_SOURCE", "pbx1")]);
    }
}
