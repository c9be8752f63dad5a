//! The annotated configuration, taken apart: what the manual page and the reference are generated from.

const EXAMPLE: &str = include_str!("../../config/cti-bridge.toml");

/// Begins the part of the file that is worth repeating elsewhere; above it are remarks about its own `#`.
const START: &str = "# An environment variable";

/// A comment and the keys right below it, as in `sync = "50ms"`. A comment without keys is a paragraph.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// The lines of the comment; an empty one separates paragraphs.
    pub(super) text: Vec<&'static str>,
    /// The keys that it explains, each with its default or an example.
    pub(super) keys: Vec<&'static str>,
}

/// A piece of the configuration.
#[derive(Debug)]
pub(super) enum Item {
    /// The header of a table, such as `[journal]`. The paragraph that follows describes the table.
    Table(&'static str),
    /// A paragraph, or keys with their explanation.
    Entry(Entry),
}

/// Returns the pieces in the order of the file.
pub(super) fn items() -> Vec<Item> {
    let mut items = Vec::new();
    let mut entry = Entry::default();
    for line in EXAMPLE[EXAMPLE.find(START).unwrap_or_default()..].lines() {
        let bare = line.strip_prefix('#').unwrap_or(line);
        if bare.starts_with('[') {
            items.push(Item::Table(bare));
            finish(&mut entry, &mut items);
        } else if bare.starts_with(|ch: char| ch.is_ascii_lowercase()) {
            entry.keys.push(bare);
        } else if line.is_empty() {
            finish(&mut entry, &mut items);
        } else {
            if !entry.keys.is_empty() {
                finish(&mut entry, &mut items);
            }
            entry.text.push(bare.trim());
        }
    }
    finish(&mut entry, &mut items);
    items
}

fn finish(entry: &mut Entry, items: &mut Vec<Item>) {
    let entry = std::mem::take(entry);
    if !entry.text.is_empty() || !entry.keys.is_empty() {
        items.push(Item::Entry(entry));
    }
}

/// Returns every key of the file, as an independent reading of it.
#[cfg(test)]
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    let keys = EXAMPLE.lines().map(|line| line.strip_prefix('#').unwrap_or(line));
    keys.filter(|line| line.starts_with(|ch: char| ch.is_ascii_lowercase()))
}
