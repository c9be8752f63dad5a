//! State of a segment in the store.

use std::{collections::HashMap, sync::Arc, time::Instant};

use event::Position;
use jiff::{SignedDuration, Timestamp};

use crate::{fs::File, progress::SourceProgress};

use super::{
    codec::Format,
    segment_range::{Place, SegmentRange},
};

/// A segment of the store.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) generation: u64,
    /// Number of times that its file was replaced.
    pub(crate) revision: u32,
    pub(crate) file: Arc<dyn File>,
    pub(crate) format: Format,
    /// Offset of the first entry.
    pub(crate) start: u64,
    /// Number of valid bytes.
    pub(crate) length: u64,
    pub(crate) first: Position,
    /// Position after the last entry.
    pub(crate) end: Position,
    pub(crate) created: Timestamp,
    /// Progress of each source before the first entry.
    pub(crate) progress: Vec<SourceProgress>,
    pub(crate) newest: Option<Timestamp>,
    /// Cursor positions at opening, in order, with the receive times of their records.
    pub(crate) known: Vec<(Position, Timestamp)>,
    /// Since when every sink has passed the segment.
    pub(crate) passed: Option<Instant>,
    /// Bytes by event name, until every sink has passed the segment.
    pub(crate) bytes_by_name: HashMap<u32, u64>,
}

impl Segment {
    /// Returns what a reader needs.
    pub(crate) fn range(&self) -> SegmentRange {
        SegmentRange {
            generation: self.generation,
            revision: self.revision,
            file: Arc::clone(&self.file),
            format: self.format,
            start: Place { offset: self.start, position: self.first },
            length: self.length,
            end: self.end,
        }
    }

    /// Estimates when the record at a position was received, by linear interpolation.
    pub(crate) fn received(&self, position: Position) -> Timestamp {
        let newest = self.newest.unwrap_or(self.created);
        let known = self.known.iter().rev().find(|(known, _)| *known <= position);
        let (from, at) = known.copied().unwrap_or((self.first, self.created));
        let last = self.end.0.saturating_sub(1);
        let (all, behind) = (last.saturating_sub(from.0), last.saturating_sub(position.0));
        #[allow(clippy::cast_precision_loss, reason = "a share")]
        let share = if all == 0 { 0.0 } else { (behind as f64 / all as f64).min(1.0) };
        let span = newest.duration_since(at).max(SignedDuration::ZERO);
        newest.checked_sub(span.mul_f64(share)).unwrap_or(at)
    }
}
