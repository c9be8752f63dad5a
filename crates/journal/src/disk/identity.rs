//! Identity of the journal: its name, sources and sinks, reserved numbers, and the clean-shutdown marker.

use std::{io, path::Path};

use event::{JournalId, Seq};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sealed::{self, Unreadable};

use crate::fs::Fs;

/// Number of sequence numbers reserved at a time; each reservation writes a small file. Reservations matter
/// only if the clock was set back, because every process starts above the clock. They are fewer than the
/// microseconds between two starts, so that a copy or an older state of the journal does not start with the
/// same number.
pub(crate) const RESERVE: u64 = 1 << 16;

const NAME: &str = "identity";

/// Content of the file `identity`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Name of the journal: half of every event's id.
    #[serde(with = "as_text")]
    pub(crate) journal: JournalId,
    /// Whether the journal was closed cleanly.
    pub(crate) clean: bool,
    /// All sources ever configured; the index is the permanent id.
    pub(crate) sources: Vec<Source>,
    /// All sinks ever configured.
    pub(crate) sinks: Vec<String>,
}

/// A source in the identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) name: String,
    /// Numbers from here on were never assigned.
    pub(crate) reserved: Seq,
    /// Last moment at which a session was confirmed gap-free.
    pub(crate) seen: Option<Timestamp>,
}

impl Identity {
    /// Returns a source by index.
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

    /// Adds new sources and sinks. None is ever removed.
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
        text.parse().map_err(|()| D::Error::custom("not a valid journal name"))
    }
}
