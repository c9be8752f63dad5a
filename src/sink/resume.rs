//! Resumes after the newest events that the broker holds, compared with the cursor.

use std::time::Duration;

use super::{Driver, Sink, SinkError, Tail, proof::unread};
use crate::{
    event::{LossReason, Notice, Position, Seq, SourceId},
    journal::{Cursor, SourceCursor},
    route::Verdict,
};

/// The number of records that are read at once to count them.
const BATCH: usize = 256;

impl Driver {
    /// Moves the cursor and the reader to the end of what the broker holds.
    pub(super) async fn resume<S: Sink>(
        &mut self,
        sink: &S,
        link: &mut S::Link,
        tail: Tail,
    ) -> Result<(), SinkError> {
        match tail {
            Tail::Unknown => {
                let cursor = self.reader.rewind();
                let mut published: Vec<Seq> = cursor.sources.iter().map(|source| source.published).collect();
                published.resize(self.reader.journal().sources().len(), Seq(0));
                self.complete.clear();
                self.partitions = vec![published];
            }
            Tail::Partitions(ends) => self.resume_partitions(sink, link, ends).await?,
        }
        self.trust();
        Ok(())
    }

    /// Moves the cursor back for a broker that has lost acknowledged events, and reports it.
    pub(super) async fn rewind_to(
        &mut self,
        next: Position,
        newest: Option<(SourceId, Seq)>,
    ) -> Result<(), SinkError> {
        let journal = self.reader.journal().clone();
        let sources = journal.source_cursors_at(next).await.map_err(|error| unread(&journal, error))?;
        let Some(sources) = sources else { return Ok(()) };
        let cursor = self.reader.rewind();
        let back = |filtered: &[u64]| {
            let olds = cursor.sources.iter().map(Some).chain(std::iter::repeat(None));
            let sources = sources.iter().zip(olds).zip(filtered);
            // A source that the cursor does not know yet is as the journal has it.
            let sources = sources.map(|((source, old), filtered)| {
                old.map_or_else(|| source.clone(), |old| taken_back(source, old, *filtered))
            });
            Cursor { next, sources: sources.collect(), ..cursor.clone() }
        };
        self.reader.forget(back(&vec![0; sources.len()]));
        if self.plan.may_drop() {
            let filtered = self.count_filtered(cursor.next, sources.len()).await;
            self.reader.forget(back(&filtered));
        }
        let (sink, from) = (self.name.to_string(), newest.map_or(Seq(0), |(_, seq)| seq.next()));
        tracing::warn!(from = from.0, "the broker lost acknowledged events: sending them again");
        let source = newest.map_or(SourceId(0), |(source, _)| source);
        journal.notice(source, &Notice::Rewound { sink, from });
        Ok(())
    }

    /// Reads on to `end`, and counts the records of each source that the routes filter: they were not published, so the broker
    /// has not lost them.
    async fn count_filtered(&mut self, end: Position, sources: usize) -> Vec<u64> {
        let mut filtered = vec![0; sources];
        let mut records = Vec::new();
        loop {
            records.clear();
            self.reader.read(BATCH, &mut records).await;
            records.retain(|record| record.position < end);
            // A disk that fails at the moment returns nothing: then published records are taken back instead.
            if records.is_empty() {
                return filtered;
            }
            for record in &records {
                if let Verdict::Filtered(_) = self.plan.decide(record)
                    && let Some(count) = filtered.get_mut(record.source.index())
                {
                    *count += 1;
                }
            }
        }
    }

    /// Counts the events that the broker has lost and the journal no longer has. Where a source is spread over several partitions,
    /// and not all have lost events, this is an upper bound.
    pub(super) fn count_forgotten(&mut self, source: SourceId, stored: Seq, first: Position) {
        let kept = self.reader.rewind();
        if kept.next != first {
            return;
        }
        let Some(settled) = kept.sources.get(source.index()) else { return };
        let count = settled.last.0.saturating_sub(stored.0);
        self.reader.forgotten(source, count, (stored.next(), settled.last), LossReason::Forgotten);
    }
}

/// Returns the cursor of a source after the records since `source` were taken back, of which `filtered` were not published.
fn taken_back(source: &SourceCursor, old: &SourceCursor, filtered: u64) -> SourceCursor {
    // Records from before the sink was added are not its concern.
    let count = source.count.min(old.count);
    let taken = old.count - count;
    let mut ledger = old.ledger.clone();
    let filtered = filtered.min(taken).min(ledger.filtered);
    ledger.filtered -= filtered;
    ledger.take_back(taken - filtered);
    // Losses after this position are detected again on the way.
    let gone = if old.gone <= source.last { old.gone } else { Seq(0) };
    SourceCursor { count, ledger, gone, ..source.clone() }
}

/// The default time for which delivered records are kept.
pub(super) const RETAIN: Duration = Duration::from_mins(15);
