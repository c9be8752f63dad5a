//! Spans that carry the name of a task's source or sink to all of its log lines.
//!
//! ```ignore
//! tokio::spawn(task.instrument(telemetry::span::source(name)))
//! ```

use tracing::{Event, Metadata, Span, Subscriber, level_filters::LevelFilter, span::Attributes};
use tracing_subscriber::{
    Layer,
    filter::{FilterFn, filter_fn},
    layer::Context,
    registry::{LookupSpan, Scope},
};

use super::fields::Fields;

/// The span of a task that works for a source: its lines have the field `source`.
pub(crate) fn source(name: &str) -> Span {
    tracing::error_span!("source", source = name)
}

/// The span of a task that works for a sink: its lines have the field `sink`.
pub(crate) fn sink(name: &str) -> Span {
    tracing::error_span!("sink", sink = name)
}

/// Enables these spans at any log level: a warning names its source also if INFO is off. They have the highest
/// level, so that this enables no other callsite.
pub(super) fn filter() -> FilterFn {
    let ours: fn(&Metadata<'_>) -> bool =
        |metadata| metadata.is_span() && metadata.target() == module_path!();
    filter_fn(ours).with_max_level_hint(LevelFilter::ERROR)
}

/// Keeps each span's fields for the lines within it.
#[derive(Debug)]
pub(super) struct Spans;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &tracing::Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }
}

/// The fields of a line: its own, then those of its spans, from the innermost one out. The first of a name counts.
pub(super) fn fields<'a, S: Subscriber + LookupSpan<'a>>(
    event: &Event<'_>,
    scope: Option<Scope<'a, S>>,
) -> Fields {
    let mut fields = Fields::default();
    event.record(&mut fields);
    for span in scope.into_iter().flatten() {
        if let Some(of_span) = span.extensions().get() {
            fields.add_missing(of_span);
        }
    }
    fields
}
