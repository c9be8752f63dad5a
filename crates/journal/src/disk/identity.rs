//! Who this journal is: its name, its sources and sinks, the numbers it may give, and how it was left.

use std::{io, path::Path};

use event::{JournalId, Seq};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sealed::{self, Unreadable};

use crate::fs::Fs;

/// Numbers that are reserved at a time: each reservation is one write of a small file. They matter only where the clock was
/// set back, as every process begins above the clock; and they are fewer than the microseconds between two starts, so that a
/// copy of the journal, or an older state of it, does not begin with the same number.
pub(crate) const RESERVE: u64 = 1 << 16;

const NAME: &str = "identity";

/// The file `identity`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Half of every event's id.
    #[serde(with = "as_text")]
    pub(crate) journal: JournalId,
    /// Whether it was closed cleanly since it was opened last.
    pub(crate) clean: bool,
    /// Every source there was; the place is its id, for good.
    pub(crate) sources: Vec<Source>,
    /// Every sink there was.
    pub(crate) sinks: Vec<String>,
}

/// A source, as the identity keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) name: String,
    /// No number from here on was given.
    pub(crate) reserved: Seq,
    /// When its last session was surely still whole.
    pub(crate) seen: Option<Timestamp>,
}

impl Identity {
    /// The place of a source.
    pub(crate) fn source_mut(&mut self, index: usize) -> Option<&mut Source> {
        self.sources.get_mut(index)
    }

    pub(crate) fn read(fs: &dyn Fs, dir: &Path) -> Result<Self, Unreadable> {
        sealed::read(fs, &dir.join(NAME), NAME)
    }

    pub(crate) fn write(&self, fs: &dyn Fs, dir: &Path) -> io::Result<()> {
        sealed::write(fs, &dir.join(NAME), NAME, self)
    }

    pub(crate) fn path(dir: &Path) -> std::path::PathBuf {
        dir.join(NAME)
    }

    /// Adds those that are new; nobody is ever removed.
    pub(crate) fn admit(&mut self, sources: &[String], sinks: &[String]) {
        for name in sources {
            if !self.sources.iter().any(|source| source.name == *name) {
                self.sources.push(Source { name: name.clone(), reserved: Seq(0), seen: None });
            }
        }
        for name in sinks {
            if !self.sinks.contains(name) {
                self.sinks.push(name.clone());
            }
        }
    }
}

mod as_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use event::JournalId;

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(id: &JournalId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(id.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<JournalId, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|()| D::Error::custom("is no journal's name"))
    }
}
