//! Where to go on when the sources are spread over several lanes, each with an end of its own.
//!
//! Sending begins where the lane that is furthest behind ends; what the others have already is settled on the way,
//! without being sent.

use jiff::Timestamp;

use super::{Driver, LaneEnd, SinkError, Stored, resume::foreign};
use crate::{
    event::{Position, Seq, SourceId},
    journal::{Cursor, Journal, Search},
};

/// How far back to go, and from which number on: what a lane has forgotten.
type Back = (Position, Option<(SourceId, Seq)>);

impl Driver {
    /// Moves the reader to where the lane that is furthest behind ends, and notes what the others have.
    pub(super) async fn resume_lanes(&mut self, ends: Vec<LaneEnd>) -> Result<(), SinkError> {
        let journal = self.reader.journal().clone();
        let cursor = self.reader.rewind();
        self.have = vec![cursor.next; cursor.lanes.len()];
        let mut back: Option<Back> = None;
        for LaneEnd { sources, newest } in ends {
            let ids: Vec<SourceId> = sources.iter().filter_map(|source| journal.source(source)).collect();
            let known = known(&journal, &cursor, &ids).await;
            let (has, forgotten) = match newest {
                Some(stored) => self.end(&journal, &stored, known, &cursor).await?,
                None if known.is_some() => {
                    let moment = Timestamp::now().checked_sub(self.options.retain).unwrap_or_default();
                    let from = journal.since(moment).await;
                    (from, Some((from, None)))
                }
                None => (Position(0), None),
            };
            for id in ids {
                if let Some(have) = self.have.get_mut(id.index()) {
                    *have = has;
                }
            }
            back = [back, forgotten].into_iter().flatten().min_by_key(|(position, _)| *position);
        }
        if let Some((position, newest)) = back
            && position < cursor.next
        {
            self.go_back(position, newest).await;
        }
        Ok(())
    }

    /// Up to where a lane has everything, and from where on it has forgotten what it had.
    async fn end(
        &self,
        journal: &Journal,
        stored: &Stored,
        known: Option<Position>,
        cursor: &Cursor,
    ) -> Result<(Position, Option<Back>), SinkError> {
        if stored.journal != journal.id() {
            if self.options.adopt == Some(stored.journal) {
                return Ok((cursor.next, None));
            }
            return Err(foreign(stored.journal, Some(journal.id())));
        }
        let Some(source) = journal.source(&stored.source) else {
            return Err(super::resume::unknown(&stored.source));
        };
        let newest = Some((source, stored.seq));
        Ok(match journal.search(source, stored.seq).await {
            Search::Before(next) if known.is_some_and(|known| next < known) => (next, Some((next, newest))),
            Search::Before(next) => (next, None),
            // Delivered long ago, and nothing since.
            Search::Older(_)
                if cursor.lanes.get(source.index()).is_some_and(|lane| lane.published <= stored.seq) =>
            {
                (cursor.next, None)
            }
            Search::Older(first) => (first, Some((first, newest))),
            Search::Beyond => {
                journal.skip_above(source, stored.seq);
                (cursor.next, None)
            }
        })
    }
}

/// Where the newest record ends that was delivered to a lane, as far as it is kept.
async fn known(journal: &Journal, cursor: &Cursor, sources: &[SourceId]) -> Option<Position> {
    let mut newest = None;
    for source in sources {
        let published = cursor.lanes.get(source.index()).map_or(Seq(0), |lane| lane.published);
        if published > Seq(0)
            && let Search::Before(next) = journal.search(*source, published).await
        {
            newest = newest.max(Some(next));
        }
    }
    newest
}
