//! The problems of a configuration: all at once, each with its origin and its remedy.

use std::fmt;

use super::origin::Origin;
use crate::text;

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The place to fix it.
    pub origin: Origin,
    /// The dotted key; empty if it concerns no key.
    pub key: String,
    /// The problem and its remedy. Never a value that may be secret.
    pub text: String,
    /// Set if it concerns a file that the configuration names: a secret or a certificate.
    pub is_file: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.origin.to_string();
        // `--set log.level` already names the key.
        let said =
            self.key.is_empty() || matches!(self.origin, Origin::Flag(_)) && place.ends_with(&self.key);
        let key = if said { String::new() } else { format!("{}: ", self.key) };
        printable(f, &format!("{place}: {key}{}", self.text))
    }
}

/// All problems, in the order of the file, then variables, then flags. One line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Sorts the problems and removes duplicates.
    pub(crate) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self(problems)
    }

    /// A single problem that prevents any further check.
    pub(crate) fn single(origin: Origin, text: String) -> Self {
        Self(vec![Problem { origin, key: String::new(), text, is_file: false }])
    }

    /// The problems in the order they are printed.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Prints a key or file name, which may hold any character, as one line on any terminal.
pub(crate) fn printable(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str(&text::sentence(text))
}
