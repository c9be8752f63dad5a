//! `[log]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::config::Section;

/// The settings of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The level per target.
    pub level: Targets,
    /// The output format.
    pub format: Format,
}

/// The output format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text on a terminal, journald where standard error is systemd's, JSON otherwise.
    Auto,
    /// Human-readable text.
    Text,
    /// One JSON object per line.
    Json,
    /// Entries with fields, in systemd's journal.
    Journald,
}

/// The log, on stderr.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Table {
    /// error, warn, info, debug, trace or off; also per module: `info,cti_bridge::session=debug`.
    level: String,
    /// "text" for people, "json" for programs, "journald" with fields for systemd. "auto" selects text on a terminal, journald
    /// under systemd, and json otherwise.
    format: Format,
}

impl Default for Table {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: Format::Auto }
    }
}

impl Table {
    /// Checks what the schema can't. Returns `None` if it has reported a problem.
    pub(crate) fn validate(self, section: &mut Section<'_>) -> Option<Config> {
        let level = targets(&self.level);
        if level.is_none() {
            section.problem(
                "level",
                "is not a level: write error, warn, info, debug, trace or off, or per module, \
                 as in \"info,cti_bridge::session=debug\"",
            );
        }
        Some(Config { level: level?, format: self.format })
    }
}

/// Parses the level. `Targets::from_str` would take an unknown word for the name of a target and log that at
/// `trace`, so `level = "inof"` would silence everything else.
pub(crate) fn targets(text: &str) -> Option<Targets> {
    // `LevelFilter::from_str` would also accept digits and the empty string.
    let level = |word: &str| {
        let word = word.trim().to_ascii_lowercase();
        let known = ["error", "warn", "info", "debug", "trace", "off"].contains(&word.as_str());
        known.then(|| word.parse::<LevelFilter>().ok()).flatten()
    };
    let mut targets = Targets::new();
    for directive in text.split(',') {
        targets = match directive.split_once('=') {
            None => targets.with_default(level(directive)?),
            Some((target, word)) if !target.trim().is_empty() => {
                targets.with_target(target.trim(), level(word)?)
            }
            Some(_) => return None,
        };
    }
    Some(targets)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tracing_subscriber::filter::LevelFilter;

    use super::*;

    #[test]
    fn levels_per_target() {
        let targets = targets("INFO, cti_bridge::session=debug").unwrap();
        assert_eq!(targets.default_level(), Some(LevelFilter::INFO));
        assert!(targets.would_enable("cti_bridge::session::supervisor", &tracing::Level::DEBUG));
        assert!(!targets.would_enable("cti_bridge::auth", &tracing::Level::DEBUG));
    }

    #[test]
    fn an_unknown_word_is_not_a_target() {
        for text in ["inof", "", "info,", "a=b", "=info", "info,verbose"] {
            assert_eq!(super::targets(text), None, "{text:?}");
        }
    }
}
