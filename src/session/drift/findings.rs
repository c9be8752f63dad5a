//! What was found in a source's events since the start, bounded. Shared by its sessions, `/status` and the metrics.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;

use crate::event::DriftKind;

/// Maximum number of findings of a source, and so of its notices per day.
const MOST: usize = 100;
/// Label of uncatalogued events in the metrics.
pub(super) const UNKNOWN: &str = "unknown";

/// The findings of a source. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Findings(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    found: BTreeMap<Place, State>,
    /// By the event's name in the catalogue, and kind.
    counts: BTreeMap<(&'static str, DriftKind), u64>,
}

/// A difference between events of a name and the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) event: String,
    pub(super) path: String,
    pub(super) kind: DriftKind,
}

#[derive(Debug)]
struct State {
    count: u64,
    first: Timestamp,
    last: Timestamp,
    /// Day of the last notice.
    announced: i64,
    /// Events since then.
    unannounced: u64,
}

/// A finding, as `/status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Name of the event, cut and masked.
    pub event: String,
    /// Place in the data, as in the notice `drift`.
    pub path: String,
    /// Kind of the difference.
    pub kind: DriftKind,
    /// Sampled events that have shown it.
    pub count: u64,
    /// Time of the first of them.
    pub first_seen: Timestamp,
    /// Time of the last.
    pub last_seen: Timestamp,
}

impl Findings {
    /// Counts an event with a difference. `label` is the event's name in the metrics. Returns the count to announce; `None`
    /// if the difference was announced on this day (UTC), or if there are too many others.
    pub(super) fn record(&self, label: &'static str, place: &Place, at: Timestamp) -> Option<u64> {
        let mut table = self.0.lock();
        *table.counts.entry((label, place.kind)).or_default() += 1;
        let today = day(at);
        if let Some(state) = table.found.get_mut(place) {
            (state.count, state.unannounced) = (state.count + 1, state.unannounced + 1);
            state.last = state.last.max(at);
            // A clock that was set back announces nothing again.
            return (today > state.announced).then(|| {
                state.announced = today;
                std::mem::take(&mut state.unannounced)
            });
        }
        if table.found.len() >= MOST {
            // What was seen today may have been announced today, and counts towards the limit.
            let oldest = table.found.iter().filter(|(_, state)| day(state.last) < today);
            let oldest = oldest.min_by_key(|(_, state)| state.last).map(|(place, _)| place.clone())?;
            table.found.remove(&oldest);
        }
        let state = State { count: 1, first: at, last: at, announced: today, unannounced: 0 };
        table.found.insert(place.clone(), state);
        Some(1)
    }

    /// Returns the findings by event, path and kind, at most 100.
    pub fn list(&self) -> Vec<Finding> {
        let finding = |(place, state): (&Place, &State)| Finding {
            event: place.event.clone(),
            path: place.path.clone(),
            kind: place.kind,
            count: state.count,
            first_seen: state.first,
            last_seen: state.last,
        };
        self.0.lock().found.iter().map(finding).collect()
    }

    /// Returns the numbers of sampled events that differed, by the event's name in the catalogue, or `unknown`, and kind.
    pub fn counts(&self) -> BTreeMap<(&'static str, DriftKind), u64> {
        self.0.lock().counts.clone()
    }
}

/// The day since 1970, in UTC.
fn day(at: Timestamp) -> i64 {
    at.as_second().div_euclid(86_400)
}
