//! One segment, as the store knows it.

use std::{collections::HashMap, sync::Arc, time::Instant};

use event::Position;
use jiff::{SignedDuration, Timestamp};

use crate::{fs::File, progress::SourceProgress};

use super::{
    codec::Format,
    stretch::{Place, Stretch},
};

/// A segment that a store has.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) generation: u64,
    /// How often its file was replaced.
    pub(crate) revision: u32,
    pub(crate) file: Arc<dyn File>,
    pub(crate) format: Format,
    /// Where its records begin.
    pub(crate) start: u64,
    /// Bytes that count.
    pub(crate) length: u64,
    pub(crate) first: Position,
    /// Position after its last record.
    pub(crate) end: Position,
    pub(crate) begun: Timestamp,
    /// Where each source stood before its first record.
    pub(crate) progress: Vec<SourceProgress>,
    pub(crate) newest: Option<Timestamp>,
    /// Records that sinks had come to when the journal was opened, in order, and when they were received.
    pub(crate) known: Vec<(Position, Timestamp)>,
    /// Since when every sink has settled all of it.
    pub(crate) passed: Option<Instant>,
    /// Bytes by event name, while it is not passed.
    pub(crate) bytes_by_name: HashMap<u32, u64>,
}

impl Segment {
    /// What a reader needs of it.
    pub(crate) fn stretch(&self) -> Stretch {
        Stretch {
            generation: self.generation,
            revision: self.revision,
            file: Arc::clone(&self.file),
            format: self.format,
            start: Place { offset: self.start, position: self.first },
            length: self.length,
            end: self.end,
        }
    }

    /// About when the record at a position was received: as if all had come at an even pace since the last one known.
    pub(crate) fn received(&self, position: Position) -> Timestamp {
        let newest = self.newest.unwrap_or(self.begun);
        let known = self.known.iter().rev().find(|(known, _)| *known <= position);
        let (from, at) = known.copied().unwrap_or((self.first, self.begun));
        let last = self.end.0.saturating_sub(1);
        let (all, behind) = (last.saturating_sub(from.0), last.saturating_sub(position.0));
        #[allow(clippy::cast_precision_loss, reason = "a share")]
        let share = if all == 0 { 0.0 } else { (behind as f64 / all as f64).min(1.0) };
        let span = newest.duration_since(at).max(SignedDuration::ZERO);
        newest.checked_sub(span.mul_f64(share)).unwrap_or(at)
    }
}
