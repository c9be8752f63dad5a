//! How the log stands, in numbers.

use std::collections::BTreeMap;

use event::{EndReason, GapReason, Seq, SourceId};
use jiff::Timestamp;

use crate::{
    counters::{Announced, Counted, Gaps, Recent},
    log::Log,
};

/// How a log stands.
#[derive(Debug, Clone)]
pub struct Stats {
    /// By [`SourceId`].
    pub sources: Vec<SourceStats>,
    /// In the order given at opening.
    pub sinks: Vec<SinkStats>,
    /// None for a log in memory alone.
    pub disk: Option<DiskUse>,
    /// Bytes of the records that memory holds.
    pub memory: usize,
    /// The last events, oldest first.
    pub events: Vec<Recent>,
    /// The last notices, oldest first.
    pub notices: Vec<Announced>,
}

/// One source. Counts are since the process began.
#[derive(Debug, Clone)]
pub struct SourceStats {
    /// Sessions.
    pub sessions: u64,
    /// How they ended.
    pub ends: BTreeMap<EndReason, u64>,
    /// What was missed, or may have been.
    pub gaps: BTreeMap<GapReason, Gaps>,
    /// When a session was surely whole.
    pub seen: Option<Timestamp>,
    /// The newest number; 0: there is none.
    pub newest: Seq,
    /// Events by name.
    pub events: Vec<Counted>,
    /// Bytes of all events.
    pub bytes: u64,
    /// Frames that were no events.
    pub bad_frames: u64,
}

/// One sink.
#[derive(Debug, Clone, Copy)]
pub struct SinkStats {
    /// Records it has not settled.
    pub pending: u64,
    /// When the oldest of them was received; an estimate if it is on the disk alone.
    pub oldest: Option<Timestamp>,
}

/// The directory.
#[derive(Debug, Clone, Copy)]
pub struct DiskUse {
    /// Bytes of the segments.
    pub bytes: u64,
    /// What they may grow to.
    pub max_bytes: u64,
    /// Files.
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
                events: source.counters.counted(),
                bytes: source.counters.bytes,
                bad_frames: source.bad_frames,
            });
        let sinks = (0..self.sinks.len()).map(|sink| {
            let pending = self.pending(sink);
            let next = self.cursor(sink).map(|cursor| cursor.next).filter(|_| pending > 0);
            SinkStats { pending, oldest: next.and_then(|next| self.received(next)) }
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
