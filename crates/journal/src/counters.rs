//! Event counts by name since the start, and the most recent events and notices.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use event::{EncodedNotice, EndReason, Fingerprints, GapReason, Origin, Seq, SourceId, is_known, slug};
use jiff::Timestamp;
use serde::Serialize;

/// Maximum number of uncatalogued names that are counted separately for each source. The rest share one
/// counter, so that data from the PBX grows neither our memory nor a metrics store.
const MAX_UNKNOWN: usize = 32;
/// Slug of the shared counter. No event has this slug: in an escaped name, `=` is followed by hexadecimal
/// digits.
pub const OTHER: &str = "=other";
/// Number of recent events and notices that are kept.
const RECENT: usize = 24;

/// Counters of one source.
#[derive(Debug, Clone, Default)]
pub(super) struct SourceCounters {
    /// Index by the name's fingerprint: a name may be as long as a frame.
    of: HashMap<u128, usize>,
    fingerprints: Fingerprints,
    counts: Vec<EventCount>,
    unknown: usize,
    /// Total bytes of frames and attachments.
    pub(super) bytes: u64,
    pub(super) ends: BTreeMap<EndReason, u64>,
    pub(super) gaps: BTreeMap<GapReason, Gaps>,
}

/// Gaps of one reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Gaps {
    /// Number of gaps.
    pub count: u64,
    /// Total duration in seconds, each from the last confirmed moment to its end.
    pub seconds: f64,
}

/// Event counts of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventCount {
    /// Slug of the event, or [`OTHER`].
    pub slug: Arc<str>,
    /// Events that the PBX sent.
    pub live: u64,
    /// Events derived from a REST snapshot.
    pub snapshot: u64,
}

impl SourceCounters {
    /// Counts a gap. Its duration is never negative, even if the clock was set back.
    pub(super) fn gap(&mut self, reason: GapReason, from: Option<Timestamp>, to: Timestamp) {
        let gaps = self.gaps.entry(reason).or_default();
        gaps.count += 1;
        gaps.seconds += from.map_or(0.0, |from| to.duration_since(from).as_secs_f64().max(0.0));
    }

    /// Counts an event and returns its slug.
    pub(super) fn count(&mut self, name: &[u8], bytes: usize, origin: Origin) -> Arc<str> {
        self.bytes += bytes as u64;
        let key = self.fingerprints.of(&name);
        let index = self.of.get(&key).copied().unwrap_or_else(|| self.admit(key, name));
        let Some(counted) = self.counts.get_mut(index) else { return Arc::from(OTHER) };
        match origin {
            Origin::Live => counted.live += 1,
            Origin::Snapshot => counted.snapshot += 1,
            Origin::Replay | Origin::Derived => {}
        }
        Arc::clone(&counted.slug)
    }

    fn admit(&mut self, key: u128, name: &[u8]) -> usize {
        let is_unknown = !is_known(name);
        if is_unknown && self.unknown >= MAX_UNKNOWN {
            let other = self.counts.iter().position(|counted| &*counted.slug == OTHER);
            return other.unwrap_or_else(|| self.add(OTHER));
        }
        self.unknown += usize::from(is_unknown);
        let index = self.add(&slug(name));
        self.of.insert(key, index);
        index
    }

    fn add(&mut self, slug: &str) -> usize {
        self.counts.push(EventCount { slug: slug.into(), live: 0, snapshot: 0 });
        self.counts.len() - 1
    }

    pub(super) fn event_counts(&self) -> Vec<EventCount> {
        self.counts.clone()
    }
}

/// A recent event. It carries no event arguments, so it reveals no phone number and no person's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// Receive time.
    pub at: Timestamp,
    /// Source of the event.
    pub source: SourceId,
    /// Number of the event. A refused event has a number but no record.
    pub sequence: Seq,
    /// Slug of the event.
    pub event: Arc<str>,
}

/// A recent notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// Creation time.
    pub at: Timestamp,
    /// Source of the notice.
    pub source: SourceId,
    /// Name and data of the notice.
    pub content: EncodedNotice,
}

/// The most recent events and notices, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct RecentActivity {
    pub(super) events: VecDeque<Recent>,
    pub(super) notices: VecDeque<Announced>,
}

impl RecentActivity {
    pub(super) fn event(&mut self, event: Recent) {
        push(&mut self.events, event);
    }

    pub(super) fn notice(&mut self, notice: Announced) {
        push(&mut self.notices, notice);
    }
}

fn push<T>(list: &mut VecDeque<T>, newest: T) {
    if list.len() == RECENT {
        list.pop_front();
    }
    list.push_back(newest);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_made_up_names_share_few_counters() {
        let mut counters = SourceCounters::default();
        for number in 0..10_000 {
            counters.count(format!("made.up.{number}").as_bytes(), 10, Origin::Live);
        }
        assert_eq!(&*counters.count(b"extenUpdate", 10, Origin::Snapshot), "extenUpdate");
        let counted = counters.event_counts();
        assert_eq!(counted.len(), MAX_UNKNOWN + 2);
        let of = |slug: &str| counted.iter().find(|counted| &*counted.slug == slug).unwrap();
        assert_eq!((of(OTHER).live, of("extenUpdate").snapshot), (10_000 - MAX_UNKNOWN as u64, 1));
        assert_eq!(of("made=2Eup=2E0").live, 1);
        assert_eq!(counted.iter().map(|counted| counted.live + counted.snapshot).sum::<u64>(), 10_001);
        assert_eq!((counters.bytes, counters.of.len()), (100_010, MAX_UNKNOWN + 1));
    }

    #[test]
    fn long_names_take_no_more_memory_than_short_ones() {
        let mut counters = SourceCounters::default();
        for number in 0..1_000 {
            counters.count(format!("{number}{}", "é".repeat(50_000)).as_bytes(), 10, Origin::Live);
        }
        let held: usize = counters.counts.iter().map(|counted| counted.slug.len()).sum();
        assert!(held <= (MAX_UNKNOWN + 1) * 64, "{held} bytes of slugs");
        assert_eq!(counters.of.len(), MAX_UNKNOWN);
    }

    #[test]
    fn gaps_are_counted_with_their_time_by_reason() {
        let mut counters = SourceCounters::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        counters.gap(GapReason::Started, None, at(100));
        counters.gap(GapReason::Disconnected, Some(at(100)), at(130));
        counters.gap(GapReason::Disconnected, Some(at(140)), at(142));
        counters.gap(GapReason::Disconnected, Some(at(200)), at(150));
        assert_eq!(counters.gaps[&GapReason::Started], Gaps { count: 1, seconds: 0.0 });
        assert_eq!(counters.gaps[&GapReason::Disconnected], Gaps { count: 3, seconds: 32.0 });
    }

    #[test]
    fn only_the_last_are_remembered() {
        let mut list = VecDeque::new();
        (0..100).for_each(|number| push(&mut list, number));
        assert_eq!((list.len(), list.front(), list.back()), (RECENT, Some(&76), Some(&99)));
    }
}
