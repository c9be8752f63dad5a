//! The catalogue as a list, one line per event.

use std::io::{self, Write};

use super::entry::Entry;
use crate::{
    event::{Class, schemas},
    terminal::{Style, Tint},
};

/// Writes the list.
pub(super) fn write(style: Style, out: &mut impl Write) -> io::Result<()> {
    let mut class = None;
    for schema in schemas() {
        if class.replace(schema.class) != Some(schema.class) {
            let heading = match schema.class {
                Class::Event => "Events of the PBX",
                Class::Bridge => "\nNotices of the bridge",
                Class::Status => "\nStatus",
                Class::Dlq => "\nDead letters",
                Class::Call => "\nCalls",
            };
            writeln!(out, "{}", style.paint(Tint::Strong, heading))?;
        }
        let entry = Entry::of(schema);
        let line =
            format!("  {:<24} {:<11} {:<30} ", schema.title, entry.kind(), entry.subject.unwrap_or_default());
        let text = style.shown(&style.wrap(&schema.description, line.chars().count()));
        writeln!(out, "{line}{text}")?;
    }
    writeln!(
        out,
        "\n`cti-bridge catalogue NAME` describes one; `cti-bridge schema NAME` prints its JSON Schema."
    )
}
