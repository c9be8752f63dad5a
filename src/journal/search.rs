//! Where on the line a number stands: what a broker's tail is compared by.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;

use super::{Journal, Lane, reader::Stretch};
use crate::event::{Position, Record, Seq, SourceId};

/// Where a source's number stands.
#[derive(Debug, Clone)]
pub enum Search {
    /// This is its record.
    Found(Box<Record>),
    /// Its record was lost; what follows it begins here.
    Lost(Position),
    /// It was skipped, so that no process whose records are here has given it; what follows begins here.
    Skipped(Position),
    /// It is older than anything that is kept; what is kept begins here.
    Older(Position),
    /// Numbers have not come so far.
    Beyond,
}

impl Search {
    /// Where the log goes on behind the number, if its place is kept.
    pub fn next(&self) -> Option<Position> {
        match self {
            Self::Found(record) => Some(record.position.next()),
            Self::Lost(next) | Self::Skipped(next) => Some(*next),
            Self::Older(_) | Self::Beyond => None,
        }
    }
}

/// What is looked through, oldest first.
struct Map {
    segments: Vec<(Stretch, Position, Seq)>,
    next: Seq,
    end: Position,
    first: Position,
}

impl Journal {
    /// Looks for a source's number. Fails if the disk can't be read: that is no answer.
    pub async fn search(&self, source: SourceId, seq: Seq) -> io::Result<Search> {
        if let Some(record) = self.line().in_memory(source, seq) {
            return Ok(Search::Found(Box::new(record)));
        }
        let map = self.map(source);
        if seq >= map.next {
            return Ok(Search::Beyond);
        }
        let Some(index) = map.segments.iter().rposition(|(.., next)| *next <= seq) else {
            return Ok(Search::Older(map.first));
        };
        let Some((stretch, first, _)) = map.segments.get(index) else { return Ok(Search::Older(map.first)) };
        let is_behind = move |record: &Record| record.source == source && record.seq >= seq;
        let found = scan(stretch.clone(), *first, is_behind).await?;
        let after = map.segments.get(index + 1).map_or(map.end, |(_, first, _)| *first);
        Ok(match found {
            Some(record) if record.seq == seq => Search::Found(Box::new(record)),
            found => Search::Skipped(found.map_or(after, |record| record.position)),
        })
    }

    /// The first record that was made at or after a moment, among those kept.
    pub async fn since(&self, moment: Timestamp) -> io::Result<Position> {
        let map = self.map(SourceId(0));
        for (stretch, first, _) in map.segments {
            if let Some(record) = scan(stretch, first, move |record| record.at >= moment).await? {
                return Ok(record.position);
            }
        }
        Ok(map.end)
    }

    /// Each source's lane when everything before `position` is settled: how many records that are, and the last number.
    pub async fn lanes_at(&self, position: Position) -> io::Result<Option<Vec<Lane>>> {
        let (stretch, first, standing) = {
            let line = self.line();
            let segments = line.store.as_ref().map(|store| &store.segments);
            let segment = segments.and_then(|all| all.iter().rev().find(|it| it.first <= position));
            let Some(segment) = segment else { return Ok(None) };
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
        .await?;
        for (source, seq) in std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner)) {
            if let Some(lane) = lanes.get_mut(source.index()) {
                lane.count += 1;
                lane.last = seq;
                lane.published = seq;
            }
        }
        Ok(Some(lanes))
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
) -> io::Result<Option<Record>> {
    let walk = move || {
        let (mut offset, mut next) = (stretch.start, first);
        loop {
            let chunk = stretch.read(offset, next)?;
            if let Some(record) = chunk.records.iter().find(|record| holds(record)) {
                return Ok(Some(record.clone()));
            }
            let moved = chunk.offset() > offset;
            (offset, next) = (chunk.offset(), chunk.next());
            if !moved || next >= stretch.end {
                return Ok(None);
            }
        }
    };
    tokio::task::spawn_blocking(walk).await.map_err(io::Error::other)?
}
