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
    /// The settings of a journal on disk; `None` keeps it in memory.
    pub disk: Option<journal::Options>,
    /// The limit for records that are held only in memory, in bytes.
    pub memory: usize,
}

/// The events to drop when the journal is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// The oldest pending event.
    DropOldest,
    /// The incoming event.
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

/// The journal, which keeps events until every sink has them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Table {
    /// The directory of the journal. If unset, the journal is in memory, and pending events are lost with the process.
    #[schemars(length(min = 1))]
    dir: Option<String>,
    /// The longest time between a write and its sync to disk. A power failure can lose that much, a crash of the process
    /// nothing. "always" syncs before anything else is read from the PBX.
    sync: Delay,
    /// The largest size of the journal on disk. If unset, the smaller of 2 GiB and a fifth of the volume.
    max_bytes: Option<Size>,
    /// The time for which an event is kept for a sink that is down, or "off" for no limit.
    max_age: Age,
    /// The events to drop when the journal is full: "drop-oldest" or "drop-newest". Losses are counted and announced. With
    /// "drop-oldest", states that newer events supersede are dropped first.
    when_full: WhenFull,
    /// The share of the journal, in percent, that pending events of one name may use, so that a flood of one name can't
    /// evict the others. Beyond it, "drop-oldest" drops the oldest of that name and "drop-newest" rejects the newest.
    #[schemars(range(min = 1, max = 100))]
    name_quota: u8,
    /// The time for which events are kept after delivery, for a broker that forgets what it has acknowledged.
    retain: Span,
    /// The largest size of the journal in memory, used without a directory or while the disk fails.
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

/// The smallest limit that does not drop events of one burst.
const LEAST: usize = 1 << 20;

impl Table {
    /// Checks what the schema can't. Returns `None` if it has reported a problem.
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
