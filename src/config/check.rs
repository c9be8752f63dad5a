//! Validates the merged tree against the schema, so that serde has nothing left to reject.
//!
//! serde stops at its first error and prints the rejected value. Here every key is checked, no value
//! that may be secret is repeated, and invalid entries are removed, so that the rest can still be checked.
//! Defaults are filled in as well, which makes the tree the effective configuration.

use std::{fmt::Display, str::FromStr};

use figment::value::{Dict, Value};

use super::{
    Shape, name,
    origin::{Origin, join},
    quantity::{AGE, Age, DELAY, Delay, INTERVAL, Interval, SIZE, SPAN, Size, Span},
    remedy,
    schema::Node,
    section::Findings,
    setting::Settings,
    types::{coerced, is_of_kind},
};
use crate::net::{ADDRESS, Address};

/// Returns what is wrong with a string of some format; `None` if it is valid.
type Check = fn(&str) -> Option<String>;

const FORMATS: &[(&str, Check)] = &[
    (SPAN, flaw::<Span>),
    (INTERVAL, flaw::<Interval>),
    (DELAY, flaw::<Delay>),
    (AGE, flaw::<Age>),
    (SIZE, flaw::<Size>),
    (ADDRESS, flaw::<Address>),
];

fn flaw<T: FromStr<Err: Display>>(text: &str) -> Option<String> {
    text.parse::<T>().err().map(|error| error.to_string())
}

/// Checks the complete tree and fills in defaults. Returns the effective settings.
pub(super) fn check(tree: &mut Dict, findings: &mut Findings, shape: Shape) -> Settings {
    let mut walk = Walk { findings, settings: Settings::default(), shape };
    walk.table("", tree, shape.root);
    walk.settings
}

struct Walk<'a> {
    findings: &'a mut Findings,
    settings: Settings,
    shape: Shape,
}

impl Walk<'_> {
    /// Checks a table whose keys the schema defines.
    fn table(&mut self, path: &str, table: &mut Dict, node: Node<'_>) {
        let Some(node) = self.variant(path, table, node) else {
            table.clear();
            return;
        };
        for (key, mut value) in std::mem::take(table) {
            let path = join(path, &key);
            match node.key(&key) {
                None => self.findings.problem(&path, remedy::unknown(&key, &[node], self.shape.root)),
                Some(inner) => {
                    if self.value(&path, &mut value, inner) {
                        self.show(&path, &value, inner);
                        table.insert(key, value);
                    }
                }
            }
        }
        for (key, inner) in node.keys().filter(|(key, _)| !table.contains_key(*key)).collect::<Vec<_>>() {
            self.absent(path, key, table, inner, node);
        }
    }

    /// Adds a value to the effective settings. Elements of a list are shown with it, tables in a list one by one.
    fn show(&mut self, path: &str, value: &Value, node: Node<'_>) {
        if path.contains('[') || matches!(value, Value::Dict(..)) {
            return;
        }
        match (node.items(), value) {
            (Some(inner), Value::Array(_, elements)) if node.is_list_of_tables() => {
                for (index, element) in elements.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    self.settings.add(&path, element, inner, self.findings.origins.nearest(&path));
                }
            }
            _ => self.settings.add(path, value, node, self.findings.origins.of(path)),
        }
    }

    /// The shape of this table; `None` if its `type` is missing or unknown.
    fn variant<'n>(&mut self, path: &str, table: &Dict, node: Node<'n>) -> Option<Node<'n>> {
        let Some(variants) = node.variants() else { return Some(node) };
        let (words, shapes): (Vec<&str>, Vec<Node<'n>>) = variants.into_iter().unzip();
        let word = table.get("type").map(|value| value.as_str().unwrap_or_default());
        if let Some(shape) = words.iter().position(|known| Some(*known) == word) {
            return shapes.get(shape).copied();
        }
        match word {
            None => self
                .findings
                .problem(path, format!("`type` is missing: set it to {}", remedy::listed(&words))),
            Some(word) => self
                .findings
                .problem(&join(path, "type"), remedy::word("type", word, &words, self.shape.absent)),
        }
        // A key that no shape has is wrong whatever the type will be.
        for key in table.keys().filter(|key| !shapes.iter().any(|shape| shape.key(key).is_some())) {
            self.findings.problem(&join(path, key), remedy::unknown(key, &shapes, self.shape.root));
        }
        None
    }

    /// Handles a key that is not set, or whose value was rejected.
    fn absent(&mut self, path: &str, key: &str, table: &mut Dict, inner: Node<'_>, node: Node<'_>) {
        let full = join(path, key);
        let is_required = node.required().any(|required| required == key);
        if inner.kind() == "object" && !is_required {
            let mut empty = Dict::new();
            self.object(&full, &mut empty, inner);
            table.insert(key.to_owned(), empty.into());
        } else if let Some(Ok(default)) = inner.default().map(Value::serialize) {
            self.show(&full, &default, inner);
            table.insert(key.to_owned(), default);
        } else if is_required && !self.is_set(&full) {
            self.findings.problem(path, format!("`{key}` is missing: set it"));
        }
    }

    fn is_set(&self, path: &str) -> bool {
        self.findings.origins.of(path) != Origin::Default
    }

    /// Returns true if the value is valid and stays in the tree.
    fn value(&mut self, path: &str, value: &mut Value, node: Node<'_>) -> bool {
        if let Value::String(_, text) = &*value
            && !matches!(self.findings.origins.of(path), Origin::File(..))
            && let Some(typed) = coerced(text, node)
        {
            *value = typed;
        }
        let before = self.findings.problems.len();
        let node = match node.alternatives().next() {
            None => node,
            Some(_) => node.alternatives().find(|node| is_of_kind(node.kind(), value)).unwrap_or(node),
        };
        match (node.kind(), &mut *value) {
            ("object", Value::Dict(_, table)) => {
                self.object(path, table, node);
                return true;
            }
            ("string", Value::String(_, text)) => self.string(path, text, node),
            ("array", Value::Array(_, elements)) => {
                self.elements(path, elements, node);
                // The remaining elements can still be checked.
                return !elements.is_empty() || self.findings.problems.len() == before;
            }
            (kind, found) if is_of_kind(kind, found) => {}
            (_, found) => {
                let text = remedy::kind(path, node, found, &self.findings.origins.nearest(path));
                self.findings.problem(path, text);
            }
        }
        self.findings.problems.len() == before
    }

    /// Removes the invalid elements.
    fn elements(&mut self, path: &str, elements: &mut Vec<Value>, node: Node<'_>) {
        let Some(inner) = node.items() else { return };
        for (index, mut element) in std::mem::take(elements).into_iter().enumerate() {
            if self.value(&format!("{path}[{index}]"), &mut element, inner) {
                elements.push(element);
            }
        }
    }

    /// Checks a table: its keys are defined by the schema, or names that the operator chose.
    fn object(&mut self, path: &str, table: &mut Dict, node: Node<'_>) {
        let Some(named) = node.named() else { return self.table(path, table, node) };
        if named.kind() == "string" {
            let foreign = std::mem::take(table);
            return self.foreign(path, "", foreign, (named, table));
        }
        let mut seen: Vec<(String, String)> = Vec::new();
        for (name, mut value) in std::mem::take(table) {
            let path = join(path, &name);
            if let Err(error) = name::check(&name) {
                self.findings.problem(&path, error.to_string());
                continue;
            }
            let folded = name::folded(&name);
            if let Some((_, other)) = seen.iter().find(|(known, _)| *known == folded) {
                let text = format!(
                    "differs from `{other}` only in case or hyphens: choose names an environment variable can tell apart"
                );
                self.findings.problem(&path, text);
            }
            seen.push((folded, name.clone()));
            if self.value(&path, &mut value, named) {
                let lost = value.as_dict().is_some_and(Dict::is_empty) && named.variants().is_some();
                if !lost {
                    table.insert(name, value);
                }
            }
        }
    }

    /// Checks a table of third-party settings, whose names may have dots: `a.b = 1` and `"a.b" = "1"` mean the same.
    fn foreign(&mut self, path: &str, prefix: &str, table: Dict, (node, flat): (Node<'_>, &mut Dict)) {
        for (name, value) in table {
            let (path, name) = (join(path, &name), join(prefix, &name));
            let text = match value {
                Value::Dict(_, inner) => {
                    self.foreign(&path, &name, inner, (node, flat));
                    continue;
                }
                Value::String(_, text) => text,
                Value::Bool(_, flag) => flag.to_string(),
                Value::Num(_, number) => number.to_i128().map_or_else(
                    || number.to_f64().unwrap_or_default().to_string(),
                    |number| number.to_string(),
                ),
                other => {
                    let text = remedy::kind(&path, node, &other, &self.findings.origins.nearest(&path));
                    self.findings.problem(&path, text);
                    continue;
                }
            };
            let value = Value::from(text);
            self.settings.add(&path, &value, node, self.findings.origins.of(&path));
            // A value from a variable or flag is nested, and comes first.
            flat.entry(name).or_insert(value);
        }
    }

    fn string(&mut self, path: &str, text: &str, node: Node<'_>) {
        let words = node.words();
        if !words.is_empty() && !words.contains(&text) {
            let key = path.rsplit('.').next().unwrap_or(path);
            self.findings.problem(path, remedy::word(key, text, &words, self.shape.absent));
        }
        let check = node.format().and_then(|format| FORMATS.iter().find(|(known, _)| *known == format));
        if let Some(problem) = check.and_then(|(_, check)| check(text)) {
            self.findings.problem(path, problem);
        }
    }
}
