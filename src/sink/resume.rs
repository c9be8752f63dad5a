//! Where to go on: what the broker's lane ends with, against the cursor.

use std::{cmp::Ordering, time::Duration};

use jiff::Timestamp;

use super::{
    Driver, Sink, SinkError, Stored, Tail,
    proof::{NOT_OURS, Proof, foreign, prove, unknown, unread},
};
use crate::{
    event::{LossReason, Notice, Position, Seq, SourceId},
    journal::{Cursor, Note, Settled},
    route::Verdict,
};

impl Driver {
    /// Moves the cursor to where the broker's lane ends, and the reader with it.
    pub(super) async fn resume<S: Sink>(
        &mut self,
        sink: &S,
        link: &mut S::Link,
        tail: Tail,
    ) -> Result<(), SinkError> {
        let cursor = self.reader.rewind();
        self.have.clear();
        match tail {
            Tail::Unknown => {}
            Tail::Lane(None) => self.resume_empty(&cursor).await?,
            Tail::Lane(Some(stored)) => self.resume_after(sink, link, &stored, &cursor).await?,
            Tail::Lanes(ends) => return self.resume_lanes(sink, link, ends).await,
        }
        let mut lane: Vec<Seq> = self.reader.rewind().lanes.iter().map(|lane| lane.published).collect();
        lane.resize(self.reader.journal().sources().len(), Seq(0));
        self.lanes = vec![lane];
        self.trust();
        Ok(())
    }

    async fn resume_after<S: Sink>(
        &mut self,
        sink: &S,
        link: &mut S::Link,
        stored: &Stored,
        cursor: &Cursor,
    ) -> Result<(), SinkError> {
        let journal = self.reader.journal().clone();
        if stored.journal != journal.id() {
            if self.options.adopt == Some(stored.journal) {
                return Ok(());
            }
            return Err(foreign(stored, Some(journal.id())));
        }
        let source = journal.source(&stored.source).ok_or_else(|| unknown(stored))?;
        let note = Note::new(stored.seq, stored.time, stored.ty.clone());
        let noted = cursor.notes.get(source.index());
        match prove(&journal, noted, (source, stored)).await? {
            Proof::Copy if self.is_adopted() => {}
            Proof::Copy => return Err(self.refuse(stored, NOT_OURS)),
            _ if cursor.newest == Some((source, stored.seq)) => {}
            Proof::Ours(next) => self.go_to(next, (source, note), cursor).await?,
            Proof::Older(first) => {
                self.go_back(first.min(cursor.next), Some((source, stored.seq))).await?;
                self.count_forgotten(source, stored.seq, first);
            }
            Proof::Unknown(next) => {
                self.look_twice(sink, link, stored, next >= cursor.next).await?;
                self.go_to(next, (source, note.clone()), cursor).await?;
                self.reader.believe(source, note);
            }
        }
        Ok(())
    }

    /// The lane ends right before this position.
    async fn go_to(
        &mut self,
        next: Position,
        (source, note): (SourceId, Note),
        cursor: &Cursor,
    ) -> Result<(), SinkError> {
        match next.cmp(&cursor.next) {
            Ordering::Greater => self.catch_up(next).await?,
            Ordering::Less => self.go_back(next, Some((source, note.seq))).await?,
            Ordering::Equal => {}
        }
        self.reader.published([(source, note)].into_iter());
        Ok(())
    }

    /// The broker's lane is empty. If we had filled it, what was delivered lately is sent again: older events have
    /// had their time, and a lane that forgot them by age is as it should be.
    async fn resume_empty(&mut self, cursor: &Cursor) -> Result<(), SinkError> {
        if cursor.newest.is_none() {
            return Ok(());
        }
        let moment = Timestamp::now().checked_sub(self.options.retain).unwrap_or_default();
        let journal = self.reader.journal();
        let from = journal.since(moment).await.map_err(|error| unread(journal, &error))?;
        if from < cursor.next { self.go_back(from, None).await } else { Ok(()) }
    }

    /// The broker has more than the cursor knows of: settles it, without sending.
    async fn catch_up(&mut self, next: Position) -> Result<(), SinkError> {
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
                return Ok(());
            }
        }
    }

    /// The broker has forgotten what it had acknowledged: goes back, and says so.
    pub(super) async fn go_back(
        &mut self,
        next: Position,
        newest: Option<(SourceId, Seq)>,
    ) -> Result<(), SinkError> {
        let journal = self.reader.journal().clone();
        let lanes = journal.lanes_at(next).await.map_err(|error| unread(&journal, &error))?;
        let Some(mut lanes) = lanes else { return Ok(()) };
        let cursor = self.reader.rewind();
        for (lane, old) in lanes.iter_mut().zip(&cursor.lanes) {
            lane.ledger = old.ledger.clone();
            // What was lost behind this place is found again on the way.
            lane.gone = if old.gone <= lane.last { old.gone } else { Seq(0) };
            // Before this sink's own time the journal may have had records that are none of its concern.
            lane.count = lane.count.min(old.count);
            lane.ledger.take_back(old.count - lane.count);
        }
        self.reader.forget(Cursor { next, lanes, newest, ..cursor });
        let (sink, from) = (self.name.to_string(), newest.map_or(Seq(0), |(_, seq)| seq.next()));
        tracing::warn!(from = from.0, "the broker has forgotten what it acknowledged: it is sent again");
        let source = newest.map_or(SourceId(0), |(source, _)| source);
        journal.notice(source, &Notice::Rewound { sink, from });
        Ok(())
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
