//! Statistics of the journal.

use std::collections::BTreeMap;

use event::{EndReason, GapReason, Position, Seq, SourceId};
use jiff::Timestamp;

use crate::{
    counters::{Announced, EventCount, Gaps, Recent},
    log::Log,
};

/// Statistics of a journal.
#[derive(Debug, Clone)]
pub struct Stats {
    /// Statistics of each source, by [`SourceId`].
    pub sources: Vec<SourceStats>,
    /// Statistics of each sink, in the order given at opening.
    pub sinks: Vec<SinkStats>,
    /// Disk use; `None` for an in-memory journal.
    pub disk: Option<DiskUse>,
    /// Bytes of the records in memory.
    pub memory: usize,
    /// Recent events, oldest first.
    pub events: Vec<Recent>,
    /// Recent notices, oldest first.
    pub notices: Vec<Announced>,
}

/// Statistics of a source since the process started.
#[derive(Debug, Clone)]
pub struct SourceStats {
    /// Number of sessions.
    pub sessions: u64,
    /// Ended sessions by reason.
    pub ends: BTreeMap<EndReason, u64>,
    /// Gaps by reason.
    pub gaps: BTreeMap<GapReason, Gaps>,
    /// Last moment at which a session was confirmed gap-free.
    pub seen: Option<Timestamp>,
    /// The newest number; 0 for none.
    pub newest: Seq,
    /// Event counts by name.
    pub events: Vec<EventCount>,
    /// Total bytes of events.
    pub bytes: u64,
    /// Number of malformed frames.
    pub bad_frames: u64,
}

/// Statistics of a sink.
#[derive(Debug, Clone, Copy)]
pub struct SinkStats {
    /// Position of the oldest record that is not settled.
    pub next: Position,
    /// Number of pending records.
    pub pending: u64,
    /// Receive time of the oldest pending record; an estimate if the record is on disk only.
    pub oldest: Option<Timestamp>,
    /// Number of erased events that the sink has passed since the start of the process; counted as filtered.
    pub erased: u64,
}

/// Disk use of a journal.
#[derive(Debug, Clone, Copy)]
pub struct DiskUse {
    /// Total bytes of the segments.
    pub bytes: u64,
    /// Maximum size in bytes.
    pub max_bytes: u64,
    /// Number of segments.
    pub segments: usize,
}

impl Log {
    /// Counts a gap.
    pub(super) fn gap(
        &mut self,
        source: SourceId,
        reason: GapReason,
        from: Option<Timestamp>,
        to: Timestamp,
    ) {
        if let Some(source) = self.sources.get_mut(source.index()) {
            source.counters.gap(reason, from, to);
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let sources =
            self.sources.iter().zip(&self.progress).zip(0..).map(|((source, progress), id)| SourceStats {
                sessions: source.sessions.into(),
                ends: source.counters.ends.clone(),
                gaps: source.counters.gaps.clone(),
                seen: progress.seen,
                newest: self.newest(SourceId(id)).0,
                events: source.counters.event_counts(),
                bytes: source.counters.bytes,
                bad_frames: source.bad_frames,
            });
        let sinks = self.sinks.iter().enumerate().map(|(sink, state)| {
            let pending = self.pending(sink);
            let next = self.cursor(sink).map_or(self.end(), |cursor| cursor.next);
            let oldest = (pending > 0).then(|| self.received(next)).flatten();
            SinkStats { next, pending, oldest, erased: state.erased }
        });
        Stats {
            sources: sources.collect(),
            sinks: sinks.collect(),
            disk: self.store.as_ref().map(|store| DiskUse {
                bytes: store.total(),
                max_bytes: store.limits.max_bytes,
                segments: store.segments.len(),
            }),
            memory: self.bytes_in_memory(),
            events: self.recent.events.iter().cloned().collect(),
            notices: self.recent.notices.iter().cloned().collect(),
        }
    }
}
