//! Tracks which sinks have lost events that carry a source's state, so that sessions read the state again.
//!
//! **Not counted:** notices and events from snapshots, because losing a resync would trigger another one,
//! endlessly. The numbers that this process gave to those are remembered; numbers of earlier processes count
//! as state.

use std::collections::VecDeque;

use event::{Body, LossReason, Origin, Record, Seq, SourceId, is_state_event};
use tokio::sync::watch;

use crate::entry::Missing;

/// Number of ranges that are remembered per source. The oldest are forgotten and count as state from then on.
const RANGES: usize = 1024;

/// Losses of all sources.
#[derive(Debug, Default)]
pub(super) struct StateLosses(Vec<Source>);

#[derive(Debug)]
struct Source {
    /// Numbers that carry no state, in order.
    other: VecDeque<(Seq, Seq)>,
    /// Number of losses by sink.
    lost: watch::Sender<Vec<u64>>,
}

impl StateLosses {
    pub(super) fn new(sources: usize) -> Self {
        let source = || Source { other: VecDeque::new(), lost: watch::Sender::default() };
        Self(std::iter::repeat_with(source).take(sources).collect())
    }

    /// Watches the number of losses by sink. Sinks without losses may be missing at the end.
    pub(super) fn subscribe(&self, source: SourceId) -> watch::Receiver<Vec<u64>> {
        let source = self.0.get(source.index());
        source.map_or_else(|| watch::Sender::default().subscribe(), |source| source.lost.subscribe())
    }

    /// Notes an appended record.
    pub(super) fn appended(&mut self, record: &Record) {
        if record.origin != Origin::Live || !matches!(record.body, Body::Event(_)) {
            self.left_out(record.source, record.seq, record.seq);
        }
    }

    /// Notes numbers that were assigned to no record.
    pub(super) fn left_out(&mut self, source: SourceId, from: Seq, to: Seq) {
        let Some(source) = self.0.get_mut(source.index()) else { return };
        match source.other.back_mut() {
            Some((_, last)) if last.next() >= from => *last = to.max(*last),
            _ => {
                if source.other.len() == RANGES {
                    source.other.pop_front();
                }
                source.other.push_back((from, to));
            }
        }
    }

    /// Notes a refused event, which no sink gets.
    pub(super) fn refused(
        &mut self,
        (source, seq): (SourceId, Seq),
        origin: Origin,
        body: &Body,
        sinks: usize,
    ) {
        // EventCount here, so it must not count again as a lost number.
        self.left_out(source, seq, seq);
        let Body::Event(frame) = body else { return };
        if origin == Origin::Live && is_state_event(&frame.name()) {
            for sink in 0..sinks {
                self.count(source, sink);
            }
        }
    }

    /// Notes that a sink has lost these numbers. Superseded events don't count: a newer event carries the
    /// state.
    pub(super) fn lost(&mut self, sink: usize, missing: &Missing, reason: LossReason) {
        let Missing { source, count, from, to } = *missing;
        let holds_state = self.0.get(source.index()).is_some_and(|source| source.holds_state(from, to));
        if count > 0 && reason != LossReason::Superseded && holds_state {
            self.count(source, sink);
        }
    }

    /// Notes that a sink has lost records whose owners are unknown.
    pub(super) fn lost_by_anyone(&mut self, sink: usize) {
        for source in (0..).map(SourceId).take(self.0.len()) {
            self.count(source, sink);
        }
    }

    fn count(&mut self, source: SourceId, sink: usize) {
        let Some(source) = self.0.get_mut(source.index()) else { return };
        source.lost.send_modify(|lost| {
            if lost.len() <= sink {
                lost.resize(sink + 1, 0);
            }
            if let Some(count) = lost.get_mut(sink) {
                *count += 1;
            }
        });
    }
}

impl Source {
    fn holds_state(&self, from: Seq, to: Seq) -> bool {
        let after = self.other.partition_point(|(_, last)| *last < from);
        from <= to && self.other.get(after).is_none_or(|(first, last)| *first > from || *last < to)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;

    use super::*;
    use event::{EncodedNotice, Notice, Position, RawEvent};

    const ONE: SourceId = SourceId(1);

    fn event(name: &str) -> Body {
        let text = format!(r#"42["{name}",1]"#);
        let end = u32::try_from(text.len()).unwrap();
        let bytes = Bytes::from(text);
        Body::Event(RawEvent {
            at: Timestamp::UNIX_EPOCH,
            bytes,
            name: 4..end - 4,
            args: end - 2..end - 1,
            argc: 1,
            attachments: Box::default(),
        })
    }

    fn record(seq: u64, origin: Origin, body: Body) -> Record {
        Record {
            position: Position(seq),
            source: ONE,
            seq: Seq(seq),
            at: Timestamp::UNIX_EPOCH,
            session: 1,
            origin,
            gap: Seq(0),
            unchanged: false,
            body,
        }
    }

    fn missing(from: u64, to: u64) -> Missing {
        Missing { source: ONE, count: 1, from: Seq(from), to: Seq(to) }
    }

    /// Builds numbers 5 to 14: snapshots, except for a live event at 10 and a notice at 12.
    fn losses() -> (StateLosses, watch::Receiver<Vec<u64>>) {
        let mut losses = StateLosses::new(2);
        for seq in 5..15 {
            let (origin, body) = match seq {
                10 => (Origin::Live, event("extenUpdate")),
                12 => (Origin::Live, Body::Notice(EncodedNotice::from(&Notice::Stopping { reason: "test" }))),
                _ => (Origin::Snapshot, event("extenUpdate")),
            };
            losses.appended(&record(seq, origin, body));
        }
        let receiver = losses.subscribe(ONE);
        (losses, receiver)
    }

    #[test]
    fn losing_snapshots_and_notices_is_not_a_loss_of_state() {
        let (mut losses, lost) = losses();
        for (from, to) in [(5, 9), (7, 8), (11, 14), (12, 12), (9, 8)] {
            losses.lost(0, &missing(from, to), LossReason::Disk);
            assert!(lost.borrow().is_empty(), "{from} to {to}");
        }
        losses.lost(0, &missing(10, 10), LossReason::Superseded);
        losses.refused((ONE, Seq(15)), Origin::Snapshot, &event("extenUpdate"), 1);
        losses.refused((ONE, Seq(16)), Origin::Live, &event("satellite/summary"), 1);
        losses.lost(0, &missing(11, 16), LossReason::Expired);
        assert!(lost.borrow().is_empty());
    }

    #[test]
    fn each_loss_of_state_counts_for_the_sink_that_has_it() {
        let (mut losses, lost) = losses();
        for (nth, (from, to)) in
            [(10, 10), (5, 14), (9, 11), (4, 5), (14, 15), (1, 2), (99, 99)].into_iter().enumerate()
        {
            losses.lost(1, &missing(from, to), LossReason::Disk);
            assert_eq!(*lost.borrow(), [0, nth as u64 + 1], "{from} to {to}");
        }
        losses.refused((ONE, Seq(15)), Origin::Live, &event("queueUpdate"), 2);
        assert_eq!(*lost.borrow(), [1, 8]);
        assert!(losses.subscribe(SourceId(0)).borrow().is_empty());
        losses.lost_by_anyone(0);
        assert_eq!(
            (&lost.borrow()[..], &losses.subscribe(SourceId(0)).borrow()[..]),
            (&[2, 8][..], &[1][..])
        );
    }

    #[test]
    fn remembered_ranges_are_bounded_and_forgotten_ones_count() {
        let mut losses = StateLosses::new(2);
        for seq in 0..3 * RANGES as u64 {
            losses.left_out(ONE, Seq(2 * seq), Seq(2 * seq));
        }
        assert_eq!(losses.0[1].other.len(), RANGES);
        let lost = losses.subscribe(ONE);
        for seq in [2, 6 * RANGES as u64 - 2] {
            losses.lost(0, &missing(seq, seq), LossReason::Disk);
        }
        assert_eq!(*lost.borrow(), [1]);
    }
}
