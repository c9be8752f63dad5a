//! The origin of each value, which errors name and `config show` prints.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

use toml_edit::{ImDocument, Item, TableLike, Value};

/// The place that set a value. In the order of problem reports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The file, with the line (from 1) and, for a syntax error, the column (from 1). Line 0 means the file in general.
    File(PathBuf, usize, Option<usize>),
    /// The environment variable of this name.
    Variable(String),
    /// The flag, as typed.
    Flag(String),
    /// Not set: the default applies.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, 0, _) => write!(f, "{}", path.display()),
            Self::File(path, line, None) => write!(f, "{}:{line}", path.display()),
            Self::File(path, line, Some(column)) => write!(f, "{}:{line}:{column}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(flag) => f.write_str(flag),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The origin of every key that is set.
///
/// Kept beside figment's own tags, because a tag knows the file but not the line.
#[derive(Debug)]
pub(super) struct Origins {
    fallback: Origin,
    of: BTreeMap<String, Origin>,
}

impl Origins {
    /// Uses `fallback` for whatever has no origin of its own, such as a table that is not written anywhere.
    pub(super) fn new(fallback: Origin) -> Self {
        Self { fallback, of: BTreeMap::new() }
    }

    /// Records the line of each key of a TOML file.
    pub(super) fn add_file(&mut self, path: &Path, text: &str, document: &ImDocument<&str>) {
        let line = |span: Option<Range<usize>>| {
            text.as_bytes().get(..span.map_or(0, |span| span.start)).map_or(1, line_after)
        };
        let mut tables: Vec<(String, &dyn TableLike)> = vec![(String::new(), document.as_table())];
        while let Some((prefix, table)) = tables.pop() {
            for (name, item) in table.iter() {
                let key = join(&prefix, name);
                let span = table.get_key_value(name).and_then(|(key, _)| key.span()).or_else(|| item.span());
                self.of.insert(key.clone(), Origin::File(path.to_owned(), line(span), None));
                if let Some(inner) = item.as_table_like() {
                    tables.push((key, inner));
                    continue;
                }
                let mut lists = vec![(key, elements(item))];
                while let Some((list, elements)) = lists.pop() {
                    for (index, element) in elements.into_iter().enumerate() {
                        let key = format!("{list}[{index}]");
                        self.of.insert(key.clone(), Origin::File(path.to_owned(), line(element.span), None));
                        if let Some(inner) = element.table {
                            tables.push((key, inner));
                        } else if let Some(inner) = element.list {
                            lists.push((key, inner.iter().map(Element::from).collect()));
                        }
                    }
                }
            }
        }
    }

    /// Records that a later layer set `key`, and with it the elements of a list.
    pub(super) fn set(&mut self, key: &str, origin: Origin) {
        let is_list = |of: &BTreeMap<String, Origin>, key: &str| of.contains_key(&format!("{key}[0]"));
        // Whatever a layer sets within a list replaces the list.
        let tables = key.match_indices('.').filter_map(|(at, _)| key.get(..at));
        let list = tables.chain([key]).find(|key| is_list(&self.of, key)).map(str::to_owned);
        if let Some(list) = list {
            let element = format!("{list}[");
            self.of.retain(|known, _| !known.starts_with(&element));
            self.of.insert(list, origin.clone());
        }
        self.of.insert(key.to_owned(), origin);
    }

    /// The origin of `key`; for a table that has no line of its own, the origin of its first key.
    pub(super) fn of(&self, key: &str) -> Origin {
        let within = format!("{key}.");
        let inner = || self.of.range(within.clone()..).next().filter(|(found, _)| found.starts_with(&within));
        self.of.get(key).or_else(|| inner().map(|(_, origin)| origin)).cloned().unwrap_or(Origin::Default)
    }

    /// The origin to report for a problem with `key`: its own, else that of its table, else the file.
    /// An element of a list (`servers[0]`) has the origin of its list.
    pub(super) fn nearest(&self, key: &str) -> Origin {
        let mut key = key;
        loop {
            match self.of(key) {
                Origin::Default => {}
                set => return set,
            }
            match key.rsplit_once(if key.ends_with(']') { '[' } else { '.' }) {
                Some((table, _)) => key = table,
                None => return self.fallback.clone(),
            }
        }
    }
}

/// An element of a list.
struct Element<'a> {
    span: Option<Range<usize>>,
    /// The element, if it is a table.
    table: Option<&'a dyn TableLike>,
    /// The element, if it is a list.
    list: Option<&'a toml_edit::Array>,
}

impl<'a> From<&'a Value> for Element<'a> {
    fn from(value: &'a Value) -> Self {
        let table = value.as_inline_table().map(|table| table as &dyn TableLike);
        Self { span: value.span(), table, list: value.as_array() }
    }
}

/// Returns the elements of a list, which is written as `[…]` or as several `[[…]]`. Empty for anything else.
fn elements(item: &Item) -> Vec<Element<'_>> {
    let tables = item.as_array_of_tables().into_iter().flatten();
    let tables = tables.map(|table| Element { span: table.span(), table: Some(table), list: None });
    let values = item.as_array().into_iter().flatten().map(Element::from);
    tables.chain(values).collect()
}

/// The number of the line that follows these bytes, from 1.
pub(super) fn line_after(before: &[u8]) -> usize {
    1 + memchr::memchr_iter(b'\n', before).count()
}

/// Joins `table.key`; if one of them is empty, returns the other.
pub(super) fn join(table: &str, key: &str) -> String {
    match (table, key) {
        ("", only) | (only, "") => only.to_owned(),
        _ => format!("{table}.{key}"),
    }
}
