//! Options of a journal.

use std::{path::PathBuf, time::Duration};

/// Options of a journal on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Directory of the journal; used by one process at a time.
    pub dir: PathBuf,
    /// When writes are synced: bounds what a power failure can lose.
    pub sync: Sync,
    /// Maximum size in bytes; `None` is the smaller of 2 GiB and a fifth of the volume.
    pub max_bytes: Option<u64>,
    /// Maximum age of undelivered records; `None` sets no limit.
    pub max_age: Option<Duration>,
    /// What to drop when the journal is full.
    pub when_full: WhenFull,
    /// Share of the maximum size for undelivered events of one name, in percent.
    pub name_quota: u8,
    /// How long delivered records are retained, in case the broker loses them.
    pub retain: Duration,
    /// Maximum size in bytes of records that are in memory only while the disk fails.
    pub memory: usize,
}

/// When writes are synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// At every commit, before the session continues.
    Always,
    /// At most this long after a write.
    Every(Duration),
}

/// What to drop when the journal is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest records.
    DropOldest,
    /// Incoming events.
    DropNewest,
}
