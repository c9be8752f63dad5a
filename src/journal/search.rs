//! Where on the line a number stands: what a broker's tail is compared by.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::{Journal, Lane, disk::stretch::Stretch, entry::Entry};
use crate::event::{Position, Record, Seq, SourceId};

/// Where a source's number stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// What follows it begins here.
    Before(Position),
    /// It is older than anything that is kept; what is kept begins here.
    Older(Position),
    /// No record that we know has it, and numbers have not come so far.
    Beyond,
}

/// What is looked through, oldest first.
struct Map {
    segments: Vec<(Stretch, Position, Seq)>,
    next: Seq,
    end: Position,
    first: Position,
}

impl Journal {
    /// Looks for a source's number. A number whose record was lost stands where the line went on above it.
    pub async fn search(&self, source: SourceId, seq: Seq) -> Search {
        if let Some(position) = self.line().position_in_memory(source, seq) {
            return Search::Before(position.next());
        }
        let map = self.map(source);
        if seq >= map.next {
            return Search::Beyond;
        }
        let Some(index) = map.segments.iter().rposition(|(.., next)| *next <= seq) else {
            return Search::Older(map.first);
        };
        let Some((stretch, first, _)) = map.segments.get(index) else { return Search::Older(map.first) };
        let found =
            scan(stretch.clone(), *first, move |record| record.source == source && record.seq == seq).await;
        let after = map.segments.get(index + 1).map_or(map.end, |(_, first, _)| *first);
        Search::Before(found.map_or(after, |record| record.position.next()))
    }

    /// The first record that was made at or after a moment, among those kept.
    pub async fn since(&self, moment: Timestamp) -> Position {
        let map = self.map(SourceId(0));
        for (stretch, first, _) in map.segments {
            if let Some(record) = scan(stretch, first, move |record| record.at >= moment).await {
                return record.position;
            }
        }
        map.end
    }

    /// Each source's lane when everything before `position` is settled: how many records that are, and the last number.
    pub async fn lanes_at(&self, position: Position) -> Option<Vec<Lane>> {
        let (stretch, first, standing) = {
            let line = self.line();
            let store = line.store.as_ref()?;
            let segment = store.segments.iter().rev().find(|segment| segment.first <= position)?;
            (segment.stretch(), segment.first, segment.standing.clone())
        };
        let mut lanes: Vec<Lane> = standing
            .iter()
            .map(|standing| {
                let last = Seq(standing.next.0.saturating_sub(1));
                let published = if standing.count == 0 { Seq(0) } else { last };
                Lane { count: standing.count, last, published, ..Lane::default() }
            })
            .collect();
        let found = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&found);
        scan(stretch, first, move |record| {
            let is_before = record.position < position;
            if is_before {
                seen.lock().unwrap_or_else(PoisonError::into_inner).push((record.source, record.seq));
            }
            !is_before
        })
        .await;
        for (source, seq) in std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner)) {
            if let Some(lane) = lanes.get_mut(source.index()) {
                lane.count += 1;
                lane.last = seq;
                lane.published = seq;
            }
        }
        Some(lanes)
    }

    fn map(&self, source: SourceId) -> Map {
        let line = self.line();
        let next = line.standing.get(source.index()).map_or(Seq(0), |standing| standing.next);
        let mut segments = Vec::new();
        if let Some(store) = &line.store {
            for segment in &store.segments {
                let standing = segment.standing.get(source.index()).map_or(Seq(0), |standing| standing.next);
                segments.push((segment.stretch(), segment.first, standing));
            }
        }
        let end = line.end();
        let first = segments.first().map_or(line.oldest_in_memory(), |(_, first, _)| *first);
        Map { segments, next, end, first }
    }
}

/// The first record of a segment that this holds of.
async fn scan(
    stretch: Stretch,
    first: Position,
    holds: impl Fn(&Record) -> bool + Send + 'static,
) -> Option<Record> {
    let walk = move || {
        let mut place = stretch.start;
        loop {
            let chunk = stretch.read(place, first).ok()?;
            if let Some(record) = chunk.entries.iter().filter_map(Entry::record).find(|record| holds(record))
            {
                return Some(record.clone());
            }
            if chunk.next.offset == place.offset || chunk.next.position >= stretch.end {
                return None;
            }
            place = chunk.next;
        }
    };
    tokio::task::spawn_blocking(walk).await.ok().flatten()
}
