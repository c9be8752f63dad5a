//! `[journal]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{Section, Size};

/// The journal, as it needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Bound of the events kept in memory, in bytes.
    pub memory: usize,
}

/// What keeps events until every sink has them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Table {
    /// How much is kept in memory for a sink that is away; beyond it the oldest is dropped, counted and announced.
    memory: Size,
}

impl Default for Table {
    fn default() -> Self {
        Self { memory: Size(64 << 20) }
    }
}

/// Less would drop events of one burst.
const LEAST: usize = 1 << 20;

impl Table {
    /// Checks what the schema can't. `None` goes with a problem.
    pub(crate) fn validate(self, section: &mut Section<'_>) -> Option<Config> {
        if self.memory.0 < LEAST {
            section.problem("memory", "is less than one burst of events needs: write 1MiB or more");
            return None;
        }
        Some(Config { memory: self.memory.0 })
    }
}
