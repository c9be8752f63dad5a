//! `[journal]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::{Age, Delay, Section, Size, Span},
    journal::{self, Sync},
};

/// The journal, as the bridge opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// On disk; `None` keeps it in memory.
    pub disk: Option<journal::Options>,
    /// Bound of what only memory holds, in bytes.
    pub memory: usize,
}

/// What is dropped when there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// What has waited longest.
    DropOldest,
    /// What comes.
    DropNewest,
}

impl From<WhenFull> for journal::WhenFull {
    fn from(when_full: WhenFull) -> Self {
        match when_full {
            WhenFull::DropOldest => Self::DropOldest,
            WhenFull::DropNewest => Self::DropNewest,
        }
    }
}

/// What keeps events until every sink has them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Table {
    /// The directory it is kept in. Without one it is in memory alone, and what waits is gone with the process.
    #[schemars(length(min = 1))]
    dir: Option<String>,
    /// How long after a write the disk is synced: that much may be lost by a power failure, nothing by a crash of the
    /// process. "always": before anything else is read from the PBX.
    sync: Delay,
    /// How much it may take on the disk. Unset: the smaller of 2 GiB and a fifth of the volume.
    max_bytes: Option<Size>,
    /// How long an event is kept for a sink that is away, or "off" for no such bound.
    max_age: Age,
    /// What goes when it is full: "drop-oldest" or "drop-newest". Either is counted and announced. With "drop-oldest",
    /// states that newer events supersede go first.
    when_full: WhenFull,
    /// How much of it the waiting events of one name may take, in percent: a flood of one can't evict the others. Beyond it
    /// "drop-oldest" drops the oldest of that name, and "drop-newest" refuses the newest.
    #[schemars(range(min = 1, max = 100))]
    name_quota: u8,
    /// How long events are kept after delivery, for a broker that forgets what it acknowledged.
    retain: Span,
    /// How much is kept in memory when there is no directory, or while its disk refuses.
    memory: Size,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            dir: None,
            sync: Delay(Some(Duration::from_millis(50))),
            max_bytes: None,
            max_age: Age(None),
            when_full: WhenFull::DropOldest,
            name_quota: 50,
            retain: Span::seconds(15 * 60),
            memory: Size(64 << 20),
        }
    }
}

/// Less would drop events of one burst.
const LEAST: usize = 1 << 20;

impl Table {
    /// Checks what the schema can't. `None` goes with a problem.
    pub(crate) fn validate(self, section: &mut Section<'_>) -> Option<Config> {
        let mut right = true;
        let mut least = |key: &str, size: Size| {
            if size.0 < LEAST {
                section.problem(key, "is less than one burst of events needs: write 1MiB or more");
                right = false;
            }
        };
        least("memory", self.memory);
        if let Some(size) = self.max_bytes {
            least("max_bytes", size);
        }
        if self.dir.as_deref().is_some_and(str::is_empty) {
            section.problem("dir", "is empty: write a directory, such as \"/var/lib/cti-bridge\"");
            return None;
        }
        let disk = self.dir.map(|dir| journal::Options {
            dir: section.path(&dir),
            sync: self.sync.0.map_or(Sync::Always, Sync::Every),
            max_bytes: self.max_bytes.map(|size| size.0 as u64),
            max_age: self.max_age.0,
            when_full: self.when_full.into(),
            name_quota: self.name_quota,
            retain: self.retain.0,
            memory: self.memory.0,
        });
        right.then_some(Config { disk, memory: self.memory.0 })
    }
}
