//! Where to go on: what the broker's lane ends with, against the cursor.

use std::time::Duration;

use jiff::Timestamp;

use super::{Driver, SinkError, Stored, Tail};
use crate::{
    event::{JournalId, LossReason, Notice, Position, Seq, SourceId},
    journal::{Cursor, Search, Settled},
    route::Verdict,
};

/// The lane was last written by another journal than ours, which may be still to be begun.
pub(super) fn foreign(theirs: JournalId, ours: Option<JournalId>) -> SinkError {
    let ours = ours.map_or_else(|| "a new one".to_owned(), |ours| ours.to_string());
    SinkError::Operator(format!(
        "the lane was last written by the journal {theirs}, and this one is {ours}: two bridges share a name, or this \
         one's journal was lost. Give each bridge its own `instance` (or `stream`; on Kafka, `topic`); if the other one is gone \
         for good, set `adopt = \"{theirs}\"`"
    ))
}

/// The lane was last written by our journal, for a source that it does not know.
pub(super) fn unknown(source: &str) -> SinkError {
    let source = crate::text::PeerText::new(source).to_string();
    SinkError::Operator(format!(
        "the lane ends with an event of the source {source:?}, which this journal does not know: set \
         `[journal] dir` to the directory it was written from"
    ))
}

impl Driver {
    /// Moves the cursor to where the broker's lane ends, and the reader with it.
    pub(super) async fn resume(&mut self, tail: Tail) -> Result<(), SinkError> {
        let cursor = self.reader.rewind();
        self.have.clear();
        match tail {
            Tail::Unknown => {}
            Tail::Lane(None) => self.resume_empty(&cursor).await,
            Tail::Lane(Some(stored)) => self.resume_after(&stored, &cursor).await?,
            Tail::Lanes(ends) => return self.resume_lanes(ends).await,
        }
        let mut lane: Vec<Seq> = self.reader.rewind().lanes.iter().map(|lane| lane.published).collect();
        lane.resize(self.reader.journal().sources().len(), Seq(0));
        self.lanes = vec![lane];
        Ok(())
    }

    async fn resume_after(&mut self, stored: &Stored, cursor: &Cursor) -> Result<(), SinkError> {
        let journal = self.reader.journal().clone();
        if stored.journal != journal.id() {
            if self.options.adopt == Some(stored.journal) {
                return Ok(());
            }
            return Err(foreign(stored.journal, Some(journal.id())));
        }
        let Some(source) = journal.source(&stored.source) else {
            return Err(unknown(&stored.source));
        };
        if cursor.newest == Some((source, stored.seq)) {
            return Ok(());
        }
        match journal.search(source, stored.seq).await {
            Search::Before(next) if next > cursor.next => self.catch_up(next).await,
            Search::Before(next) if next < cursor.next => {
                self.go_back(next, Some((source, stored.seq))).await;
            }
            Search::Before(_) => {}
            Search::Older(first) => {
                self.go_back(first.min(cursor.next), Some((source, stored.seq))).await;
                self.count_forgotten(source, stored.seq, first);
            }
            Search::Beyond => journal.skip_above(source, stored.seq),
        }
        Ok(())
    }

    /// The broker's lane is empty. If we had filled it, what was delivered lately is sent again: older events have
    /// had their time, and a lane that forgot them by age is as it should be.
    async fn resume_empty(&mut self, cursor: &Cursor) {
        if cursor.newest.is_none() {
            return;
        }
        let moment = Timestamp::now().checked_sub(self.options.retain).unwrap_or_default();
        let from = self.reader.journal().since(moment).await;
        if from < cursor.next {
            self.go_back(from, None).await;
        }
    }

    /// The broker has more than the cursor knows of: settles it, without sending.
    async fn catch_up(&mut self, next: Position) {
        loop {
            let mut records = Vec::new();
            self.reader.read(self.options.batch, &mut records).await;
            let before = records.iter().take_while(|record| record.position < next).count();
            let settled: Vec<_> = records
                .iter()
                .take(before)
                .map(|record| {
                    let how = match self.plan.decide(record) {
                        Verdict::Publish(_) => Settled::Published,
                        Verdict::Filtered => Settled::Filtered,
                    };
                    (record.position, record.source, record.seq, how)
                })
                .collect();
            self.reader.settle(settled.into_iter());
            if before == 0 || before < records.len() {
                return;
            }
        }
    }

    /// The broker has forgotten what it had acknowledged: goes back, and says so.
    pub(super) async fn go_back(&mut self, next: Position, newest: Option<(SourceId, Seq)>) {
        let journal = self.reader.journal().clone();
        let Some(mut lanes) = journal.lanes_at(next).await else { return };
        let cursor = self.reader.rewind();
        for (lane, old) in lanes.iter_mut().zip(&cursor.lanes) {
            lane.ledger = old.ledger.clone();
            // Before this sink's own time the journal may have had records that are none of its concern.
            lane.count = lane.count.min(old.count);
            lane.ledger.take_back(old.count - lane.count);
        }
        self.reader.forget(Cursor { next, lanes, newest, ..cursor });
        let (sink, from) = (self.name.to_string(), newest.map_or(Seq(0), |(_, seq)| seq.next()));
        tracing::warn!(
            sink,
            from = from.0,
            "the broker has forgotten what it acknowledged: it is sent again"
        );
        let source = newest.map_or(SourceId(0), |(source, _)| source);
        journal.notice(source, &Notice::Rewound { sink, from });
    }

    /// What the broker has forgotten and the journal no longer has. Where a source is spread over several lanes, and not all
    /// have forgotten, these are as many as it may be.
    pub(super) fn count_forgotten(&mut self, source: SourceId, stored: Seq, first: Position) {
        let kept = self.reader.rewind();
        if kept.next != first {
            return;
        }
        let Some(lane) = kept.lanes.get(source.index()) else { return };
        let count = lane.last.0.saturating_sub(stored.0);
        self.reader.forgotten(source, count, (stored.next(), lane.last), LossReason::Forgotten);
    }
}

/// How long delivered records are kept unless it is configured.
pub(super) const RETAIN: Duration = Duration::from_mins(15);
