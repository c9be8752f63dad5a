//! Differences between a configuration and what is in force.

use serde::{Deserialize, Serialize};

/// The differences of a configuration from what is in force, or its problems.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Differences {
    /// Those that a reload applies.
    pub reload: Vec<Difference>,
    /// Those that need a restart.
    pub restart: Vec<Difference>,
    /// The reasons why the configuration is invalid, one line each. There are no differences then, and a reload changes nothing.
    pub problems: Vec<String>,
}

/// One difference.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Difference {
    /// The dotted key. For a secret, that of its table.
    pub key: String,
    /// The value in force, in TOML, without secrets. `None` if there is none, and for a secret.
    pub from: Option<String>,
    /// The new value, in TOML, without secrets. `None` if there is none, and for a secret.
    pub to: Option<String>,
    /// The kind of secret that differs: neither value is shown. `None` for other settings.
    pub secret: Option<String>,
    /// The origin of the new value: file and line, variable or flag. `None` if it is not set, or unknown.
    pub origin: Option<String>,
}

impl Difference {
    /// Returns the difference of a secret of this kind.
    pub(super) fn secret((key, kind): (String, &str)) -> Self {
        Self { key, secret: Some(kind.to_owned()), ..Self::default() }
    }
}

impl Differences {
    /// Returns true if the configuration is valid and equals what is in force.
    pub fn is_empty(&self) -> bool {
        self.reload.is_empty() && self.restart.is_empty() && self.problems.is_empty()
    }
}
