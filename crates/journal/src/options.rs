//! What a journal is opened with.

use std::{path::PathBuf, time::Duration};

/// A journal on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Its directory: one process each.
    pub dir: PathBuf,
    /// How long a power failure may reach back.
    pub sync: Sync,
    /// Bound in bytes; `None` is the smaller of 2 GiB and a fifth of the volume.
    pub max_bytes: Option<u64>,
    /// Nothing older is kept for a sink that is down; `None` sets no such bound.
    pub max_age: Option<Duration>,
    /// What goes when there is no room.
    pub when_full: WhenFull,
    /// How much of the bound the undelivered events of one name may take, in percent.
    pub name_quota: u8,
    /// How long delivered events are kept, for a broker that forgets.
    pub retain: Duration,
    /// Bound of what only memory holds, in bytes, while the disk refuses.
    pub memory: usize,
}

/// When the disk is asked to make writes durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// At once, and the session reads on only afterwards.
    Always,
    /// This long after a write, at most.
    Every(Duration),
}

/// What goes when there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// What has waited longest.
    DropOldest,
    /// What comes.
    DropNewest,
}
