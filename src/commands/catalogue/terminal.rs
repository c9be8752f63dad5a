//! One event of the catalogue, for a terminal.

use std::io::{self, Write};

use super::entry::Entry;
use crate::terminal::{Style, Tint};

/// Columns of the labels.
const LABEL: usize = 12;

/// Writes the description.
pub(super) fn write(entry: &Entry, style: Style, out: &mut impl Write) -> io::Result<()> {
    let schema = entry.schema;
    let line = |out: &mut dyn Write, label: &str, text: &str| {
        writeln!(out, "  {label:<LABEL$}{}", style.shown(&style.wrap(text, LABEL + 2)))
    };
    writeln!(out, "{}", style.paint(Tint::Strong, &schema.title))?;
    writeln!(out, "  {}\n", style.shown(&style.wrap(&schema.description, 2)))?;
    line(out, "sent", &schema.when)?;
    line(out, "how often", &schema.frequency)?;
    if let Some(audience) = &entry.audience {
        line(out, "to", &audience.replace('`', ""))?;
    }
    line(out, "kind", entry.kind())?;
    line(out, "type", &entry.ty)?;
    if let (Some(templates), Some(subject)) = (entry.templates(), &entry.subject) {
        line(out, "subject", &format!("{templates}, as in {subject}"))?;
    }
    line(out, "NATS", &entry.nats)?;
    line(out, "Kafka", &format!("topic {}, key {}", entry.topic, entry.key))?;
    writeln!(out)?;
    line(out, "use", &schema.advice)?;
    let fields = entry.fields();
    if !fields.is_empty() {
        writeln!(out, "\n{}", style.paint(Tint::Strong, "Fields"))?;
    }
    for field in fields {
        let personal =
            if field.personal.is_empty() { String::new() } else { format!(" [{}]", field.personal) };
        writeln!(
            out,
            "  {} {}",
            field.path,
            style.paint(Tint::Faint, &format!("({}){personal}", field.types))
        )?;
        writeln!(out, "      {}", style.shown(&style.wrap(&field.meaning, 6)))?;
    }
    writeln!(out, "\n{}", style.paint(Tint::Strong, "Example"))?;
    entry.examples().try_for_each(|example| writeln!(out, "{}", style.shown(&example)))
}
