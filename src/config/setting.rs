//! The effective settings, as `config show` prints them.

use std::fmt;

use figment::value::Value;

use super::{origin::Origin, problem::printable, schema::Node, types::is_of_kind};
use crate::net::{ADDRESS, Address};

/// One key with its effective value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The dotted key; that of a table in a list ends with its index, as in `sinks.bus.routes[0]`.
    pub key: String,
    /// Its value in TOML; `"********"` replaces a secret, and the user info of a URL.
    pub value: String,
    /// The origin of the value.
    pub origin: Origin,
}

impl Setting {
    /// Returns the list and the index of an element. `None` for any other key.
    fn element(&self) -> Option<(&str, usize)> {
        let (list, index) = self.key.strip_suffix(']')?.rsplit_once('[')?;
        Some((list, index.parse().ok()?))
    }
}

/// All keys that have a value.
#[derive(Debug, Clone, Default)]
pub struct Settings(Vec<Setting>);

impl Settings {
    pub(super) fn add(&mut self, key: &str, value: &Value, node: Node<'_>, origin: Origin) {
        if let Some(value) = printed(value, node) {
            self.0.push(Setting { key: key.to_owned(), value, origin });
        }
    }

    pub(super) fn sorted(mut self) -> Self {
        // Keys of the root first: below a table they would belong to it.
        self.0.sort_by_cached_key(|setting| {
            let (list, index) = setting.element().unwrap_or((&setting.key, 0));
            (setting.key.contains('.'), list.to_owned(), index)
        });
        self
    }

    /// The settings sorted by key, those of the root table first.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.0.iter()
    }
}

/// Returns the TOML of a value, on one line. Keys of an inline table that have their default are left out.
fn printed(value: &Value, node: Node<'_>) -> Option<String> {
    if let Some(node) = node.alternatives().find(|node| is_of_kind(node.kind(), value)) {
        return printed(value, node);
    }
    Some(match value {
        Value::String(..) if node.is_secret() => quoted("********"),
        Value::String(_, text) if node.format() == Some(ADDRESS) => {
            // A URL that can't be parsed isn't shown: there is no telling where its password is.
            quoted(
                &text
                    .parse::<Address>()
                    .map_or_else(|_| "********".to_owned(), |address| address.to_string()),
            )
        }
        Value::String(_, text) => quoted(text),
        Value::Bool(_, flag) => flag.to_string(),
        Value::Num(_, number) => match (number.to_u128(), number.to_i128(), number.to_f64()) {
            (Some(number), ..) => number.to_string(),
            (_, Some(number), _) => number.to_string(),
            (.., number) => format!("{:?}", number?),
        },
        Value::Array(_, elements) => {
            let inner = node.items()?;
            let elements: Option<Vec<_>> = elements.iter().map(|element| printed(element, inner)).collect();
            format!("[{}]", elements?.join(", "))
        }
        Value::Dict(_, table) => {
            let is_default = |node: Node<'_>, value: &Value| {
                node.default().is_some_and(|default| Value::serialize(default).is_ok_and(|it| it == *value))
            };
            let entries = table.iter().filter_map(|(key, value)| {
                let inner = node.key(key)?;
                if is_default(inner, value) {
                    None
                } else {
                    Some(format!("{key} = {}", printed(value, inner)?))
                }
            });
            let entries = entries.collect::<Vec<_>>().join(", ");
            if entries.is_empty() { "{}".to_owned() } else { format!("{{ {entries} }}") }
        }
        _ => return None,
    })
}

/// Formats a basic TOML string, always on one line. (JSON's escapes are valid in TOML; `toml_edit` itself
/// would use several lines for a text with line ends.)
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, setting) in self.0.iter().enumerate() {
            let from = if setting.origin == Origin::Default { "" } else { "from " };
            let (key, value, origin) = (&setting.key, &setting.value, &setting.origin);
            let Some((list, index)) = setting.element() else {
                printable(f, &format!("{key} = {value}  # {from}{origin}"))?;
                f.write_str("\n")?;
                continue;
            };
            if index == 0 {
                printable(f, &format!("{list} = ["))?;
                f.write_str("\n")?;
            }
            f.write_str("  ")?;
            printable(f, &format!("{value},  # {from}{origin}"))?;
            f.write_str("\n")?;
            let next = self.0.get(at + 1).and_then(Setting::element);
            if next.is_none_or(|(next, _)| next != list) {
                f.write_str("]\n")?;
            }
        }
        Ok(())
    }
}
