//! What is wrong with a configuration: all of it at once, each with its place and its remedy.

use std::fmt;

use super::origin::Origin;
use crate::text;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it is to be mended.
    pub origin: Origin,
    /// The key, dotted; empty if none is concerned.
    pub key: String,
    /// What is wrong; what to do. Never a value that may be secret.
    pub text: String,
    /// It is about a file that the configuration names: a secret's, or a certificate's.
    pub is_file: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.origin.to_string();
        // `--set log.level` has said it.
        let said =
            self.key.is_empty() || matches!(self.origin, Origin::Flag(_)) && place.ends_with(&self.key);
        let key = if said { String::new() } else { format!("{}: ", self.key) };
        printable(f, &format!("{place}: {key}{}", self.text))
    }
}

/// All that is wrong, in the order of the file, then variables, then flags. One line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Sorts them and leaves out repetitions.
    pub(crate) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self(problems)
    }

    /// One problem that leaves nothing to look at.
    pub(crate) fn single(origin: Origin, text: String) -> Self {
        Self(vec![Problem { origin, key: String::new(), text, is_file: false }])
    }

    /// In the order they are printed.
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

/// A key or the name of a file may hold anything; a line stays one line, on any terminal.
pub(crate) fn printable(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str(&text::sentence(text))
}
