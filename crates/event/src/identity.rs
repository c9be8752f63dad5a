//! Identifiers of sources, sinks, journals and events.

use std::fmt;

/// Number of a record within its source: dense within one process, rising across restarts, never assigned
/// twice.
///
/// A new journal starts at the Unix time in microseconds, so that numbers rise even if a journal is lost, and
/// still fit the 53 bits of a JSON double.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// Returns the next number.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Position of a record in the journal, dense over all sources. Cursors hold positions.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// Returns the next position.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Index of a source in the order the journal was opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct SourceId(pub u16);

impl SourceId {
    /// Returns the index for lookups.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Index of a sink in the order the journal was opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SinkId(pub u16);

impl SinkId {
    /// Returns the index for lookups.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Name of a journal: 10 characters of base32 (`a-z2-7`), drawn when it is created. With a sequence number it
/// forms an event's id, so two journals never assign the same id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalId([u8; 10]);

impl JournalId {
    const ALPHABET: &'static [u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

    /// Draws 50 random bits.
    pub fn draw() -> Self {
        Self(std::array::from_fn(|_| Self::ALPHABET[fastrand::usize(..Self::ALPHABET.len())]))
    }

    /// Returns the ten characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::str::FromStr for JournalId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let bytes: [u8; 10] = text.as_bytes().try_into().map_err(|_| ())?;
        if bytes.iter().all(|b| Self::ALPHABET.contains(b)) { Ok(Self(bytes)) } else { Err(()) }
    }
}

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
