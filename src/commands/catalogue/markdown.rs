//! The catalogue as pages of the documentation: one per event, and the index.

use std::fmt::Write as _;

use super::entry::Entry;
use crate::event::{Class, schemas};

const INDEX: &str = "
# Event catalogue

Each event has a page: when it is sent, to whom, how often, its names on NATS and Kafka, its fields, which of them are personal
data, and an example. The pages are generated from [`schemas/`](https://git.example.org/cti-bridge/tree/main/schemas), one
JSON Schema per event. `cti-bridge catalogue NAME` prints the same on a terminal, `cti-bridge schema NAME` the schema.

A *state* event carries the complete state of its entity: keep the newest one for each subject. A *signal* says that
something happened. A *call* carries the complete call after a step.

New events, fields and values can appear at any time, with a new version of the PBX as well: ignore what you do not know. The
bridge announces what differs from the catalogue as [`drift`](events/bridge.drift.md).
";

/// Returns the pages: path below `docs`, and text without the first line.
pub(in crate::commands) fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<_> = schemas()
        .iter()
        .map(|schema| (format!("consume/events/{}.md", schema.title), page(&Entry::of(schema))))
        .collect();
    pages.push(("consume/catalogue.md".to_owned(), index()));
    pages
}

fn index() -> String {
    let mut page = INDEX.to_owned();
    let mut class = None;
    // Writing to a String can't fail.
    for schema in schemas() {
        if class.replace(schema.class) != Some(schema.class) {
            let heading = match schema.class {
                Class::Event => "Events of the PBX",
                Class::Bridge => "Notices of the bridge",
                Class::Status => "Status",
                Class::Dlq => "Dead letters",
                Class::Call => "Calls",
            };
            let _ =
                write!(page, "\n## {heading}\n\n| event | | subject | description |\n|---|---|---|---|\n");
        }
        let entry = Entry::of(schema);
        let subject = entry.subject.as_deref().map(code).unwrap_or_default();
        let title = &schema.title;
        let _ = writeln!(
            page,
            "| [`{title}`](events/{title}.md) | {} | {subject} | {} |",
            entry.kind(),
            cell(&schema.description)
        );
    }
    page
}

fn page(entry: &Entry) -> String {
    let schema = entry.schema;
    let mut page = format!("\n# {}\n\n{}\n\n| | |\n|---|---|\n", schema.title, schema.description);
    let mut row = |label: &str, text: &str| {
        // Writing to a String can't fail.
        let _ = writeln!(page, "| **{label}** | {} |", text.replace('|', "\\|"));
    };
    row("sent", &schema.when);
    row("how often", &schema.frequency);
    if let Some(audience) = &entry.audience {
        row("to", audience);
    }
    row("kind", entry.kind());
    row("CloudEvents `type`", &code(&entry.ty));
    if schema.class == Class::Event && !entry.ty.contains(&schema.name) {
        row("`ctievent`", &code(&schema.name));
    }
    if schema.args != 1 {
        row("`ctiargs`", &code(&schema.args.to_string()));
    }
    if let (Some(templates), Some(subject)) = (entry.templates(), &entry.subject) {
        let templates: Vec<_> = templates.split(", ").map(code).collect();
        row("CloudEvents `subject`", &format!("{}, as in {}", templates.join(", "), code(subject)));
    }
    row("NATS subject", &code(&entry.nats));
    row("Kafka", &format!("topic {}, key {}", code(entry.topic), code(&entry.key)));
    row("since", &schema.since);
    if !schema.steps.is_empty() {
        page.push_str("\n## Steps\n\n| step | what has happened |\n|---|---|\n");
        for step in &schema.steps {
            let _ = writeln!(page, "| {} | {} |", code(&step.name), cell(&step.description));
        }
    }
    let _ = write!(page, "\n## What to do with it\n\n{}\n", schema.advice);
    page.push_str("\n## Data\n\n");
    let types: Vec<_> = schema.data.types.iter().map(|kind| kind.as_str()).collect();
    let fields = entry.fields();
    if fields.is_empty() {
        let _ = writeln!(page, "JSON type: {}.", types.join(" or "));
    } else {
        page.push_str("| field | type | meaning | personal data |\n|---|---|---|---|\n");
    }
    for field in fields {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} |",
            code(&field.path),
            field.types,
            cell(&field.meaning),
            field.personal
        );
    }
    page.push_str("\n## Example\n");
    for example in entry.examples() {
        let _ = write!(page, "\n```json\n{example}\n```\n");
    }
    page
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// Returns the text as it may be in a table. What looks like HTML or a link is text.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_code = false;
    for character in text.chars() {
        match character {
            '`' => is_code = !is_code,
            '|' => out.push('\\'),
            '<' | '[' | '*' if !is_code => out.push('\\'),
            _ => {}
        }
        out.push(character);
    }
    out
}
