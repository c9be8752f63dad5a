//! The effective settings, as `config show` prints them.

use std::fmt;

use figment::value::Value;

use super::{origin::Origin, problem::printable, schema::Node};
use crate::net::{ADDRESS, Address};

/// One key with its effective value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The dotted key.
    pub key: String,
    /// Its value in TOML; `"********"` replaces a secret, and the user info of a URL.
    pub value: String,
    /// The origin of the value.
    pub origin: Origin,
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
        self.0.sort_by_key(|setting| (setting.key.contains('.'), setting.key.clone()));
        self
    }

    /// The settings sorted by key, those of the root table first.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.0.iter()
    }
}

fn printed(value: &Value, node: Node<'_>) -> Option<String> {
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
        Value::Num(_, number) => number.to_u128().map_or_else(String::new, |number| number.to_string()),
        Value::Array(_, elements) => {
            let inner = node.items()?;
            let elements: Option<Vec<_>> = elements.iter().map(|element| printed(element, inner)).collect();
            format!("[{}]", elements?.join(", "))
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
        for setting in &self.0 {
            let from = if setting.origin == Origin::Default { "" } else { "from " };
            printable(f, &format!("{} = {}  # {from}{}", setting.key, setting.value, setting.origin))?;
            f.write_str("\n")?;
        }
        Ok(())
    }
}
